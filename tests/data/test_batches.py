import numpy as np
import pytest

from dlcli.data.batches import BatchSource, order
from dlcli.data.transforms.flatten import Flatten
from dlcli.data.transforms.scale import Scale

X = np.arange(7 * 6, dtype=np.uint8).reshape(7, 3, 2, 1)
Y = np.arange(7, dtype=np.int64)


def everything(batches):
    copies = [(batch.x.copy(), batch.y.copy()) for batch in batches]
    xs, ys = zip(*copies, strict=True)
    return np.concatenate(xs), np.concatenate(ys)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stored", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("sequence", [None, [3, 0, 6, 6, 1], range(7)])
def test_batches_hold_the_samples_in_their_order(dtype, stored, sequence):
    source = BatchSource(X.astype(stored), Y, [Scale(by=0.5, offset=1), Flatten()])
    chosen = np.arange(7) if sequence is None else np.array(sequence)
    x, y = everything(source.iterate(3, None if sequence is None else chosen, dtype))
    assert x.dtype == dtype
    assert y.dtype == np.int64
    np.testing.assert_array_equal(x, X.reshape(7, 6)[chosen] * 0.5 + 1)
    np.testing.assert_array_equal(y, chosen)


def test_the_last_batch_is_partial():
    source = BatchSource(X, Y)
    assert [len(batch.x) for batch in source.iterate(3)] == [3, 3, 1]
    assert [source.batches(size) for size in (1, 3, 7, 100)] == [7, 3, 1, 1]
    assert len(source) == 7


def test_one_pair_of_buffers_serves_all_batches():
    first, second, _ = BatchSource(X, Y).iterate(3)
    assert np.shares_memory(first.x, second.x)
    assert np.shares_memory(first.y, second.y)


def test_samples_stay_as_they_are():
    x = X.astype(np.float32)
    x.flags.writeable = False
    list(BatchSource(x, Y, [Scale(by=0.5)]).iterate(3))
    np.testing.assert_array_equal(x, X)


def test_targets_of_a_regression_have_the_batch_s_type():
    y = np.linspace(0, 1, 14, dtype=np.float32).reshape(7, 2)
    for dtype in np.float32, np.float64:
        _, found = everything(BatchSource(X, y).iterate(3, dtype=dtype))
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, y)


def test_features_without_targets():
    features = np.random.default_rng(1).normal(size=(7, 5)).astype(np.float32)
    x, y = everything(BatchSource(features).iterate(2, np.array([4, 2, 0])))
    assert y.shape == (3, 0)
    np.testing.assert_array_equal(x, features[[4, 2, 0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_as_their_own_targets_are_one_array(dtype):
    source = BatchSource(X, "input", [Scale(by=0.5), Flatten()], rows=np.array([1, 2, 4, 5, 6]))
    batches = [(batch.x is batch.y, batch.y.dtype, batch.y.copy()) for batch in source.iterate(2, dtype=dtype)]
    assert [own for own, _, _ in batches] == [True] * 3
    assert {found for _, found, _ in batches} == {np.dtype(dtype)}
    expected = X.reshape(7, 6)[[1, 2, 4, 5, 6]] * 0.5
    np.testing.assert_array_equal(np.concatenate([y for _, _, y in batches]), expected)
    np.testing.assert_array_equal(np.concatenate([part.copy() for part in source.targets()]), expected)
    x, y = np.empty((2, 6), np.float32), np.empty((2, 6), np.float32)
    source.fill(np.array([4, 0]), x, y)
    np.testing.assert_array_equal(y, expected[[4, 0]])


def test_fill_writes_into_the_caller_s_buffers():
    source = BatchSource(X, Y, [Flatten()])
    x, y = source.buffers(2, np.float64)
    assert x.shape == (2, 6)
    source.fill(np.array([5, 1]), x, y)
    np.testing.assert_array_equal(x, X.reshape(7, 6)[[5, 1]])
    np.testing.assert_array_equal(y, [5, 1])
    with pytest.raises(ValueError, match="contiguous"):
        source.fill(np.array([5, 1]), np.empty((2, 12), np.float32)[:, ::2])


@pytest.mark.parametrize("indices", [[0, 7], [-1, 0]])
def test_indices_outside_are_an_error(indices):
    source = BatchSource(X, Y)
    x, y = source.buffers(2)
    with pytest.raises(IndexError, match="expected 0 to 6"):
        source.fill(np.array(indices), x, y)


def test_orders_are_functions_of_their_arguments():
    first = order(1, "train", 0, 50)
    assert first.dtype == np.int64
    np.testing.assert_array_equal(np.sort(first), np.arange(50))
    np.testing.assert_array_equal(first, order(1, "train", 0, 50))
    for other in order(2, "train", 0, 50), order(1, "hidden1", 0, 50), order(1, "train", 1, 50):
        assert (first != other).any()
    np.testing.assert_array_equal(order(1, "train", 3, 50, shuffle=False), np.arange(50))


@pytest.mark.parametrize("of_input", [False, True])
def test_batches_may_be_written_where_they_are_wanted(of_input):
    lent = np.full(6, -1, np.float32)  # two flat samples of three numbers
    x, y = np.arange(9.0).reshape(3, 3, 1), "input" if of_input else np.arange(3)
    source = BatchSource(x, y, [Scale(by=2.0)])
    expected = [(batch.x.copy(), batch.y.copy()) for batch in source.iterate(2)]
    got = []
    for batch in source.iterate(2, room=lambda size: lent[: 3 * size] if size == 2 else None):
        assert np.shares_memory(batch.x, lent) == (len(batch.x) == 2)
        assert (batch.y is batch.x) == of_input
        got.append((batch.x.copy(), batch.y.copy()))
    for one, other in zip(expected, got, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    (batch,) = source.iterate(3, dtype=np.float64, room=lambda size: np.empty((size, 3), np.float32))
    assert batch.x.dtype == np.float64
