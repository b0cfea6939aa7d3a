"""Products of float64, by einsum, and with any number of threads; no other module of the machines makes its own."""

import ast
from pathlib import Path

import numpy as np
import pytest

from dlcli.pretrain import boltzmann
from dlcli.pretrain.boltzmann.energy import estimated_pseudo_log_likelihood, free_energy
from dlcli.pretrain.boltzmann.products import product, product_transposed, times, transposed_product
from tests.pretrain.boltzmann.small import rbm

BLAS = {"dot", "matmul", "inner", "vdot", "tensordot", "einsum", "multi_dot"}


@pytest.mark.parametrize(("n", "k", "m"), [(5, 3, 4), (1, 700, 1), (40, 20, 300), (3, 0, 2), (0, 3, 2), (3, 2, 0)])
def test_products(n, k, m):
    rng = np.random.default_rng(0)
    a, b, bias = rng.normal(size=(n, k)), rng.normal(size=(k, m)), rng.normal(size=m)
    expected, close = np.einsum("nk,km->nm", a, b), {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(product(a, b), expected, **close)
    np.testing.assert_allclose(product(a, b, bias), expected + bias, **close)
    np.testing.assert_allclose(product_transposed(a, b.T, bias), expected + bias, **close)
    np.testing.assert_allclose(transposed_product(a.T, b), expected, **close)
    np.testing.assert_allclose(times(a, b.sum(axis=1)), expected.sum(axis=1), **close)
    assert product(a.astype(np.float32), b.astype(np.float32)).dtype == np.float64


def test_figures_do_not_depend_on_threads(threads):
    of, v = rbm(50, 80), np.random.default_rng(1).integers(0, 2, (300, 50)).astype(float)
    found = []
    for count in (1, 2, 3):
        threads(count)
        found.append(
            free_energy(of, v).tobytes() + estimated_pseudo_log_likelihood(of, v, np.arange(300) % 50).tobytes()
        )
    assert len(set(found)) == 1


def test_the_machines_leave_no_sum_to_a_blas():
    for path in Path(boltzmann.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            assert not isinstance(node, ast.MatMult), path.name
            assert not (isinstance(node, ast.Attribute) and node.attr in BLAS), (path.name, node.attr)
