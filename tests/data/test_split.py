import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.data.dataset import Dataset, Samples
from dlcli.data.options import DataOptions
from dlcli.data.split import stratified, validation_rows
from dlcli.errors import MisfitError
from dlcli.random import generator


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.floats(0, 1), st.integers(0, 3))
def test_every_class_gives_its_quota_but_for_one_sample(labels, share, seed):
    labels = np.array(labels)
    count = int(share * len(labels))
    drawn = stratified(labels, count, generator(seed, "test"))
    assert len(drawn) == count
    assert (np.diff(drawn) > 0).all()
    for label in range(6):
        quota = (labels == label).sum() * count / len(labels)
        assert abs((labels[drawn] == label).sum() - quota) < 1


def test_the_largest_remainders_get_what_is_missing():
    labels = np.repeat([0, 1, 2], [14, 13, 13])  # quotas of 10: 3.5, 3.25, 3.25
    drawn = stratified(labels, 10, generator(0, "test"))
    np.testing.assert_array_equal(np.bincount(labels[drawn]), [4, 3, 3])


def test_of_equal_remainders_the_smaller_label_comes_first():
    labels = np.repeat([0, 1, 2, 3], 5)
    drawn = stratified(labels, 2, generator(0, "test"))
    np.testing.assert_array_equal(labels[drawn], [0, 1])


def rows(validation, samples=100, regression=False, **more):
    y = np.linspace(0, 1, samples)[:, None] if regression else np.arange(samples) % 4
    data = Dataset(Samples(np.zeros((samples, 2), np.uint8), y), None, () if regression else (0, 1, 2, 3))
    options = DataOptions.model_validate({"source": "bundled", "validation": validation} | more)
    return validation_rows(options, data)


@pytest.mark.parametrize(
    ("validation", "count"), [(0.0, 0), (0, 0), (0.25, 25), (0.001, 1), (7, 7), (99, 99), ({"tail": 9}, 9)]
)
@pytest.mark.parametrize("regression", [False, True])
def test_shares_and_counts(validation, count, regression):
    assert len(np.unique(rows(validation, regression=regression))) == count


def test_the_tail_is_the_tail():
    np.testing.assert_array_equal(rows({"tail": 3}), [97, 98, 99])


def test_only_split_seed_decides():
    np.testing.assert_array_equal(rows(20), rows(20))
    assert (rows(20) != rows(20, split_seed=1)).any()


@pytest.mark.parametrize("validation", [100, {"tail": 100}, 1000])
def test_nothing_left_for_training(validation):
    with pytest.raises(MisfitError, match=r"found (100|1,000) samples, expected fewer than the 100") as caught:
        rows(validation)
    assert caught.value.path == ("data", "validation")
