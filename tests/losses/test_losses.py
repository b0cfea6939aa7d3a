"""Every loss against naive sums and numerical gradients, and for what holds of all of them."""

import math
from unittest import mock

import numba
import numpy as np
import pytest

from dlcli.kernels import batch_loss, launch, losses
from dlcli.losses.base import Loss
from dlcli.options import Options

N, UNITS = 7, 5


class Written(Options):
    loss: Loss
    """As a config holds it."""


def read(name) -> Loss:
    """The loss of a case, of a type's name, or of options."""
    return Written.model_validate({"loss": OPTIONS.get(name, name) if isinstance(name, str) else name}).loss


def naive_softmax_cross_entropy(x, d):
    total = sum(math.exp(value) for value in x)
    return -sum(wanted * math.log(math.exp(value) / total) for value, wanted in zip(x, d, strict=True))


def naive_sigmoid_cross_entropy(x, d):
    p = [1 / (1 + math.exp(-value)) for value in x]
    return -sum(w * math.log(q) + (1 - w) * math.log(1 - q) for q, w in zip(p, d, strict=True))


def naive_mean_squared_error(x, d):
    return sum((value - wanted) ** 2 for value, wanted in zip(x, d, strict=True)) / 2


def naive_smoothed(x, d):
    return naive_softmax_cross_entropy(x, [0.7 * wanted + 0.3 / len(d) for wanted in d])


def naive_hinge(x, d, power=1):
    return sum(max(0.0, 1 - (2 * wanted - 1) * value) ** power for value, wanted in zip(x, d, strict=True))


def naive_huber(x, d, delta=1.0):
    sizes = [abs(value - wanted) for value, wanted in zip(x, d, strict=True)]
    return sum(size**2 / 2 if size < delta else delta * (size - delta / 2) for size in sizes)


NAIVE = {
    "hinge": naive_hinge,
    "squared hinge": lambda x, d: naive_hinge(x, d, 2),
    "huber": naive_huber,
    "narrow huber": lambda x, d: naive_huber(x, d, 0.3),
    "mean_squared_error": naive_mean_squared_error,
    "sigmoid_cross_entropy": naive_sigmoid_cross_entropy,
    "softmax_cross_entropy": naive_softmax_cross_entropy,
    "smoothed softmax": naive_smoothed,
}
OPTIONS = {
    "squared hinge": {"type": "hinge", "norm": "l2"},
    "narrow huber": {"type": "huber", "delta": 0.3},
    "smoothed softmax": {"type": "softmax_cross_entropy", "label_smoothing": 0.3},
}
every_loss = pytest.mark.parametrize("name", NAIVE)
every_target = pytest.mark.parametrize("kind", ["classes", "numbers"])


def samples(kind, seed=1, dtype=np.float64, n=N, units=UNITS):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 2, (n, units)).astype(dtype)
    return x, rng.integers(0, units, n) if kind == "classes" else rng.random((n, units)).astype(dtype)


def one_hot(targets, units=UNITS):
    return targets if targets.ndim == 2 else np.array([[float(j == c) for j in range(units)] for c in targets])


def away_from_kinks(name, x, d):
    """The outputs, moved where a kink of first or second order is near: where 1 − δ x or |x − d| − Δ changes sign."""
    if "hinge" in name:
        x = np.where(abs(1 - (2 * d - 1) * x) < 0.02, x + 0.1, x)
        return np.where(abs(2 * d - 1) < 0.02, 0.0, x)
    if "huber" in name:
        for kink in (-1.0, -0.3, 0.3, 1.0):
            x = np.where(abs(x - d - kink) < 0.02, x + 0.1, x)
    return x


def evaluated(name, x, targets):
    per_sample, gradient = np.full(len(x), np.nan), np.full_like(x, np.nan)
    read(name).evaluate(x, targets, per_sample, gradient)
    return per_sample, gradient


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
        mock.patch.object(launch, "_parallel", wraps=launch._parallel) as woken,
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
            assert launch.JIT_OFF or always_parallel.called == (threads > 1)
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


# What samples of each class count

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


# What does not fit


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
