import numpy as np
import pytest

from dlcli.data.sources.bundled import Bundled
from dlcli.data.sources.idx import Idx


def images(samples=6):
    return np.arange(samples * 6, dtype=np.uint8).reshape(samples, 3, 2)


LABELS = np.array([0, 1, 2, 0, 1, 2], np.uint8)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dash", ["-", "."])
def test_a_folder_under_all_names_that_mnist_goes_by(put, tmp_path, suffix, dash):
    for split in "train", "t10k":
        put(f"{split}-images{dash}idx3-ubyte{suffix}", images())
        put(f"{split}-labels{dash}idx1-ubyte{suffix}", LABELS)
    data = Idx(root=str(tmp_path)).load()
    assert data.train.x.dtype == np.uint8
    assert data.sample_shape == (3, 2, 1)
    np.testing.assert_array_equal(data.train.x[..., 0], images())
    np.testing.assert_array_equal(data.test.y, LABELS)
    assert data.train.y.dtype == np.int64
    assert data.classes == (0, 1, 2)
    assert data.task == "classification"


def test_single_files_without_a_test_set(put):
    data = Idx(train_images=put("a", images()), train_labels=put("b", LABELS), classes=4).load()
    assert data.test is None
    assert data.classes == (0, 1, 2, 3)


def test_paths_are_relative_to_the_working_directory(put, tmp_path, monkeypatch):
    put("a", images())
    put("b", LABELS)
    monkeypatch.chdir(tmp_path)
    assert len(Idx(train_images="a", train_labels="b").load().train) == 6


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
def test_every_element_type(put, dtype):
    values = np.array([[0, 1, 2], [3, 4, 100], [7, 8, 9]]).astype(dtype)
    if dtype != "u1":
        values[0, 0] = -5
    data = Idx(train_images=put("a", values), train_labels=put("b", np.array([0, 1, 1], np.int32))).load()
    assert data.train.x.dtype == (np.uint8 if dtype == "u1" else np.float32)
    np.testing.assert_array_equal(data.train.x, values.astype(np.float64))


def test_four_axes_keep_their_channels(put):
    values = np.arange(2 * 3 * 2 * 3, dtype=np.uint8).reshape(2, 3, 2, 3)
    data = Idx(train_images=put("a", values), train_labels=put("b", LABELS[:2])).load()
    assert data.sample_shape == (3, 2, 3)


def test_the_bundled_sample_is_mnist_in_its_proportions():
    data = Bundled().load()
    assert data.train.x.shape == (10000, 28, 28, 1)
    assert data.test.x.shape == (2000, 28, 28, 1)
    full = {
        "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    }
    for split, total in ("train", 60000), ("test", 10000):
        labels = getattr(data, split).y
        assert np.abs(np.bincount(labels) - np.array(full[split]) * len(labels) / total).max() < 1
    # A mean image of each digit tells most test digits: the labels belong to the images.
    means = np.stack([data.train.x[data.train.y == digit].mean(axis=0) for digit in range(10)]).reshape(10, -1)
    distances = ((data.test.x.reshape(2000, 1, -1) - means) ** 2).sum(axis=2)
    assert (distances.argmin(axis=1) == data.test.y).mean() > 0.78
