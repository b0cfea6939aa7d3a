import numpy as np
import pytest

from dlcli.data.dataset import Dataset, Samples
from dlcli.data.options import DataOptions
from dlcli.data.pipeline import prepare
from dlcli.errors import DataError, MisfitError

STANDARDISED = [{"type": "scale", "by": 0.5}, {"type": "standardise"}, {"type": "flatten"}]


def options(**more):
    source = {"type": "synthetic", "shape": [3, 2], "classes": 4, "samples": 80, "test_samples": 12}
    return DataOptions.model_validate({"source": source, "transform": STANDARDISED, "validation": 0.25} | more)


def all_of(source):
    (batch,) = source.iterate(len(source), dtype=np.float64)
    return batch


def test_what_is_prepared():
    data = prepare(options())
    assert [len(part) for part in (data.train, data.validation, data.test)] == [60, 20, 12]
    assert data.classes == (0, 1, 2, 3)
    assert data.task == "classification"
    assert data.raw_shape == (3, 2)
    assert data.sample_shape == data.train.sample_shape == (6,)
    assert data.target_shape == ()
    assert {name: array.shape for name, array in data.statistics.items()} == {"1/mean": (3, 2), "1/deviation": (3, 2)}


def test_the_split_parts_the_training_set():
    source = options().source.load()
    whole = np.concatenate([source.train.x.reshape(80, 6), source.train.y[:, None]], axis=1)
    data = prepare(options(transform=["flatten"]))
    parts = [np.concatenate([b.x, b.y[:, None]], axis=1) for b in map(all_of, (data.train, data.validation))]
    rejoined = np.concatenate(parts)
    np.testing.assert_array_equal(rejoined[np.lexsort(rejoined.T)], whole[np.lexsort(whole.T)])
    np.testing.assert_array_equal(np.bincount(all_of(data.validation).y), [5, 5, 5, 5])


def test_samples_as_targets_are_a_regression_with_the_same_split():
    data, labelled = prepare(options(targets="input")), prepare(options())
    assert (data.task, data.classes, data.target_shape) == ("regression", (), (6,))
    for found, expected in ((data.train, labelled.train), (data.validation, labelled.validation)):
        batch = all_of(found)
        np.testing.assert_array_equal(batch.x, all_of(expected).x)
        assert batch.y is batch.x
    crop = {"type": "random_crop", "size": 2}
    images = {"type": "synthetic", "shape": [4, 4, 1]}
    with pytest.raises(MisfitError, match="expected 1 for a regression"):
        prepare(options(targets="input", source=images, transform=[crop], test_crops=5))


def test_no_validation_no_test():
    data = prepare(options(validation=0, source={"type": "synthetic", "shape": [2], "test_samples": 0}))
    assert data.validation is None
    assert data.test is None


def test_transforms_are_fitted_to_the_training_part_alone():
    data = prepare(options())
    train = all_of(data.train).x
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-6)
    assert np.abs(all_of(data.validation).x.mean(axis=0)).max() > 1e-3
    raw = options().source.load().test.x.reshape(12, 6) * 0.5
    expected = (raw - data.statistics["1/mean"].reshape(6)) / data.statistics["1/deviation"].reshape(6)
    np.testing.assert_allclose(all_of(data.test).x, expected, rtol=1e-5, atol=1e-6)


def test_fitting_in_many_batches(monkeypatch):
    whole = prepare(options())
    monkeypatch.setattr("dlcli.data.pipeline.FIT_BYTES", 24 * 7)
    for name, array in prepare(options()).statistics.items():
        np.testing.assert_allclose(array, whole.statistics[name], rtol=1e-6)


def test_given_statistics_are_taken():
    given = {"1/mean": np.full((3, 2), 2, np.float32), "1/deviation": np.full((3, 2), 4, np.float32)}
    data = prepare(options(), given)
    np.testing.assert_array_equal(data.statistics["1/mean"], given["1/mean"])
    raw = options().source.load().test.x.reshape(12, 6)
    np.testing.assert_allclose(all_of(data.test).x, (raw * 0.5 - 2) / 4, rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"data\.transform\.1: mean kept from training: found none, expected \[3, 2\]"),
        (
            {"1/mean": np.zeros((3, 2)), "1/deviation": np.ones(6)},
            r"deviation kept from training: found shape \[6\], expected \[3, 2\] for samples of shape \[3, 2\]",
        ),
    ],
)
def test_statistics_of_other_data_are_refused(given, message):
    with pytest.raises(DataError, match=message):
        prepare(options(), given)


def test_a_regression(put):
    path = put("a.csv", "".join(f"{i},{i * i},{i / 2}\n" for i in range(10)))
    data = prepare(
        DataOptions.model_validate({"source": {"type": "csv", "train": path, "task": "regression"}, "validation": 3})
    )
    assert (data.task, data.classes, data.target_shape) == ("regression", (), (1,))
    assert len(data.validation) == 3


def test_the_fingerprint_changes_with_the_data_and_with_nothing_else():
    def dataset(x, y=(0, 1), test=None, classes=(0, 1)):
        return Dataset(Samples(x, np.array(y)), test, classes).fingerprint()

    x = np.arange(8, dtype=np.uint8).reshape(2, 4)
    changed = x.copy()
    changed[1, 3] += 1
    prints = {
        dataset(x),
        dataset(changed),
        dataset(x.astype(np.float32)),
        dataset(x.reshape(2, 2, 2)),
        dataset(x, y=(1, 0)),
        dataset(x, classes=("a", "b")),
        dataset(x, test=Samples(x, np.array([0, 1]))),
    }
    assert len(prints) == 7
    assert dataset(x) == dataset(np.asfortranarray(x))
    assert prepare(options()).fingerprint == prepare(options(transform=[], validation=0, batch_size=7)).fingerprint
