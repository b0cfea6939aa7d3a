"""Every loss against naive sums and numerical gradients, and for what holds of all of them."""

import math
from unittest import mock

import numba
import numpy as np
import pytest

from dlcli.kernels import batch_loss, launch, losses
from dlcli.losses.base import Loss
from tests.losses.cases import (
    NAIVE,
    N,
    evaluated,
    every_loss,
    every_target,
    naive_sigmoid_cross_entropy,
    one_hot,
    read,
    samples,
)


def away_from_kinks(name, x, d):
    """The outputs, moved where a kink of first or second order is near: where 1 − δ x or |x − d| − Δ changes sign."""
    if "hinge" in name:
        x = np.where(abs(1 - (2 * d - 1) * x) < 0.02, x + 0.1, x)
        return np.where(abs(2 * d - 1) < 0.02, 0.0, x)
    if "huber" in name:
        for kink in (-1.0, -0.3, 0.3, 1.0):
            x = np.where(abs(x - d - kink) < 0.02, x + 0.1, x)
    return x


def test_every_loss_has_a_naive_form():
    assert {read(name).type for name in NAIVE} == set(Loss.members())


def test_every_loss_is_described():
    for member in Loss.members().values():
        assert member.__doc__
        assert all(field.description for name, field in member.model_fields.items() if name != "type"), member


@every_loss
def test_writing_and_reading_changes_nothing(name):
    assert read(read(name).model_dump(mode="json")) == read(name)


@every_loss
@every_target
@pytest.mark.parametrize("units", [2, 5, 37])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_each_sample_has_the_naive_loss(name, kind, units, dtype, tolerance):
    x, targets = samples(kind, dtype=dtype, units=units)
    d = one_hot(targets, units).tolist()
    expected = [NAIVE[name](row, wanted) for row, wanted in zip(x.tolist(), d, strict=True)]
    per_sample, gradient = evaluated(name, x, targets)
    np.testing.assert_allclose(per_sample, expected, rtol=tolerance)
    assert gradient.dtype == dtype


@every_loss
@every_target
@pytest.mark.parametrize("seed", [2, 3])
def test_the_gradient_is_that_of_the_mean_over_the_batch(name, kind, seed):
    x, targets = samples(kind, seed)
    x = away_from_kinks(name, x, one_hot(targets))

    def mean(at):
        return evaluated(name, at, targets)[0].mean()

    step, expected = 1e-3, np.empty_like(x)
    for place in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[place] = step
        near, far = mean(x + shift) - mean(x - shift), mean(x + 2 * shift) - mean(x - 2 * shift)
        expected[place] = (8 * near - far) / (12 * step)
    np.testing.assert_allclose(evaluated(name, x, targets)[1], expected, rtol=1e-8, atol=1e-10)


@every_loss
@every_target
def test_a_float32_gradient_is_the_rounded_float64_one(name, kind):
    x, targets = samples(kind, dtype=np.float32)
    wide = evaluated(name, x.astype(np.float64), targets.astype(np.float64) if kind == "numbers" else targets)[1]
    np.testing.assert_allclose(evaluated(name, x, targets)[1], wide, rtol=1e-6)


@every_loss
def test_classes_stand_for_one_hot_rows(name):
    x, classes = samples("classes")
    for found, expected in zip(evaluated(name, x, classes), evaluated(name, x, one_hot(classes)), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_single_output_stands_for_the_second_of_two_classes():
    x, classes = samples("numbers", units=1)[0], np.array([0, 1, 1, 0, 1, 0, 0])
    per_sample, gradient = evaluated("sigmoid_cross_entropy", x, classes)
    expected = [naive_sigmoid_cross_entropy(row, [c]) for row, c in zip(x.tolist(), classes.tolist(), strict=True)]
    np.testing.assert_allclose(per_sample, expected, rtol=1e-12)
    np.testing.assert_allclose(gradient[:, 0], (1 / (1 + np.exp(-x[:, 0])) - classes) / N, rtol=1e-12)


@every_loss
def test_the_gradient_may_be_left_out(name):
    x, targets = samples("numbers")
    per_sample = np.full(N, np.nan)
    read(name).evaluate(x, targets, per_sample)
    np.testing.assert_array_equal(per_sample, evaluated(name, x, targets)[0])


@every_loss
def test_outputs_of_any_shape_are_rows_of_units(name):
    x, targets = samples("numbers", units=12)
    images = evaluated(name, x.reshape(N, 2, 3, 2), targets.reshape(N, 2, 3, 2))
    for found, expected in zip(images, evaluated(name, x, targets), strict=True):
        np.testing.assert_array_equal(found.reshape(expected.shape), expected)


@every_loss
@every_target
def test_outputs_and_targets_are_left_as_they_are(name, kind):
    x, targets = samples(kind)
    before = x.copy(), targets.copy()
    evaluated(name, x, targets)
    read(name).probabilities(x)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(targets, before[1])


@every_loss
@every_target
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_sample_does_not_depend_on_its_batch(name, kind, dtype):
    x, targets = samples(kind, dtype=dtype, units=37)
    loss, per_sample = read(name), np.empty(N)
    loss.evaluate(x, targets, per_sample)
    probabilities, alone = loss.probabilities(x), np.empty(1)
    for n in range(N):
        loss.evaluate(x[n : n + 1], targets[n : n + 1], alone)
        assert alone[0] == per_sample[n]
        np.testing.assert_array_equal(loss.probabilities(x[n : n + 1])[0], probabilities[n])


@pytest.fixture
def always_parallel():
    """Launches that are planned meanwhile wake the threads, however small; gives what shows that they did."""
    with (
        mock.patch.object(batch_loss, "SERIAL", 1),
        mock.patch.object(losses, "SERIAL", 1),
        mock.patch.object(launch, "_launcher", wraps=launch._launcher) as woken,
    ):
        yield woken


@every_loss
@every_target
def test_threads_leave_every_bit(name, kind, always_parallel):
    x, targets = samples(kind, n=61, units=37)  # no other test has this size, of which a plan may be kept
    before, results = numba.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            numba.set_num_threads(threads)
            results.append((*evaluated(name, x, targets), read(name).probabilities(x)))
            assert launch.JIT_OFF or (mock.call(True) in always_parallel.call_args_list) == (threads > 1)
    finally:
        numba.set_num_threads(before)
    for result in results[1:]:
        for found, expected in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(found, expected)


@every_loss
@every_target
def test_nan_in_one_sample_is_nan_there_and_nowhere_else(name, kind):
    x, targets = samples(kind)
    x[0, 0] = x[3, 2] = np.nan
    per_sample, gradient = evaluated(name, x, targets)
    np.testing.assert_array_equal(np.isnan(per_sample), [n in (0, 3) for n in range(N)])
    np.testing.assert_array_equal(np.isnan(gradient).any(axis=1), [n in (0, 3) for n in range(N)])
    np.testing.assert_array_equal(np.isnan(read(name).probabilities(x)).any(axis=1), [n in (0, 3) for n in range(N)])


@every_loss
@every_target
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_large_outputs_stay_finite(name, kind, dtype):
    x, targets = samples(kind, dtype=dtype)
    x[:] = np.where(x > 0, 1e4, -1e4)
    x[0], x[1] = 1e4, -1e4
    per_sample, gradient = evaluated(name, x, targets)
    assert np.isfinite(per_sample).all()
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(read(name).probabilities(x).sum(axis=1), 1, rtol=1e-12)


def test_large_outputs_have_the_losses_of_the_limit():
    x = np.array([[1e4, 0.0, -1e4]])
    for c, expected in enumerate((0.0, 1e4, 2e4)):
        per_sample, _ = evaluated("softmax_cross_entropy", x, np.array([c]))
        assert per_sample[0] == pytest.approx(expected)
    per_sample, gradient = evaluated("sigmoid_cross_entropy", x, np.array([[0.0, 1.0, 1.0]]))
    assert per_sample[0] == pytest.approx(2e4 + math.log(2))
    np.testing.assert_allclose(gradient, [[1.0, -0.5, -1.0]])


def test_the_product_of_thousands_of_units_does_not_overflow():
    x, targets = samples("numbers", n=2, units=5000)
    x *= 0.1  # factors near 2: they pass the largest float64 after 1,024 units
    expected = [naive_sigmoid_cross_entropy(row, d) for row, d in zip(x.tolist(), targets.tolist(), strict=True)]
    np.testing.assert_allclose(evaluated("sigmoid_cross_entropy", x, targets)[0], expected, rtol=1e-12)


# Probabilities


@every_loss
def test_probabilities_sum_to_one_and_keep_the_order_of_the_outputs(name):
    x = samples("classes", n=200)[0]
    p = read(name).probabilities(x.astype(np.float32))
    assert p.dtype == np.float64
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(p.argmax(axis=1), x.argmax(axis=1))
    order = np.argsort(x, axis=1)
    assert (np.diff(np.take_along_axis(p, order, axis=1), axis=1) >= 0).all()


def test_softmax_probabilities():
    x = [0.5, -1.0, 2.0]
    total = sum(math.exp(value) for value in x)
    found = read("softmax_cross_entropy").probabilities(np.array([x]))
    np.testing.assert_allclose(found, [[math.exp(value) / total for value in x]], rtol=1e-14)


def test_sigmoid_probabilities():
    sigma = [1 / (1 + math.exp(-value)) for value in (0.5, -1.0, 2.0)]
    loss = read("sigmoid_cross_entropy")
    found = loss.probabilities(np.array([[0.5, -1.0, 2.0]]))
    np.testing.assert_allclose(found, [[p / sum(sigma) for p in sigma]], rtol=1e-14)
    np.testing.assert_allclose(loss.probabilities(np.array([[0.5]])), [[1 - sigma[0], sigma[0]]], rtol=1e-14)


@pytest.mark.parametrize(
    ("outputs", "nearest"),
    [
        ([0.2, 0.7, 0.1], [0.2, 0.7, 0.1]),
        ([1.2, 0.4, -0.3], [0.9, 0.1, 0.0]),
        ([3.0, 0.0, 0.0], [1.0, 0.0, 0.0]),
        ([-2.0, -1.9, -9.0], [0.45, 0.55, 0.0]),
        ([0.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_least_squares_probabilities_are_the_nearest_distribution(outputs, nearest):
    found = read("mean_squared_error").probabilities(np.array([outputs]))
    np.testing.assert_allclose(found, [nearest], atol=1e-14)


def test_hinge_probabilities_are_the_softmax_of_the_outputs():
    x = np.array([[0.5, -1.0, 2.0]])
    np.testing.assert_array_equal(read("hinge").probabilities(x), read("softmax_cross_entropy").probabilities(x))
    total = math.exp(0.5) + math.exp(-0.5)
    expected = [[math.exp(-0.5) / total, math.exp(0.5) / total]]
    np.testing.assert_allclose(read("hinge").probabilities(np.array([[0.5]])), expected, rtol=1e-14)


# What does not fit


@pytest.mark.parametrize(
    "options",
    [
        {"type": "softmax_cross_entropy", "label_smoothing": 1.0},
        {"type": "softmax_cross_entropy", "label_smoothing": -0.1},
        {"type": "softmax_cross_entropy", "class_weights": [0.0, 0.0]},
        {"type": "softmax_cross_entropy", "class_weights": [1.0, -1.0]},
        {"type": "softmax_cross_entropy", "ignored_label": -1},
        {"type": "hinge", "norm": "l3"},
        {"type": "huber", "delta": 0.0},
        {"type": "mean_squared_error", "class_weights": [1.0]},
    ],
)
def test_broken_options_are_refused(options):
    with pytest.raises(ValueError, match=list(options)[1]):
        read(options)


@pytest.mark.parametrize(
    ("name", "shape", "task", "targets", "message"),
    [
        ("softmax_cross_entropy", (3,), "classification", 10, "found 3 outputs, expected 10, one per class"),
        ("softmax_cross_entropy", (1,), "classification", 2, "found 1 output, expected 2, one per class"),
        ("softmax_cross_entropy", (4, 4, 2), "classification", 10, "found 32 outputs, expected 10, one per class"),
        ("softmax_cross_entropy", (1,), "regression", 1, "found numbers as targets, expected classes"),
        ("sigmoid_cross_entropy", (1,), "classification", 10, "found 1 output, expected 10, one per class"),
        ("sigmoid_cross_entropy", (3,), "classification", 2, "found 3 outputs, expected 1 for both classes, or 2, one"),
        ("sigmoid_cross_entropy", (3,), "regression", 4, "found 3 outputs, expected 4, one per target value"),
        ("mean_squared_error", (3,), "classification", 10, "found 3 outputs, expected 10, one per class"),
        ("mean_squared_error", (1,), "classification", 2, "found 1 output, expected 2, one per class"),
        ("mean_squared_error", (2,), "regression", 1, "found 2 outputs, expected 1, one per target value"),
        ("hinge", (3,), "classification", 2, "found 3 outputs, expected 1 for both classes, or 2, one"),
        ("hinge", (1,), "classification", 10, "found 1 output, expected 10, one per class"),
        ("huber", (3,), "classification", 10, "found 3 outputs, expected 10, one per class"),
        ("huber", (2,), "regression", 1, "found 2 outputs, expected 1, one per target value"),
    ],
)
def test_outputs_that_do_not_fit_the_targets_are_refused(name, shape, task, targets, message):
    with pytest.raises(ValueError, match=message):
        read(name).check(shape, task, targets)


@pytest.mark.parametrize(
    ("name", "shape", "task", "targets"),
    [
        ("softmax_cross_entropy", (10,), "classification", 10),
        ("softmax_cross_entropy", (1, 1, 10), "classification", 10),
        ("sigmoid_cross_entropy", (1,), "classification", 2),
        ("sigmoid_cross_entropy", (2,), "classification", 2),
        ("sigmoid_cross_entropy", (10,), "classification", 10),
        ("sigmoid_cross_entropy", (6,), "regression", 6),
        ("mean_squared_error", (10,), "classification", 10),
        ("mean_squared_error", (2, 3), "regression", 6),
        ("hinge", (1,), "classification", 2),
        ("hinge", (10,), "classification", 10),
        ("hinge", (6,), "regression", 6),
        ("huber", (10,), "classification", 10),
        ("huber", (2, 3), "regression", 6),
    ],
)
def test_outputs_that_fit_are_taken(name, shape, task, targets):
    read(name).check(shape, task, targets)


@pytest.mark.parametrize("wrong", [1.5, -0.25, 255.0, np.nan])
def test_sigmoid_targets_outside_0_and_1_are_refused(wrong):
    targets = np.array([[0.0, 1.0], [0.5, wrong]], np.float32)
    with pytest.raises(ValueError, match=f"found the target {wrong:g}, expected numbers from 0 to 1"):
        read("sigmoid_cross_entropy").check_targets(targets)
    read("mean_squared_error").check_targets(targets)
    read("huber").check_targets(targets)


def test_hinge_targets_are_labels():
    read("hinge").check_targets(np.array([[0.0, 1.0], [1.0, 1.0]], np.float32))
    with pytest.raises(ValueError, match=r"found the target 0.5, expected 0 or 1"):
        read("hinge").check_targets(np.array([[0.0, 1.0], [0.5, 1.0]], np.float32))


def test_classes_are_never_out_of_range():
    for name in NAIVE:
        read(name).check_targets(np.arange(10))
    read("sigmoid_cross_entropy").check_targets(np.array([[0.0, 1.0], [0.5, 0.25]]))
