"""Batches, the same for every contender: digits where a net is for digits, else made up."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from bench.nets import Net

BATCHES = 4  # they take turns: one alone would be learnt by heart, and stay in the cache
PIXELS = 28 * 28
# Read here, not by dlcli's own readers: PyTorch's process would import dlcli, and its memory would count.
DIGITS = Path(__file__).parents[2] / "dlcli/data/bundled/mnist-sample"


def batches(net: Net) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Pairs of x (batch, …) in [0, 1], channels last, and class indices y (batch,)."""
    samples, rng = BATCHES * net.batch, np.random.default_rng(0)
    if np.prod(net.shape) == PIXELS:
        x, y = digits(samples)
    else:
        x, y = rng.random((samples, *net.shape), np.float32), rng.integers(0, 10, samples)
    return list(zip(np.split(x.reshape(-1, *net.shape), BATCHES), np.split(y, BATCHES), strict=True))


def digits(samples: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The first of the bundled digits: x (samples, 784), four fifths of it zeros, and y (samples,)."""
    pixels, labels = (
        np.frombuffer(gzip.decompress((DIGITS / f"train-{name}-ubyte.gz").read_bytes()), np.uint8)[header:]
        for name, header in (("images-idx3", 16), ("labels-idx1", 8))
    )
    x = pixels[: samples * PIXELS].reshape(samples, PIXELS).astype(np.float32) / np.float32(255)
    return x, labels[:samples].astype(np.int64)


def random(*shape: int) -> np.ndarray[Any, Any]:
    """Uniform in [0, 1)."""
    return np.random.default_rng(0).random(shape, np.float32)


def classified(samples: int, inputs: int, classes: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Noisy clusters to learn: x (samples, inputs) float32, y (samples,) class indices."""
    rng = np.random.default_rng(0)
    centres = rng.random((classes, inputs), np.float32)
    y = rng.integers(0, classes, samples)
    return 0.5 * centres[y] + 0.5 * rng.random((samples, inputs), np.float32), y
