"""Numbers without correlation, as near to the former ones as can be."""

import math
from collections.abc import Iterable
from typing import Literal

import numpy as np

from dlcli.data.base import InPlace
from dlcli.kernels import dense
from dlcli.kernels.activation import LINEAR
from dlcli.kernels.constants import zeros
from dlcli.layers.base import Array, Shape, ShapeError
from dlcli.options import NonNegative

MOST = 8192  # numbers of a sample, whose matrix then has 268 MB


class Zca(InPlace):
    """W (x − mean) with the symmetric W = U (Λ + epsilon)^(−½) Uᵀ, where U Λ Uᵀ is the covariance of a sample's numbers
    over the training set: they become uncorrelated, of variance 1 but for directions that hardly vary.

    A. Bell, T. Sejnowski, "The independent components of natural scenes are edge filters" (1997); with contrast
    normalisation before it, A. Coates, H. Lee, A. Ng, "An analysis of single-layer networks in unsupervised feature
    learning" (2011). The checkpoint keeps W.
    """

    type: Literal["zca"] = "zca"
    in_parallel = True

    epsilon: NonNegative = 0.1
    """Added to the eigenvalues, so that directions of noise are not blown up; in the square of the samples' unit."""

    def output_shape(self, shape: Shape) -> Shape:
        if math.prod(shape) > MOST:
            raise ShapeError(f"whitens samples of at most {MOST:,} numbers, found shape {list(shape)}")
        return shape

    def statistics(self, shape: Shape) -> dict[str, Shape]:
        size = math.prod(shape)
        return {"mean": (size,), "matrix": (size, size)}

    def fit(self, batches: Iterable[Array]) -> dict[str, Array]:
        """Mean and W, in float64 until they are kept; what does not vary at all, without epsilon, becomes 0."""
        count, total, products = 0, np.zeros(1), np.zeros((1, 1))
        for batch in batches:
            rows = batch.reshape(len(batch), -1).astype(np.float64)
            count += len(rows)
            total = total + rows.sum(axis=0)
            products = products + rows.T @ rows
        mean = total / count
        eigenvalues, vectors = np.linalg.eigh(products / count - np.outer(mean, mean))
        variances = np.maximum(eigenvalues, 0) + self.epsilon
        noise = variances <= eigenvalues[-1] * len(mean) * np.finfo(np.float64).eps
        factors = np.where(noise, 0, 1 / np.sqrt(np.where(noise, 1, variances)))
        return {"mean": mean.astype(np.float32), "matrix": (vectors * factors @ vectors.T).astype(np.float32)}

    def apply(self, x: Array, statistics: dict[str, Array], drawn: Array | None = None) -> Array:
        rows = x.reshape(len(x), -1)
        rows -= statistics["mean"]
        y = np.empty_like(rows)
        matrix = statistics["matrix"].astype(x.dtype, copy=False)
        dense.forward(rows, matrix, zeros(x.dtype, len(matrix)), LINEAR, y)
        rows[...] = y
        return x
