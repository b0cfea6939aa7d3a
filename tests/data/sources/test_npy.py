import mmap
import pickle
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from dlcli.data.options import DataOptions
from dlcli.data.pipeline import prepare
from dlcli.data.sources.npy import Npy
from dlcli.errors import DataError

X = np.arange(24).reshape(6, 2, 2)
Y = np.array([0, 1, 3, 0, 1, 3])


@pytest.fixture
def put(tmp_path):
    """Save arrays, or bytes, under their names; gives their paths by name."""

    def save(**arrays):
        for name, array in arrays.items():
            if isinstance(array, bytes):
                (tmp_path / f"{name}.npy").write_bytes(array)
            else:
                np.save(tmp_path / f"{name}.npy", array, allow_pickle=True)
        return {name: str(tmp_path / f"{name}.npy") for name in arrays}

    return save


def is_mapped(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)


@pytest.mark.parametrize("dtype", ["u1", "i8", "u2", "f4", ">f4", "f8", "?"])
def test_element_types(put, dtype):
    x = X.astype(dtype)
    data = Npy(**put(x_train=x, y_train=Y)).load()
    np.testing.assert_array_equal(data.train.x, x.astype(np.float64))
    assert data.train.x.dtype == (np.uint8 if dtype == "u1" else np.float32)
    assert is_mapped(data.train.x) == (dtype in ("u1", "f4"))
    assert data.classes == (0, 1, 2, 3)
    assert data.test is None


def test_a_test_set_and_column_order(put):
    data = Npy(**put(x_train=np.asfortranarray(X), y_train=Y, x_test=X[:2], y_test=Y[:2]), classes=5).load()
    np.testing.assert_array_equal(data.train.x, X)
    assert data.train.x.flags.c_contiguous
    np.testing.assert_array_equal(data.test.y, Y[:2])
    assert data.classes == (0, 1, 2, 3, 4)


def test_a_regression(put):
    data = Npy(**put(x_train=X, y_train=np.linspace(0, 1, 6))).load()
    assert data.task == "regression"
    assert data.train.y.shape == (6, 1)


def test_batches_come_from_the_disk(put):
    """Nothing takes the samples into memory: not the split, not the transforms."""
    x = np.random.default_rng(0).integers(0, 256, (50, 6, 6, 3), np.uint8)
    transforms = [{"type": "random_crop", "size": 4}, {"type": "subtract_mean"}]
    written = {"source": {"type": "npy", **put(x_train=x, y_train=np.arange(50) % 5)}, "transform": transforms}
    data = prepare(DataOptions.model_validate(written | {"validation": 0.2}))
    assert is_mapped(data.train._x)
    assert data.train._x is data.validation._x
    (batch,) = data.train.iterate(40)
    expected = data.train.x[:, 1:5, 1:5] - data.statistics["1/mean"]
    np.testing.assert_allclose(batch.x, expected, rtol=1e-5, atol=1e-4)


BAD = {
    "a pickle": ({"x_train": pickle.dumps(X)}, "x_train.npy: found a Python pickle, expected an NPY file"),
    "an object": ({"x_train": np.array([{}, 1], object)}, "x_train.npy: found Python objects"),
    "text": ({"y_train": b"hello there"}, "y_train.npy: found bytes 68 65 6c 6c, expected an NPY"),
    "empty": ({"x_train": b""}, "x_train.npy: the file is empty"),
    "a broken header": ({"x_train": b"\x93NUMPY\x01\x00\x10\x00{{{{{{{{{{{{{{{{"}, "x_train.npy: found no NPY array"),
    "complex": ({"x_train": X.astype(complex)}, "x_train.npy: found elements of type complex128"),
    "counts differ": ({"x_train": X[:5]}, "x_train.npy and .*y_train.npy: found 5 samples and 6 labels"),
    "no samples": ({"x_train": X[:0], "y_train": Y[:0]}, "at least one sample|expected"),
    "one axis": ({"x_train": Y}, r"x_train.npy: found shape \[6\], expected \(samples, …\)"),
    "a negative label": ({"y_train": Y - 1}, r"y_train.npy: label 0 \(from 0\): found -1"),
    "infinite": ({"x_train": np.full((6, 2), np.inf, np.float32)}, r"x_train.npy: sample 0 \(from 0\): found inf"),
    "another kind": ({"x_test": X, "y_test": Y / 2}, "y_test.npy: found float32, expected int64 as in .*y_train.npy"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_named(put, case):
    arrays, message = BAD[case]
    with pytest.raises(DataError, match=message):
        Npy(**put(**{"x_train": X, "y_train": Y} | arrays)).load()


@pytest.mark.parametrize("change", [-1, 1])
def test_cut_or_longer_files(put, change):
    paths = put(x_train=X, y_train=Y)
    path = Path(paths["x_train"])
    path.write_bytes(path.read_bytes()[:-1] if change < 0 else path.read_bytes() + b"!")
    with pytest.raises(DataError, match=f"found {320 + change} bytes, expected 320 for shape"):
        Npy(**paths).load()


def test_missing_files(tmp_path):
    with pytest.raises(DataError, match=r"gone\.npy: no such file"):
        Npy(x_train=str(tmp_path / "gone.npy"), y_train="x").load()
    with pytest.raises(ValidationError, match="expected x_test and y_test together"):
        Npy(x_train="a", y_train="b", x_test="c")
