"""Means, colours, contrast and whitening, against their formulas in float64."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from dlcli.data.batches import BatchSource
from dlcli.data.draws import Draws, Epoch
from dlcli.data.options import DataOptions
from dlcli.data.pipeline import check_statistics, fitted
from dlcli.data.transforms.global_contrast_normalisation import GlobalContrastNormalisation
from dlcli.data.transforms.pca_jitter import PcaJitter
from dlcli.data.transforms.random_crop import RandomCrop
from dlcli.data.transforms.subtract_mean import SubtractMean
from dlcli.data.transforms.zca import Zca
from dlcli.errors import MisfitError

EPOCH = Epoch(3, 11)
COLOURS = np.random.default_rng(1).normal([60, 90, 150], [20, 30, 9], (50, 6, 5, 3)) @ [
    [1, 0.5, 0],
    [0.3, 1, 0.2],
    [0, 0.4, 1],
]
IMAGES = COLOURS.clip(0, 255).astype(np.uint8)


def out_of(x, transforms, epoch=None, dtype=np.float32):
    source = BatchSource(x, None, transforms, fitted(transforms, x))
    batch = source.buffers(len(x), dtype)
    source.fill(np.arange(len(x)), *batch, epoch=epoch)
    return batch.x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("per", "axes"), [("pixel", 0), ("channel", (0, 1, 2))])
def test_a_mean_is_subtracted(per, axes, dtype):
    exact = IMAGES.astype(np.float64)
    found = out_of(IMAGES, [SubtractMean(per=per)], dtype=dtype)
    np.testing.assert_allclose(found, exact - exact.mean(axis=axes), atol=2e-4)
    assert (
        fitted([SubtractMean(per=per)], IMAGES)["0/mean"].shape == SubtractMean(per=per).statistics((6, 5, 3))["mean"]
    )


def test_means_that_are_given():
    transform = SubtractMean(values=(1.5, 2.0, 3.0))
    assert fitted([transform], IMAGES) == {}
    np.testing.assert_array_equal(out_of(IMAGES, [transform]), IMAGES - np.float32([1.5, 2, 3]))
    with pytest.raises(MisfitError, match=r"data\.transform\.0: subtracts 3 values, found samples of 5 channels"):
        out_of(np.zeros((2, 5), np.uint8), [transform])


@pytest.mark.parametrize("per", ["pixel", "channel"])
def test_vectors_have_a_mean_for_each_number(per):
    rows = IMAGES.reshape(50, -1)
    found = out_of(rows, [SubtractMean(per=per)], dtype=np.float64)
    np.testing.assert_allclose(found, rows - rows.mean(axis=0), atol=1e-4)


def test_the_mean_of_crops_is_that_of_the_centre():
    chain = [RandomCrop(size=(2, 3)), SubtractMean(per="pixel")]
    centre = IMAGES[:, 2:4, 1:4]
    np.testing.assert_allclose(fitted(chain, IMAGES)["1/mean"], centre.mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_colours_are_moved_along_their_principal_components(dtype):
    pixels = IMAGES.reshape(-1, 3).astype(np.float64)
    eigenvalues, vectors = np.linalg.eigh(np.cov(pixels.T, bias=True))
    components = fitted([PcaJitter()], IMAGES)["0/components"]
    np.testing.assert_allclose(components @ components.T, np.cov(pixels.T, bias=True), rtol=1e-5)
    np.testing.assert_allclose(np.abs(components), np.abs(vectors * np.sqrt(eigenvalues)), rtol=1e-4, atol=1e-4)
    normal = Draws.of(EPOCH, 0, np.arange(50)).normal(3)
    found = out_of(IMAGES, [PcaJitter(deviation=0.2)], EPOCH, dtype)
    for image, jittered, alpha in zip(IMAGES, found, normal, strict=True):
        added = sum(0.2 * alpha[i] * components[:, i] for i in range(3))
        np.testing.assert_allclose(jittered, image + added, rtol=1e-5)
    np.testing.assert_array_equal(out_of(IMAGES, [PcaJitter()]), IMAGES)


def test_grey_images_have_one_component():
    found = out_of(IMAGES[..., :1], [PcaJitter()], EPOCH, np.float64) - IMAGES[..., :1]
    assert np.ptp(found, axis=(1, 2, 3)).max() < 1e-9
    assert found[:, 0, 0, 0].std() == pytest.approx(0.1 * IMAGES[..., 0].std(), rel=0.3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(6, 5, 3), (1,), (15,), (16,), (17,), (33, 3)])
@pytest.mark.parametrize("divide_by", ["deviation", "norm"])
def test_contrast_is_normalised(divide_by, shape, dtype):
    x = np.random.default_rng(2).normal(50, 9, (4, *shape)).astype(np.float32)
    transform = GlobalContrastNormalisation(divide_by=divide_by, scale=5.0, bias=10.0, minimum_divisor=4.0)
    for sample, found in zip(x, out_of(x, [transform], dtype=dtype), strict=True):
        numbers = [float(value) for value in sample.flat]
        mean = sum(numbers) / len(numbers)
        squares = sum((number - mean) ** 2 for number in numbers)
        divisor = max(4.0, math.sqrt(10 + (squares / len(numbers) if divide_by == "deviation" else squares)))
        expected = [5 * (number - mean) / divisor for number in numbers]
        np.testing.assert_allclose(found.reshape(-1), expected, rtol=2e-5, atol=1e-5)


def test_what_is_constant_is_not_blown_up():
    np.testing.assert_array_equal(out_of(np.full((2, 9), 0.1, np.float32), [GlobalContrastNormalisation()]), 0)
    faint = np.full((1, 8), 5, np.float32)
    faint[0, 0] += 1
    assert np.abs(out_of(faint, [GlobalContrastNormalisation(minimum_divisor=10.0)])).max() < 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whitened_numbers_are_uncorrelated(dtype):
    x = (np.random.default_rng(3).normal(size=(400, 12)) @ np.random.default_rng(4).normal(size=(12, 12))).astype("f4")
    found = out_of(x.reshape(400, 2, 2, 3), [Zca(epsilon=0.0)], dtype=dtype).reshape(400, 12).astype(np.float64)
    assert found.dtype == np.float64
    np.testing.assert_allclose(np.cov(found.T, bias=True), np.eye(12), atol=2e-4)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=2e-4)


def test_the_whitening_matrix_is_the_formulas():
    x = (np.random.default_rng(3).normal(size=(400, 12)) @ np.random.default_rng(4).normal(size=(12, 12))).astype("f4")
    statistics = fitted([Zca(epsilon=0.5)], x)
    covariance = np.cov(x.T.astype(np.float64), bias=True)
    w = statistics["0/matrix"].astype(np.float64)
    np.testing.assert_allclose(w, w.T, atol=1e-6)
    np.testing.assert_allclose(w @ (covariance + 0.5 * np.eye(12)) @ w, np.eye(12), atol=1e-4)
    assert np.linalg.eigvalsh(w).min() > 0
    expected = (x - x.mean(axis=0, dtype=np.float64)) @ w
    np.testing.assert_allclose(out_of(x, [Zca(epsilon=0.5)], dtype=np.float64), expected, atol=1e-5)


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_what_never_varies_stays_nothing_when_whitened(epsilon):
    x = np.random.default_rng(3).normal(size=(40, 3)).astype(np.float32)
    x[:, 1] = 7
    found = out_of(x, [Zca(epsilon=epsilon)])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, 1], 0, atol=1e-5)


@pytest.mark.parametrize(
    ("transform", "shape", "message"),
    [
        (PcaJitter(), (9,), r"takes images .* found samples of shape \[9\]"),
        (Zca(), (100, 100, 1), r"at most 8,192 numbers, found shape \[100, 100, 1\]"),
    ],
)
def test_samples_that_do_not_fit_are_refused(transform, shape, message):
    with pytest.raises(MisfitError, match=message):
        fitted([transform], np.zeros((2, *shape), np.uint8))


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ({"type": "subtract_mean", "per": "row"}, "per"),
        ({"type": "subtract_mean", "values": []}, "values"),
        ({"type": "pca_jitter", "deviation": 0.0}, "deviation"),
        ({"type": "gcn", "scale": 0.0}, "scale"),
        ({"type": "gcn", "bias": -1.0}, "bias"),
        ({"type": "gcn", "minimum_divisor": 0.0}, "minimum_divisor"),
        ({"type": "zca", "epsilon": -0.1}, "epsilon"),
        ({"type": "mirror", "probability": 1.1}, "probability"),
        ({"type": "pad_and_crop", "padding": 0}, "padding"),
        ({"type": "random_crop"}, "size"),
        ({"type": "centre_crop", "size": 0}, "size"),
        ({"type": "resize", "size": [1, 2, 3]}, "size"),
    ],
)
def test_a_broken_bound_is_refused_at_its_option(written, at):
    with pytest.raises(ValidationError) as caught:
        DataOptions.model_validate({"source": "bundled", "transform": [written]})
    assert at in caught.value.errors()[0]["loc"]


def test_statistics_are_checked():
    chain = [PcaJitter(), Zca()]
    check_statistics(chain, (6, 5, 3), fitted(chain, IMAGES))
