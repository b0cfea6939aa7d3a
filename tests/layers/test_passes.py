"""The common layer test, points 4, 5 and 7 to 13: the forward and backward pass of every registered layer."""

import pkgutil

import numba
import numpy as np
import pytest
import safetensors.numpy

import dlcli.kernels
from tests.layers.case import Case, Draw, Variant, cases, spread
from tests.layers.harness import Driven, batch, driven, layer_of

VARIANTS = [
    pytest.param(case, variant, id=f"{case.type}-{place}")
    for case in cases().values()
    for place, variant in enumerate(case.variants)
]
PLACING = [each for each in VARIANTS if layer_of(each.values[1].options).places_output]
every_variant = pytest.mark.parametrize(("case", "variant"), VARIANTS)
both_types = pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)])
KEY = 0x0123456789ABCDEF


def expected(case: Case, layer: Driven, x: np.ndarray, draw: Draw | None = None) -> np.ndarray:
    exact = {name: array.astype(np.float64) for name, array in layer.parameters.items()}
    return case.naive(x.astype(np.float64), exact, layer.layer.model_dump(), draw, *layer.more())


def largest(array: np.ndarray) -> float:
    return float(np.abs(array).max())


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


@both_types
@every_variant
def test_forward_is_the_naive_one(case: Case, variant: Variant, dtype: type, tolerance: float):
    layer = driven(variant, dtype)
    x = batch(variant, 3, dtype=dtype)
    for draw in (None, Draw(KEY, 0), Draw(KEY, 7)):
        training = draw is not None
        y = layer.forward(x, training=training, key=KEY, step=draw.step if draw else 3)
        naive = expected(case, layer, x, draw)
        assert y.dtype == dtype
        assert largest(y - naive) <= tolerance * largest(naive)
        exact = {name: array.astype(np.float64) for name, array in layer.parameters.items()}
        penalty = case.penalty(x.astype(np.float64), layer.layer.model_dump(), exact)
        assert layer.penalty() == pytest.approx(penalty, rel=10 * tolerance, abs=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
@every_variant
def test_gradients_are_the_numerical_ones(case: Case, variant: Variant, seed: int):
    layer = driven(variant, seed=seed)
    x = batch(variant, 2, seed=seed)
    output = layer.forward(x, training=True, key=KEY)
    cotangent = np.random.default_rng(seed).normal(size=output.shape)
    if case.constant is not None:
        cotangent[..., case.constant(variant)] = 0

    def value() -> float:
        return float(np.vdot(layer.forward(x, training=True, key=KEY), cotangent)) + layer.penalty()

    dx, gradients = layer.backward(cotangent)
    for name, array, gradient in [("x", x, dx), *((p, layer.parameters[p], g) for p, g in gradients.items())]:
        wide, narrow = (slopes(array, value, step) for step in (1e-4, 1e-5))
        scale = max(largest(wide), 1e-9)
        smooth = np.abs(wide - narrow) <= 1e-6 * scale
        if variant.kinked:
            assert smooth.mean() > 0.9
        else:
            assert smooth.all()
        assert largest((gradient - wide)[smooth]) <= 1e-7 * scale, name


def slopes(array: np.ndarray, value, h: float) -> np.ndarray:
    """Derivatives of ``value`` by each element of the array, as five-point differences."""
    result = np.empty(array.shape)
    for place in np.ndindex(array.shape):
        before = array[place]
        values = []
        for offset in (-2, -1, 1, 2):
            array[place] = before + offset * h
            values.append(value())
        array[place] = before
        result[place] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
    return result


@every_variant
def test_nothing_given_is_changed(case: Case, variant: Variant):
    """By comparing copies: each kernel would be compiled once more for read-only arrays.

    The network hands its layers one kind of array, whatever it is given itself (tests/test_network.py).
    """
    layer = driven(variant)
    x = batch(variant, 3)
    given = {"x": x, **layer.parameters}
    copies = {name: array.copy() for name, array in given.items()}
    output = layer.forward(x, training=True)
    result = output.copy()
    layer.backward(np.ones_like(output))
    for name, array in given.items():
        assert same_bits(array, copies[name]), name
    assert same_bits(output, result)


@both_types
@every_variant
def test_types_stay(case: Case, variant: Variant, dtype: type, tolerance: float):
    layer = driven(variant, dtype)
    output = layer.forward(batch(variant, 2, dtype=dtype), training=True)
    dx, gradients = layer.backward(spread(output.shape, 5))
    for array in (output, dx, *gradients.values()):
        assert array.dtype == dtype
        assert np.isfinite(array).all()


@both_types
@every_variant
def test_evaluation_of_a_sample_does_not_depend_on_its_batch(case, variant: Variant, dtype: type, tolerance: float):
    layer = driven(variant, dtype)
    x = batch(variant, 9, dtype=dtype)
    together = layer.forward(x)
    for samples in (1, 2, 4, 5):
        for first in range(0, 9 - samples + 1, samples):
            part = layer.forward(x[first : first + samples].copy())
            assert same_bits(part, together[first : first + samples])


@every_variant
def test_evaluation_draws_nothing(case: Case, variant: Variant):
    layer = driven(variant)
    x = batch(variant, 3)
    one, other = (layer.forward(x, key=key, step=step) for key, step in ((1, 0), (KEY, 9)))
    assert same_bits(one, other)


@every_variant
def test_training_is_a_function_of_key_and_step(case: Case, variant: Variant):
    """And not of the state, which each pass changes."""
    layer = driven(variant)
    x = batch(variant, 3)
    first = layer.forward(x, training=True, key=KEY, step=4)
    assert same_bits(first, layer.forward(x, training=True, key=KEY, step=4))
    others = [layer.forward(x, training=True, key=KEY + 1, step=4), layer.forward(x, training=True, key=KEY, step=5)]
    draws = case.random and variant.options.get("rate", 1) > 0
    assert [same_bits(first, other) for other in others] == [not draws, not draws]


@every_variant
def test_training_has_the_same_bits_on_any_number_of_threads(case: Case, variant: Variant, monkeypatch):
    for module in pkgutil.iter_modules(dlcli.kernels.__path__, "dlcli.kernels."):
        monkeypatch.setattr(f"{module.name}.SERIAL", 0, raising=False)  # else they leave small work to one thread
    x = batch(variant, 7, dtype=np.float32)
    results = []
    before = numba.get_num_threads()
    try:
        for threads in (1, 2, 3):
            numba.set_num_threads(threads)
            layer = driven(variant, np.float32)
            output = layer.forward(x, training=True, key=KEY)
            dx, gradients = layer.backward(spread(output.shape, 3))
            results.append([output, dx, *gradients.values(), np.array(layer.penalty())])
    finally:
        numba.set_num_threads(before)
    for other in results[1:]:
        assert all(same_bits(a, b) for a, b in zip(results[0], other, strict=True))


@both_types
@pytest.mark.parametrize(("case", "variant"), PLACING)
def test_an_output_that_is_part_of_another_has_the_same_bits(case: Case, variant: Variant, dtype: type, tolerance):
    plain, part = driven(variant, dtype), driven(variant, dtype)
    part.apart = 3
    x = batch(variant, 5, dtype=dtype)
    outputs = [layer.forward(x, training=True, key=KEY) for layer in (plain, part)]
    passes = [layer.backward(spread(outputs[0].shape, 3)) for layer in (plain, part)]
    assert outputs[1].strides != outputs[0].strides
    results = [[y, dx, *gradients.values()] for y, (dx, gradients) in zip(outputs, passes, strict=True)]
    assert all(same_bits(a, b) for a, b in zip(*results, strict=True))


@every_variant
def test_a_gradient_does_not_depend_on_which_others_are_wanted(case: Case, variant: Variant):
    layer = driven(variant)
    output = layer.forward(batch(variant, 3), training=True)
    cotangent = spread(output.shape, 4)
    dx, gradients = layer.backward(cotangent)
    without_dx = layer.backward(cotangent, input_gradient=False)
    without_parameters = layer.backward(cotangent, parameter_gradients=False)
    assert without_dx[0] is None
    assert without_dx[1].keys() == gradients.keys()
    assert all(same_bits(gradients[name], without_dx[1][name]) for name in gradients)
    assert same_bits(dx, without_parameters[0])


@both_types
@every_variant
def test_nan_passes(case: Case, variant: Variant, dtype: type, tolerance: float):
    layer = driven(variant, dtype)
    x = batch(variant, 3, dtype=dtype)
    places = np.random.default_rng(0).permutation(x.size)[:2]
    x.reshape(-1)[places] = np.nan
    found, naive = np.isnan(layer.forward(x)), np.isnan(expected(case, layer, x))
    assert naive.any() or not reaches_output(case, layer, x)
    assert (found == naive).all()


def reaches_output(case: Case, layer: Driven, x: np.ndarray) -> bool:
    """Whether the outputs see every NaN of x: not where windows leave cells out."""
    finite = np.nan_to_num(x, nan=0.5)
    other = np.nan_to_num(x, nan=0.6)
    return not same_bits(layer.forward(finite), layer.forward(other))


@both_types
@every_variant
def test_large_numbers_stay_finite(case: Case, variant: Variant, dtype: type, tolerance: float):
    layer = driven(variant, dtype)
    x = spread((3, *variant.shape), 6, -1e4, 1e4).astype(dtype)
    output = layer.forward(x, training=True)
    assert np.isfinite(output).all()
    assert np.isfinite(layer.penalty())
    dx, gradients = layer.backward(spread(output.shape, 7))
    assert all(np.isfinite(array).all() for array in (dx, *gradients.values()))


@every_variant
def test_saved_and_loaded_parameters_give_the_same_bits(case: Case, variant: Variant):
    layer = driven(variant, np.float32)
    x = batch(variant, 3, dtype=np.float32)
    before = layer.forward(x)
    other = driven(variant, np.float32, seed=50)
    tensors = safetensors.numpy.load(safetensors.numpy.save(layer.parameters | layer.state))
    other.parameters = {name: tensors[name] for name in layer.parameters}
    other.state = {name: tensors[name] for name in layer.state}
    assert same_bits(before, other.forward(x))
