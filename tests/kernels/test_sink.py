"""Where gradients go: stored, added, or applied by eq. (4)."""

import math

import numpy as np
import pytest

from dlcli.kernels.conv2d import weight_gradient as conv2d_weight_gradient
from dlcli.kernels.dense import column_sums
from dlcli.kernels.dense import weight_gradient as dense_weight_gradient
from dlcli.kernels.sink import ADD, BEGIN, CONTINUE, FINISH, MOVE, STORE, UPDATE, part, settle, sum_of_squares, update
from tests.layers.case import spread

RATE, MOMENTUM, DECAY = 0.3, 0.9, 0.05
CONSTANTS = np.array([RATE, MOMENTUM, DECAY])
both_types = pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-14), (np.float32, 1e-6)])


def eq4(gradient, weights, velocity):
    """Δw ← −ε g + α Δw − ε λ w; w ← w + Δw, number by number: (w, Δw)."""
    change = [-RATE * g + MOMENTUM * v - RATE * DECAY * w for g, w, v in zip(gradient, weights, velocity, strict=True)]
    return np.array([w + c for w, c in zip(weights, change, strict=True)]), np.array(change)


@both_types
def test_settle(dtype: type, tolerance: float):
    g, w, v = (spread((5,), seed).astype(dtype) for seed in range(3))
    constants = CONSTANTS.astype(dtype)
    for kind, target, velocity in ((STORE, g, v), (ADD, g + w, v), (UPDATE, *eq4(g, w, v))):
        got_target, got_velocity = w.copy(), v.copy()
        settle(kind, g, got_target, got_velocity, constants)
        assert np.allclose(got_target, target, rtol=tolerance, atol=tolerance)
        assert np.allclose(got_velocity, velocity, rtol=tolerance, atol=tolerance)


def test_storing_and_adding_leave_the_velocity_alone_and_need_none():
    g, target, nothing = np.arange(3.0), np.full(3, np.nan), np.empty(0)
    settle(STORE, g, target, nothing, nothing)
    settle(ADD, g, target, nothing, nothing)
    assert target.tolist() == [0, 2, 4]


def dense_gradient(kind, target, velocity, constants=CONSTANTS):
    x, dy = (spread(shape, seed).astype(target.dtype) for seed, shape in ((1, (6, 4)), (2, (6, 9))))
    dense_weight_gradient(x, dy, kind, target, velocity, constants)


def sparse_gradient(kind, target, velocity, constants=CONSTANTS):
    x, dy = (spread(shape, seed).astype(target.dtype) for seed, shape in ((1, (6, 5)), (2, (6, 70))))
    x[1:4] = 0
    dense_weight_gradient(x, dy, kind, target, velocity, constants)


def conv2d_gradient(kind, target, velocity, constants=CONSTANTS):
    x, dy = (spread(shape, seed).astype(target.dtype) for seed, shape in ((3, (2, 5, 4, 3)), (4, (2, 4, 3, 6))))
    conv2d_weight_gradient(x, dy, (1, 1, 0, 0, 1, 1, 1), kind, target, velocity, constants)


def winograd_gradient(kind, target, velocity, constants=CONSTANTS):
    x, dy = (spread(shape, seed).astype(target.dtype) for seed, shape in ((6, (2, 6, 5, 32)), (7, (2, 6, 5, 33))))
    conv2d_weight_gradient(x, dy, (1, 1, 1, 1, 1, 1, 1), kind, target, velocity, constants)


def bias_gradient(kind, target, velocity, constants=CONSTANTS):
    column_sums(spread((7, 5), 5).astype(target.dtype), kind, target, velocity, constants)


@pytest.mark.parametrize(
    ("send", "shape"), [(dense_gradient, (4, 9)), (conv2d_gradient, (2, 2, 3, 6)), (bias_gradient, (5,))]
)
def test_every_gradient_kernel_honours_the_sink(send, shape):
    w, v = spread(shape, 10), spread(shape, 11)
    gradient = np.full(shape, np.nan)
    send(STORE, gradient, v)
    assert np.isfinite(gradient).all()
    added = w.copy()
    send(ADD, added, v)
    assert np.allclose(added, w + gradient, rtol=1e-14, atol=1e-14)
    assert np.array_equal(v, spread(shape, 11))

    updated, velocity = w.copy(), v.copy()
    send(UPDATE, updated, velocity)
    weights, change = eq4(gradient.reshape(-1), w.reshape(-1), v.reshape(-1))
    assert np.allclose(updated.reshape(-1), weights, rtol=1e-13, atol=1e-13)
    assert np.allclose(velocity.reshape(-1), change, rtol=1e-13, atol=1e-13)
    # The stored path gives the same bits as the fused one.
    later, later_velocity = w.copy(), v.copy()
    rows = (-1, shape[-1])
    update(gradient.reshape(rows), later.reshape(rows), later_velocity.reshape(rows), CONSTANTS)
    assert later.tobytes() == updated.tobytes()
    assert later_velocity.tobytes() == velocity.tobytes()


def test_velocity_decays_without_a_gradient():
    w, v = np.array([1.0]), np.array([0.5])
    for _ in range(3):
        update(np.zeros((1, 1)), w.reshape(1, 1), v.reshape(1, 1), np.array([0.1, 0.5, 0.0]))
    assert v.tolist() == [0.0625]
    assert w.tolist() == [1 + 0.25 + 0.125 + 0.0625]


@both_types
@pytest.mark.parametrize("rows", [1, 2, 31])
def test_column_sums(rows: int, dtype: type, tolerance: float):
    d = spread((rows, 37), 7).astype(dtype)
    before = d.copy()
    sums = np.full(37, np.nan, dtype)
    column_sums(d, STORE, sums, sums, CONSTANTS.astype(dtype))
    assert np.allclose(sums, [math.fsum(map(float, column)) for column in d.T], rtol=0, atol=32 * tolerance)
    assert d.tobytes() == before.tobytes()


def test_sum_of_squares_is_taken_in_float64():
    x = np.full(1000, 0.1, np.float32)
    x[0] = 1e4
    assert sum_of_squares(x) == pytest.approx(math.fsum(float(v) ** 2 for v in x), rel=1e-13)
    assert sum_of_squares(np.full(4, 1e30, np.float32)) == pytest.approx(4e60, rel=1e-6)
    assert math.isnan(sum_of_squares(np.array([1.0, np.nan], np.float32)))


def test_kinds_of_parts():
    assert [part(STORE, *place) for place in ((True, True), (True, False), (False, False), (False, True))] == [
        STORE, STORE, ADD, ADD,
    ]  # fmt: skip
    assert [part(UPDATE, *place) for place in ((True, True), (True, False), (False, False), (False, True))] == [
        UPDATE, BEGIN, CONTINUE, FINISH,
    ]  # fmt: skip
    assert part(ADD, True, True) == part(ADD, False, False) == ADD
    assert [part(MOVE, *place) for place in ((True, True), (True, False), (False, False), (False, True))] == [
        MOVE, BEGIN, CONTINUE, FINISH,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("send", "shape"),
    [
        (dense_gradient, (4, 9)),
        (sparse_gradient, (5, 70)),
        (conv2d_gradient, (2, 2, 3, 6)),
        (winograd_gradient, (3, 3, 32, 33)),
        (bias_gradient, (5,)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moving_without_momentum_has_the_bits_of_an_update_and_leaves_the_velocity(send, shape, dtype):
    w, v, constants = spread(shape, 10).astype(dtype), np.zeros(shape, dtype), CONSTANTS.astype(dtype)
    constants[1] = 0
    updated, moved, settled, nan = w.copy(), w.copy(), w.copy(), np.full(shape, np.nan, dtype)
    send(UPDATE, updated, v, constants)
    send(MOVE, moved, nan, constants)
    assert np.isnan(nan).all()
    assert moved.tobytes() == updated.tobytes()
    gradient = np.empty(shape, dtype)
    send(STORE, gradient, gradient, constants)
    settle(MOVE, gradient.reshape(-1), settled.reshape(-1), nan.reshape(-1), constants)
    assert settled.tobytes() == updated.tobytes()


@pytest.mark.parametrize(
    ("send", "shape"),
    [
        (dense_gradient, (4, 9)),
        (conv2d_gradient, (2, 2, 3, 6)),
        (winograd_gradient, (3, 3, 32, 33)),
        (bias_gradient, (5,)),
    ],
)
def test_a_gradient_in_parts_is_applied_as_its_sum(send, shape):
    w, v = spread(shape, 10), spread(shape, 11)
    gradient = np.full(shape, np.nan)
    send(STORE, gradient, v)
    got_w, got_v = w.copy(), v.copy()
    for kind in (BEGIN, CONTINUE, CONTINUE):
        send(kind, got_w, got_v)
        assert got_w.tobytes() == w.tobytes()
    send(FINISH, got_w, got_v)
    weights, change = eq4(4 * gradient.reshape(-1), w.reshape(-1), v.reshape(-1))
    assert np.allclose(got_w.reshape(-1), weights, rtol=1e-13, atol=1e-13)
    assert np.allclose(got_v.reshape(-1), change, rtol=1e-13, atol=1e-13)
    # `settle` and the vector code agree bit for bit.
    settled_w, settled_v = w.reshape(-1).copy(), v.reshape(-1).copy()
    for kind in (BEGIN, CONTINUE, CONTINUE, FINISH):
        settle(kind, gradient.reshape(-1), settled_w, settled_v, CONSTANTS)
    assert settled_w.tobytes() == got_w.tobytes()
    assert settled_v.tobytes() == got_v.tobytes()
