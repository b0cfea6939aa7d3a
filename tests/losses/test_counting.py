"""What samples of each class count: weights, and a class that is ignored."""

import numpy as np
import pytest

from tests.losses.cases import UNITS, evaluated, every_loss, read, samples

COUNTING = ["hinge", "squared hinge", "sigmoid_cross_entropy", "softmax_cross_entropy", "smoothed softmax"]
every_counting_loss = pytest.mark.parametrize("name", COUNTING)


def options_of(name):
    return read(name).model_dump(exclude_none=True)


@every_counting_loss
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_class_s_weight_multiplies_the_loss_of_its_samples(name, dtype):
    x, classes = samples("classes", dtype=dtype)
    weights = [0.5, 2.0, 0.0, 1.0, 3.0]
    plain, gradient = evaluated(name, x, classes)
    found, weighted = evaluated(options_of(name) | {"class_weights": weights}, x, classes)
    own = np.array(weights)[classes]
    np.testing.assert_allclose(found, own * plain, rtol=1e-14)
    np.testing.assert_allclose(weighted, own[:, None] * gradient, rtol=1e-6 if dtype == np.float32 else 1e-14)
    assert len(set(classes)) == 5


@every_counting_loss
def test_weights_of_one_change_no_bit(name):
    x, classes = samples("classes", dtype=np.float32)
    for found, expected in zip(
        evaluated(options_of(name) | {"class_weights": [1.0] * UNITS}, x, classes),
        evaluated(name, x, classes),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


@every_counting_loss
@pytest.mark.parametrize("ignored", [0, 2, 4])
def test_samples_of_an_ignored_class_count_nothing_and_change_nothing(name, ignored):
    x, classes = samples("classes", n=20)
    without = classes != ignored
    x[~without] = np.nan  # whatever their outputs
    per_sample, gradient = evaluated(options_of(name) | {"ignored_label": ignored}, x, classes)
    assert not per_sample[~without].any()
    assert not gradient[~without].any()
    alone, alone_gradient = evaluated(name, x[without], classes[without])
    np.testing.assert_array_equal(per_sample[without], alone)
    np.testing.assert_allclose(gradient[without], alone_gradient * without.sum() / 20, rtol=1e-13)


@every_counting_loss
def test_the_last_class_may_be_ignored_without_an_output(name):
    x, classes = samples("classes")
    classes[[1, 4]] = UNITS
    ignoring = options_of(name) | {"ignored_label": UNITS}
    per_sample, _ = evaluated(ignoring, x, classes)
    assert np.flatnonzero(per_sample == 0).tolist() == [1, 4]
    loss = read(ignoring)
    loss.check((UNITS,), "classification", UNITS + 1)
    loss.check((UNITS + 1,), "classification", UNITS + 1)
    assert loss.probabilities(x).shape == x.shape
    with pytest.raises(ValueError, match="found 4 outputs, expected 6, one per class, or 5 without the ignored class"):
        loss.check((4,), "classification", UNITS + 1)
    with pytest.raises(ValueError, match="found classes from"):
        evaluated(name, x, classes)
    classes[0] = UNITS + 1
    with pytest.raises(ValueError, match="found classes from"):
        evaluated(ignoring, x, classes)


@every_loss
def test_errors_count_all_samples_but_those_ignored(name):
    classes = np.array([0, 3, 3, 1])
    assert read(name).counted(classes) is None
    if name in COUNTING:
        assert read(options_of(name) | {"ignored_label": 3}).counted(classes).tolist() == [True, False, False, True]


def test_a_single_output_has_two_weights():
    x, classes = samples("numbers", units=1)[0], np.array([0, 1, 1, 0, 1, 0, 0])
    for name in ("hinge", "sigmoid_cross_entropy"):
        options = options_of(name) | {"class_weights": [0.5, 3.0]}
        read(options).check((1,), "classification", 2)
        expected = np.where(classes, 3.0, 0.5) * evaluated(name, x, classes)[0]
        np.testing.assert_allclose(evaluated(options, x, classes)[0], expected, rtol=1e-14)


def test_a_single_output_s_hinge():
    per_sample, gradient = evaluated("hinge", np.array([[0.25], [0.25], [3.0]]), np.array([0, 1, 1]))
    assert per_sample.tolist() == [1.25, 0.75, 0.0]
    np.testing.assert_allclose(gradient, [[1 / 3], [-1 / 3], [0.0]])


@pytest.mark.parametrize(
    ("options", "task", "message"),
    [
        ({"class_weights": [1.0] * 4}, "classification", "class_weights: found 4, expected 5, one per class"),
        ({"class_weights": [1.0] * 5}, "regression", "found numbers as targets, expected classes"),
        ({"ignored_label": 5}, "classification", "ignored_label: found 5, expected a class from 0 to 4"),
        ({"ignored_label": 1}, "regression", "found numbers as targets, expected classes"),
    ],
)
@pytest.mark.parametrize("name", ["hinge", "sigmoid_cross_entropy", "softmax_cross_entropy"])
def test_weights_that_do_not_fit_the_classes_are_refused(name, options, task, message):
    with pytest.raises(ValueError, match=message):
        read({"type": name} | options).check((5,), task, 5)


@pytest.mark.parametrize("name", ["hinge", "sigmoid_cross_entropy", "softmax_cross_entropy"])
def test_weights_are_for_classes(name):
    x, numbers = samples("numbers")
    for options in ({"class_weights": [1.0] * UNITS}, {"ignored_label": 0}):
        with pytest.raises(ValueError, match="found numbers as targets, expected classes"):
            evaluated({"type": name} | options, x, numbers)
    for options in ({"class_weights": [1.0] * (UNITS + 2)}, {"ignored_label": UNITS + 1}):
        with pytest.raises(ValueError, match="for 5 outputs"):
            evaluated({"type": name} | options, x, samples("classes")[1])


def test_data_of_which_nothing_counts_are_refused():
    loss = read({"type": "softmax_cross_entropy", "ignored_label": 2})
    loss.check_targets(np.array([2, 2, 1]))
    with pytest.raises(ValueError, match="found samples of the ignored class 2 alone, expected others too"):
        loss.check_targets(np.array([2, 2]))
