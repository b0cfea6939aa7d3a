"""Products of float64 whose sums have one order: those of a BLAS, `@`, would depend on how many threads it has."""

import numpy as np

from dlcli.kernels import dense
from dlcli.kernels.activation import LINEAR
from dlcli.kernels.sink import STORE
from dlcli.layers.base import Array


def product(a: Array, b: Array, bias: Array | float = 0.0) -> Array:
    """a · b + bias, (n, m), for a (n, k), b (k, m) and a bias (m,) or of one number."""
    return _sums(a, b, bias, np.empty((len(a), b.shape[1])), transposed=False)


def product_transposed(a: Array, b: Array, bias: Array | float = 0.0, out: Array | None = None) -> Array:
    """a · bᵀ + bias, (n, m), for a (n, k), b (m, k) and a bias (m,) or of one number; in ``out``, if that is given."""
    return _sums(a, b, bias, np.empty((len(a), len(b))) if out is None else out, transposed=True)


def transposed_product(a: Array, b: Array) -> Array:
    """aᵀ · b, (k, m), for a (n, k) and b (n, m)."""
    result = np.zeros((a.shape[1], b.shape[1]))
    if result.size and len(a):
        dense.weight_gradient(_whole(a), _whole(b), STORE, result, result, np.zeros(3))
    return result


def times(a: Array, vector: Array) -> Array:
    """a · vector, (n,), for a (n, k) and a vector (k,)."""
    result: Array = product_transposed(a, vector[None])[:, 0]
    return result


def _sums(a: Array, b: Array, bias: Array | float, result: Array, *, transposed: bool) -> Array:
    addend = np.ascontiguousarray(np.broadcast_to(np.asarray(bias, np.float64), result.shape[1]))
    if not result.size or not a.shape[1]:
        result[...] = addend
        return result
    kernel = dense.forward_transposed if transposed else dense.forward
    kernel(_whole(a), _whole(b), addend, LINEAR, result)
    return result


def _whole(array: Array) -> Array:
    return np.ascontiguousarray(array, np.float64)
