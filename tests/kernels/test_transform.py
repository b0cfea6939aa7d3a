"""Winograd's transforms against matrix products."""

import numpy as np
import pytest

from dlcli.kernels import transform

GUARD = 77.0
MAPS = {
    name: getattr(transform, name) for name in ("inputs", "kernels", "outputs", "output_panels", "kernel_gradients")
}


def matrix_of(name, scheme):
    """The matrix of one dimension."""
    own = transform.scheme(*transform.SCHEMES[scheme])
    return {
        "inputs": own.inputs, "kernels": own.kernels, "outputs": own.outputs,
        "output_panels": transform.transposed(own.outputs), "kernel_gradients": transform.transposed(own.kernels),
    }[name]  # fmt: skip


@pytest.mark.parametrize("count", [1, 5, 16, 23])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scheme", range(len(transform.SCHEMES)))
@pytest.mark.parametrize("name", MAPS)
def test_a_transform_is_two_matrix_products_and_writes_nothing_else(name, scheme, dtype, count):
    t = np.array(matrix_of(name, scheme))
    rows, side = t.shape
    square = np.random.default_rng(count).uniform(-1, 1, (side, side + 1, 30)).astype(dtype)
    out = np.full((rows, rows + 2, 40), GUARD, dtype)
    strides = [(array.strides[0] // array.itemsize, array.strides[1] // array.itemsize) for array in (square, out)]
    MAPS[name](scheme, dtype(0), count, square.ctypes.data, *strides[0], out.ctypes.data, *strides[1])
    expected = np.einsum("ik,klc,jl->ijc", t, square[:, :side, :count].astype(np.float64), t)
    tolerance = (1e-6 if dtype is np.float32 else 1e-14) * np.abs(t).sum(1).max() ** 2
    np.testing.assert_allclose(out[:, :rows, :count], expected, rtol=0, atol=tolerance)
    assert (out[:, rows:] == GUARD).all()
    behind = out[:, :rows, count:]
    assert (behind[..., 16:] == GUARD).all()
    assert np.isin(behind, [0, GUARD] if name == "output_panels" else [GUARD]).all()


@pytest.mark.parametrize(("m", "r"), transform.SCHEMES)
def test_the_three_matrices_make_the_sum_of_a_convolution(m, r):
    """y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A of a random square is the direct sum."""
    rng = np.random.default_rng(0)
    d, g = rng.uniform(-1, 1, (m + r - 1, m + r - 1)), rng.uniform(-1, 1, (r, r))
    b, k, a = (np.array(matrix) for matrix in transform.scheme(m, r))
    direct = [[np.sum(d[i : i + r, j : j + r] * g) for j in range(m)] for i in range(m)]
    np.testing.assert_allclose(a @ ((k @ g @ k.T) * (b @ d @ b.T)) @ a.T, direct, atol=1e-13)
