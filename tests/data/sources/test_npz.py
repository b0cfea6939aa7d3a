import numpy as np
import pytest

from dlcli.data.sources.npz import Npz

X = np.arange(24).reshape(6, 2, 2)
Y = np.array([0, 1, 3, 0, 1, 3])


@pytest.mark.parametrize("dtype", ["u1", "i8", "u2", "f2", "f4", ">f4", "f8", "?"])
def test_element_types(put_npz, dtype):
    x = X.astype(dtype)
    data = Npz(file=put_npz(x_train=x, y_train=Y)).load()
    assert data.train.x.dtype == (np.uint8 if dtype == "u1" else np.float32)
    np.testing.assert_array_equal(data.train.x, x.astype(np.float64))
    assert data.classes == (0, 1, 2, 3)
    assert data.test is None


def test_column_order_and_compression(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x_train=np.asfortranarray(X), y_train=Y, x_test=X[:2], y_test=Y[:2])
    data = Npz(file=str(tmp_path / "a.npz"), classes=5).load()
    np.testing.assert_array_equal(data.train.x, X)
    assert data.train.x.flags.c_contiguous
    np.testing.assert_array_equal(data.test.y, Y[:2])
    assert data.classes == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("y", [np.linspace(0, 1, 6), np.linspace(0, 1, 12).reshape(6, 2)])
def test_real_targets_make_a_regression(put_npz, y):
    data = Npz(file=put_npz(x_train=X, y_train=y)).load()
    assert data.task == "regression"
    assert data.train.y.dtype == np.float32
    np.testing.assert_allclose(data.train.y, y.reshape(6, -1), rtol=1e-7)
