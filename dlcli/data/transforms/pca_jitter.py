"""Colours of another light."""

from collections.abc import Iterable
from typing import Literal

import numpy as np

from dlcli.data.base import InPlace, image
from dlcli.data.draws import Draws
from dlcli.layers.base import Array, Shape
from dlcli.options import Positive


class PcaJitter(InPlace):
    """Adds Σ_i α_i √λ_i p_i to all pixels of an image, with α_i ~ N(0, deviation) drawn anew for each image and epoch;
    in evaluation nothing. p_i and λ_i are eigenvectors and eigenvalues of the channels' covariance over all pixels of
    the training set.

    A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with deep convolutional neural networks" (2012),
    section 4.1. The paper writes α_i λ_i; λ_i has the square of the pixels' unit, so that its effect would change with
    their scale. Here, as in the implementations in use, it is the deviation √λ_i along p_i.
    """

    type: Literal["pca_jitter"] = "pca_jitter"

    deviation: Positive = 0.1
    """Standard deviation of α."""

    def output_shape(self, shape: Shape) -> Shape:
        return image(shape)

    def statistics(self, shape: Shape) -> dict[str, Shape]:
        return {"components": (shape[-1], shape[-1])}

    def fit(self, batches: Iterable[Array]) -> dict[str, Array]:
        """components[:, i] = √λ_i p_i, in float64 until they are kept; λ ascend."""
        count, total, products = 0, np.zeros(1), np.zeros((1, 1))
        for batch in batches:
            pixels = batch.reshape(-1, batch.shape[-1]).astype(np.float64)
            count += len(pixels)
            total = total + pixels.sum(axis=0)
            products = products + pixels.T @ pixels
        mean = total / count
        eigenvalues, vectors = np.linalg.eigh(products / count - np.outer(mean, mean))
        return {"components": (vectors * np.sqrt(np.maximum(eigenvalues, 0))).astype(np.float32)}

    def draw(self, draws: Draws, shape: Shape) -> Array:
        """(n, channels) α / deviation."""
        return draws.normal(shape[-1])

    def apply(self, x: Array, statistics: dict[str, Array], drawn: Array | None = None) -> Array:
        if drawn is not None:
            colours = np.sum(self.deviation * drawn[:, None, :] * statistics["components"], axis=2).astype(x.dtype)
            rows = x.reshape(len(x), x.shape[1], -1)
            rows += np.tile(colours, x.shape[2])[:, None]  # a row of pixels at a time: long loops
        return x
