"""Philox 4×32-10: Random123's known answers, addresses of draws, and the frequencies of masks."""

import numpy as np
import pytest

from dlcli.kernels import philox
from tests.layers.naive import philox as naive
from tests.layers.naive import random_words

# Random123's kat_vectors: counter, key, answer, each as 32-bit words.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter: str, key: str, answer: str):
    c, k, expected = ([int(word, 16) for word in words.split()] for words in (counter, key, answer))
    joined = k[0] | k[1] << 32
    assert list(map(int, philox.block(np.uint64(joined), *map(np.uint32, c)))) == expected
    assert list(naive(joined, tuple(c))) == expected  # the layer tests rest on it


@pytest.mark.parametrize("features", [1, 3, 4, 6, 17])
def test_bits_have_an_address(features: int):
    key = 0xFEDCBA9876543210
    out = np.zeros((3, features), np.uint32)
    philox.bits(np.uint64(key), 11, out)
    assert (out == random_words(out.shape, key, 11)).all()
    # A sample's words depend neither on the batch nor on how many features follow.
    part = np.zeros((1, max(1, features - 1)), np.uint32)
    philox.bits(np.uint64(key), 11, part)
    assert (part == out[:1, : part.shape[1]]).all()


def test_bits_are_uniform():
    out = np.zeros((200, 1000), np.uint32)
    philox.bits(np.uint64(5), 0, out)
    counts = np.bincount((out >> 24).reshape(-1), minlength=256)
    expected = out.size / 256
    chi_squared = float(((counts - expected) ** 2).sum() / expected)
    assert 160 < chi_squared < 370  # 255 degrees of freedom: four deviations of 22.6 below, five above
    ones = np.unpackbits(out.view(np.uint8)).mean()
    assert abs(ones - 0.5) < 5 * 0.5 / np.sqrt(out.size * 32)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.8, 1.0])
def test_masks_keep_their_share(share: float):
    mask = np.full((100, 1001), 7, np.uint8)
    philox.keep_mask(np.uint64(9), 3, np.uint64(round(share * 2**32)), mask)
    assert set(np.unique(mask)) <= {0, 1}
    deviation = np.sqrt(share * (1 - share) / mask.size)
    assert abs(mask.mean() - share) <= 5 * deviation
    for axis in (0, 1):  # no sample and no feature is favoured
        spread = np.sqrt(share * (1 - share) / mask.shape[axis])
        assert np.abs(mask.mean(axis=axis) - share).max() <= 6 * spread


def test_steps_and_keys_are_independent():
    masks = []
    for key, step in ((1, 0), (1, 1), (2, 0), (1 << 32, 0)):
        mask = np.zeros((50, 400), np.uint8)
        philox.keep_mask(np.uint64(key), step, np.uint64(1 << 31), mask)
        masks.append(mask.reshape(-1).astype(float))
    off_diagonal = np.corrcoef(masks) - np.eye(len(masks))
    assert np.abs(off_diagonal).max() < 5 / np.sqrt(masks[0].size)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_masked_values_are_scaled_or_zero(dtype: type):
    x = np.array([[1.5, -2.0, np.nan, np.inf], [np.nan, 0.25, -np.inf, 3.0]], dtype)
    mask = np.array([[1, 0, 0, 0], [1, 1, 1, 0]], np.uint8)
    y = np.full_like(x, 99)
    philox.masked(x, mask, dtype(2), y)
    assert np.array_equal(y, np.array([[3, 0, 0, 0], [np.nan, 0.5, -np.inf, 0]], dtype), equal_nan=True)


@pytest.mark.parametrize("features", [1, 7, 1023, 1030])  # beyond what is drawn at a time
def test_dropping_is_masking_by_the_words(features: int):
    x, step = np.random.default_rng(1).random((3, features), np.float32), np.array([0], np.int64)
    mask, y = np.full(x.shape, 7, np.uint8), np.full_like(x, np.nan)
    (launch,) = philox.drop.plan(0xFEDCBA9876543210, step, 3 << 30, x, mask, 1.25, y)
    for step[0] in (5, 6):  # the plan stays, the step does not
        launch.run()
        expected = random_words(x.shape, 0xFEDCBA9876543210, int(step[0])) < 3 << 30
        assert (mask == expected).all()
        assert (y == np.where(expected, x * np.float32(1.25), 0)).all()
