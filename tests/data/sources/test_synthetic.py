import numpy as np
import pytest

from dlcli.data.sources.synthetic import Synthetic
from dlcli.errors import EnvironmentFailure


def test_shapes_and_balance():
    data = Synthetic(shape=(4, 5, 1), classes=3, samples=100, test_samples=10).load()
    assert data.train.x.shape == (100, 4, 5, 1)
    assert data.train.x.dtype == np.float32
    assert sorted(np.bincount(data.train.y)) == [33, 33, 34]
    assert len(data.test) == 10
    assert Synthetic(shape=(2,), test_samples=0).load().test is None


def test_the_seed_decides_all():
    first, same, other = (Synthetic(shape=(3,), seed=seed).load() for seed in (1, 1, 2))
    assert first.fingerprint() == same.fingerprint() != other.fingerprint()


def test_the_nearest_centre_tells_the_class():
    data = Synthetic(shape=(30,), classes=5, samples=500).load()
    centres = np.stack([data.train.x[data.train.y == label].mean(axis=0) for label in range(5)])
    nearest = ((data.test.x[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == data.test.y).mean() > 0.95
    assert 0.9 < (data.train.x - centres[data.train.y]).std() < 1.1


def test_more_than_the_machine_has_is_refused_with_the_bytes_needed():
    with pytest.raises(EnvironmentFailure, match="needs 4,000,000,000,000,000,000 bytes"):
        Synthetic(shape=(10**9, 10**8), classes=10).load()
