"""Crops, mirrors and scales, each pixel against where it must come from."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dlcli.data.batches import BatchSource
from dlcli.data.draws import Draws, Epoch
from dlcli.data.options import DataOptions
from dlcli.data.transforms.centre_crop import CentreCrop
from dlcli.data.transforms.mirror import Mirror
from dlcli.data.transforms.pad_and_crop import PadAndCrop
from dlcli.data.transforms.random_crop import RandomCrop
from dlcli.data.transforms.random_scale_crop import RandomScaleCrop
from dlcli.data.transforms.resize import Resize
from dlcli.data.transforms.scale import Scale
from dlcli.data.windows import VIEWS
from dlcli.errors import MisfitError

EPOCH = Epoch(3, 11)


def pictures(samples=6, height=7, width=9, channels=3, dtype=np.uint8):
    """(samples, height, width, channels), neighbours all different."""
    count = samples * height * width * channels
    return (np.arange(count) * 37 % 251).astype(dtype).reshape(samples, height, width, channels)


def out_of(x, transforms, epoch=None, dtype=np.float32, **more):
    source = BatchSource(x, None, transforms)
    batch = source.buffers(len(x), dtype)
    batch.x.fill(np.nan)
    source.fill(np.arange(len(x)), *batch, epoch=epoch, **more)
    return batch.x


def uniform(position, samples, count):
    return Draws.of(EPOCH, position, np.arange(samples)).uniform(count)


def bilinear(image, height, width):
    """The whole image in another size, in Python's floats; pixels' centres lie at halves."""
    rows, columns, channels = image.shape
    result = np.empty((height, width, channels))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * rows / height - 0.5, 0), rows - 1)
            x = min(max((j + 0.5) * columns / width - 0.5, 0), columns - 1)
            for c in range(channels):
                result[i, j, c] = sum(
                    float(image[min(a, rows - 1), min(b, columns - 1), c]) * (1 - abs(y - a)) * (1 - abs(x - b))
                    for a in (math.floor(y), math.floor(y) + 1)
                    for b in (math.floor(x), math.floor(x) + 1)
                )
    return result


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stored", [np.uint8, np.float32, np.float64, np.int16])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_random_crop_is_a_crop_where_it_was_drawn(channels, stored, dtype):
    x = pictures(channels=channels, dtype=stored)
    found = out_of(x, [RandomCrop(size=(4, 3))], EPOCH, dtype)
    assert found.dtype == dtype
    for image, crop, (u, v) in zip(x, found, uniform(0, 6, 2), strict=True):
        top, left = int(u * 4), int(v * 7)  # one of 0 … 7 − 4, and of 0 … 9 − 3
        np.testing.assert_array_equal(crop, image[top : top + 4, left : left + 3])


def test_all_places_are_equally_likely():
    x = np.broadcast_to(np.arange(12, dtype=np.float32).reshape(1, 4, 3, 1), (4000, 4, 3, 1))
    corners = out_of(x, [RandomCrop(size=(3, 2))], EPOCH)[:, 0, 0, 0].astype(int)
    counts = np.bincount(corners, minlength=12).reshape(4, 3)
    assert counts[:2, :2].sum() == 4000
    assert np.abs(counts[:2, :2] - 1000).max() < 120


@pytest.mark.parametrize("transform", [RandomCrop(size=(4, 4)), CentreCrop(size=(4, 4))])
def test_evaluation_takes_the_centre(transform):
    np.testing.assert_array_equal(out_of(pictures(), [transform]), pictures()[:, 1:5, 2:6])


def test_a_centre_crop_is_the_centre_in_training_too():
    np.testing.assert_array_equal(out_of(pictures(), [CentreCrop(size=(7, 2))], EPOCH), pictures()[:, :, 3:5])


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_mirror_image_is_one_where_it_was_drawn(channels):
    x = pictures(samples=30, channels=channels)
    flipped = uniform(0, 30, 1)[:, 0] < 0.25
    assert 0 < flipped.sum() < 20
    found = out_of(x, [Mirror(probability=0.25)], EPOCH)
    np.testing.assert_array_equal(found, np.where(flipped[:, None, None, None], x[:, :, ::-1], x))
    np.testing.assert_array_equal(out_of(x, [Mirror()]), x)


@pytest.mark.parametrize("padding", [1, 4, 20])
def test_padded_and_cropped(padding):
    x = pictures(samples=40, height=5, width=4) + 1
    framed = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    found = out_of(x, [PadAndCrop(padding=padding), Mirror()], EPOCH)
    for i, (u, v) in enumerate(uniform(0, 40, 2)):
        top, left = int(u * (2 * padding + 1)), int(v * (2 * padding + 1))
        crop = framed[i, top : top + 5, left : left + 4]
        np.testing.assert_array_equal(found[i], crop[:, ::-1] if uniform(1, 40, 1)[i, 0] < 0.5 else crop)
    np.testing.assert_array_equal(out_of(x, [PadAndCrop(padding=padding)]), x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stored", [np.uint8, np.float32])
@pytest.mark.parametrize("size", [(7, 9), (3, 4), (14, 11), (1, 1), (7, 20)])
def test_resized(size, stored, dtype):
    x = pictures(samples=2, dtype=stored)
    expected = [bilinear(image, *size) for image in x]
    np.testing.assert_allclose(out_of(x, [Resize(size=size)], dtype=dtype), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1)])
def test_lines_and_points_are_resized_too(shape):
    x = pictures(2, *shape)
    np.testing.assert_allclose(out_of(x, [Resize(size=(3, 4))]), [bilinear(i, 3, 4) for i in x], rtol=1e-5)


def test_a_scaled_crop_is_a_crop_of_the_resized_image():
    x = pictures(samples=12, height=8, width=11)
    found = out_of(x, [RandomScaleCrop(size=(6, 5), scale=(6, 13)), Mirror()], EPOCH)
    lengths = set()
    for i, (s, u, v) in enumerate(uniform(0, 12, 3)):
        shorter = 6 + int(s * 8)
        height, width = shorter, round(11 * shorter / 8)
        top, left = int(u * (height - 6 + 1)), int(v * (width - 5 + 1))
        crop = bilinear(x[i], height, width)[top : top + 6, left : left + 5]
        expected = crop[:, ::-1] if uniform(1, 12, 1)[i, 0] < 0.5 else crop
        np.testing.assert_allclose(found[i], expected, rtol=1e-4, atol=1e-3)
        lengths.add(shorter)
    assert len(lengths) > 4


def test_evaluation_takes_the_centre_at_the_mean_scale():
    x = pictures(samples=2, height=8, width=11)
    found = out_of(x, [RandomScaleCrop(size=(6, 5), scale=(6, 14))])  # 10 × 13.75
    np.testing.assert_allclose(found, [bilinear(i, 10, 14)[2:8, 4:9] for i in x], rtol=1e-4, atol=1e-3)


CHAINS = {
    "mirror, crop": [Mirror(), RandomCrop(size=(4, 6))],
    "crop, mirror, crop": [RandomCrop(size=(6, 8)), Mirror(), RandomCrop(size=(3, 5))],
    "crop, pad": [RandomCrop(size=(6, 8)), Mirror(), PadAndCrop(padding=2), RandomCrop(size=(4, 6))],
    "crop, resize, crop": [RandomCrop(size=(6, 8)), Mirror(), Resize(size=(9, 7)), RandomCrop(size=(4, 6)), Mirror()],
    "values between": [RandomCrop(size=(6, 8)), Scale(by=0.5), Mirror(), Scale(by=2.0, offset=1)],
    "values first": [Scale(by=0.5), Mirror(), RandomCrop(size=(6, 8))],
    "nothing": [],
}


@pytest.mark.parametrize("epoch", [EPOCH, None])
@pytest.mark.parametrize("name", CHAINS)
def test_in_one_pass_or_one_by_one(name, epoch):
    """A chain gives what its transforms give by themselves, each drawing for its position in the chain."""
    x = pictures(samples=20)
    expected = x
    for position, transform in enumerate(CHAINS[name]):
        alone = [Scale(by=1.0)] * position + [transform]
        expected = out_of(expected, alone, epoch, np.float64)
    np.testing.assert_allclose(out_of(x, CHAINS[name], epoch, np.float64), expected, rtol=1e-12)


@pytest.mark.parametrize("crops", [5, 10])
def test_views_are_corners_and_centre_and_their_mirror_images(crops):
    x = pictures()
    chain = [CentreCrop(size=(6, 8)), RandomCrop(size=(4, 5))]  # views are of the last crop
    middle = x[:, 0:6, 0:8]
    five = [middle[:, t : t + 4, le : le + 5] for t, le in ((0, 0), (0, 3), (2, 0), (2, 3), (1, 1))]
    expected = five if crops == 5 else [*five, *(view[:, :, ::-1] for view in five)]
    for view, wanted in zip(VIEWS[crops], expected, strict=True):
        np.testing.assert_array_equal(out_of(x, chain, view=view), wanted)


def test_views_of_scaled_crops():
    x = pictures(samples=2, height=8, width=8)
    chain = [RandomScaleCrop(size=(6, 6), scale=(8, 16))]
    whole = np.array([bilinear(image, 12, 12) for image in x])
    for view, wanted in zip(VIEWS[5], (np.s_[:6, :6], np.s_[:6, 6:], np.s_[6:, :6], np.s_[6:, 6:]), strict=False):
        np.testing.assert_allclose(out_of(x, chain, view=view), whole[:, *wanted], rtol=1e-4, atol=1e-3)


@given(
    st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(0, 40), st.booleans(), st.integers(1, 5)
)  # fmt: skip
def test_any_size(height, width, channels, number, mirrored, padding):
    x = pictures(3, height + 2, width + 1, channels)
    chain = [PadAndCrop(padding=padding), RandomCrop(size=(height, width)), Mirror(probability=float(mirrored))]
    found = out_of(x, chain, Epoch(1, number))
    framed = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    for i in range(3):
        draws = [Draws.of(Epoch(1, number), position, np.array([i])).uniform(2)[0] for position in (0, 1)]
        top = int(draws[0][0] * (2 * padding + 1)) + int(draws[1][0] * 3)
        left = int(draws[0][1] * (2 * padding + 1)) + int(draws[1][1] * 2)
        crop = framed[i, top : top + height, left : left + width]
        np.testing.assert_array_equal(found[i], crop[:, ::-1] if mirrored else crop)


@pytest.mark.parametrize(
    ("transform", "shape", "message"),
    [
        (RandomCrop(size=(3, 3)), (4, 2, 1), r"data\.transform\.1: crops 3 × 3, found images of 4 × 2"),
        (CentreCrop(size=(3, 3)), (2, 4, 1), "crops 3 × 3, found images of 2 × 4"),
        (CentreCrop(size=(3, 3)), (9,), r"takes images \(height, width, channels\), found samples of shape \[9\]"),
        *((t, (9,), r"takes images .* found samples of shape \[9\]") for t in (Mirror(), PadAndCrop())),
        *((t, (3, 3), "takes images") for t in (Resize(size=(2, 2)), RandomScaleCrop(size=(2, 2), scale=(2, 3)))),
    ],
)  # fmt: skip
def test_samples_that_do_not_fit_are_refused(transform, shape, message):
    with pytest.raises(MisfitError, match=message) as caught:
        BatchSource(np.zeros((2, *shape), np.uint8), None, [Scale(by=1.0), transform])
    assert caught.value.path == ("data", "transform", 1)


@pytest.mark.parametrize("scale", [[4, 9], [9, 6], [5], [5, 6, 7], [0, 9]])
def test_scales_that_cannot_be_are_refused(scale):
    written = {"type": "random_scale_crop", "size": [5, 3], "scale": scale}
    with pytest.raises(ValidationError, match="scale"):
        DataOptions.model_validate({"source": "bundled", "transform": [written]})


def test_other_spellings():
    written = [{"type": "center_crop", "size": 3}, {"type": "random_scale", "size": 3, "scale": [3, 4]}]
    options = DataOptions.model_validate({"source": "bundled", "transform": written})
    assert options.transform == (CentreCrop(size=(3, 3)), RandomScaleCrop(size=(3, 3), scale=(3, 4)))
