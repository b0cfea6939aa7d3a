import math

import numpy as np
import pytest

from dlcli.kernels import draws
from dlcli.kernels.philox import block

SAMPLES = np.array([7, 0, 7, 70_000, 3], np.int64)
KEY = 0xFEDC_BA98_7654_3210


def words(sample, epoch, count):
    return [word for quad in range(-(-count // 4)) for word in block(KEY, quad, sample, epoch, 0)][:count]


def drawn(kind, count, samples=SAMPLES, epoch=5):
    out = np.full((len(samples), count), np.nan)
    kind(KEY, epoch, samples, out)
    return out


@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_uniform_numbers_are_philox_words(count):
    expected = [[(float(word) + 0.5) / 2**32 for word in words(int(sample), 5, count)] for sample in SAMPLES]
    np.testing.assert_array_equal(drawn(draws.uniform, count), expected)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_normal_numbers_are_box_and_mullers(count):
    for row, sample in zip(drawn(draws.normal, count), SAMPLES, strict=True):
        u = [(float(word) + 0.5) / 2**32 for word in words(int(sample), 5, count + 1)]
        for i, found in enumerate(row):
            radius, angle = math.sqrt(-2 * math.log(u[i - i % 2])), 2 * math.pi * u[i - i % 2 + 1]
            assert found == pytest.approx(radius * (math.sin(angle) if i % 2 else math.cos(angle)), rel=1e-12)


@pytest.mark.parametrize("kind", [draws.uniform, draws.normal])
def test_a_number_depends_on_its_sample_and_its_epoch_alone(kind):
    whole = drawn(kind, 3)
    for i in range(len(SAMPLES)):
        np.testing.assert_array_equal(drawn(kind, 3, SAMPLES[i : i + 1])[0], whole[i])
    np.testing.assert_array_equal(whole[0], whole[2])
    assert (whole[0] != whole[1]).all()
    assert (drawn(kind, 3, epoch=6) != whole).all()


def test_moments():
    samples = np.arange(3000, dtype=np.int64)
    uniform, normal = drawn(draws.uniform, 3, samples), drawn(draws.normal, 3, samples)
    assert 0 < uniform.min() < uniform.max() < 1
    assert uniform.mean() == pytest.approx(1 / 2, abs=0.02)
    assert uniform.var() == pytest.approx(1 / 12, abs=0.005)
    assert normal.mean() == pytest.approx(0, abs=0.05)
    assert normal.var() == pytest.approx(1, abs=0.06)
    assert np.mean(normal**4) == pytest.approx(3, abs=0.3)
    assert np.abs(np.corrcoef(normal.T) - np.eye(3)).max() < 0.07
