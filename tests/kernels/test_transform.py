"""Winograd's transforms against matrix products."""

import numpy as np
import pytest
from numba import njit

from dlcli.kernels import transform

GUARD = 77.0
MAPS = {
    "inputs": (transform.INPUT, 4), "kernels": (transform.KERNEL, 3), "outputs": (transform.OUTPUT, 4),
    "output_panels": (transform.transposed(transform.OUTPUT), 2),
    "kernel_gradients": (transform.transposed(transform.KERNEL), 4),
}  # fmt: skip


@njit
def _inputs(like, *rest):
    transform.inputs(like, *rest)


@njit
def _kernels(like, *rest):
    transform.kernels(like, *rest)


@njit
def _outputs(like, *rest):
    transform.outputs(like, *rest)


@njit
def _output_panels(like, *rest):
    transform.output_panels(like, *rest)


@njit
def _kernel_gradients(like, *rest):
    transform.kernel_gradients(like, *rest)


@pytest.mark.parametrize("count", [1, 5, 8, 16, 23])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MAPS)
def test_a_transform_is_two_matrix_products_and_writes_nothing_else(name, dtype, count):
    matrix, side = MAPS[name]
    rows = len(matrix)
    square = np.random.default_rng(count).uniform(-1, 1, (side, side + 1, 30)).astype(dtype)
    out = np.full((rows, rows + 2, 40), GUARD, dtype)
    strides = [(array.strides[0] // array.itemsize, array.strides[1] // array.itemsize) for array in (square, out)]
    apply = globals()[f"_{name}"]
    apply(dtype(0), count, square.ctypes.data, *strides[0], out.ctypes.data, *strides[1])
    t = np.array(matrix)
    expected = np.einsum("ik,klc,jl->ijc", t, square[:, :side, :count].astype(np.float64), t)
    tolerance = 1e-6 if dtype is np.float32 else 1e-14
    np.testing.assert_allclose(out[:, :rows, :count], expected, rtol=0, atol=tolerance)
    assert (out[:, rows:] == GUARD).all()
    behind = out[:, :rows, count:]
    assert (behind[..., 16:] == GUARD).all()
    assert np.isin(behind, [0, GUARD] if name == "output_panels" else [GUARD]).all()


def test_the_three_matrices_make_the_sum_of_a_convolution():
    """y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A of a random square is the direct sum."""
    rng = np.random.default_rng(0)
    d, g = rng.uniform(-1, 1, (4, 4)), rng.uniform(-1, 1, (3, 3))
    b, k, a = (np.array(m) for m in (transform.INPUT, transform.KERNEL, transform.OUTPUT))
    direct = [[np.sum(d[i : i + 3, j : j + 3] * g) for j in range(2)] for i in range(2)]
    np.testing.assert_allclose(a @ ((k @ g @ k.T) * (b @ d @ b.T)) @ a.T, direct, atol=1e-14)
