import numpy as np
import pytest

from dlcli.data.sources.cifar10 import Cifar10
from dlcli.data.sources.cifar100 import Cifar100


def record(labels, seed):
    planes = np.random.default_rng(seed).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    return bytes(labels) + planes.tobytes(), planes.transpose(1, 2, 0)


@pytest.fixture
def cifar10(put, tmp_path):
    for number in range(1, 6):
        put(f"data_batch_{number}.bin", record([number], number)[0] + record([0], number + 10)[0])
    put("test_batch.bin", record([9], 20)[0])
    return str(tmp_path)


@pytest.fixture
def cifar100(put, tmp_path):
    put("train.bin", record([3, 99], 1)[0] + record([19, 0], 2)[0])
    put("test.bin", record([0, 5], 3)[0])
    return str(tmp_path)


def test_cifar10_is_channels_last_and_in_order(cifar10):
    data = Cifar10(root=cifar10).load()
    assert data.train.x.shape == (10, 32, 32, 3)
    assert data.train.x.flags.c_contiguous
    np.testing.assert_array_equal(data.train.x[2], record([2], 2)[1])
    np.testing.assert_array_equal(data.train.y, [1, 0, 2, 0, 3, 0, 4, 0, 5, 0])
    np.testing.assert_array_equal(data.test.x[0], record([9], 20)[1])
    assert data.classes == tuple(range(10))


def test_cifar10_names_its_classes(cifar10, put):
    names = [f"thing{i}" for i in range(10)]
    put("batches.meta.txt", "\n".join(names) + "\n\n")
    assert Cifar10(root=cifar10).load().classes == tuple(names)


@pytest.mark.parametrize(("labels", "expected", "count"), [("fine", [99, 0], 100), ("coarse", [3, 19], 20)])
def test_cifar100_has_two_kinds_of_labels(cifar100, put, labels, expected, count):
    names = [f"{labels} {i}" for i in range(count)]
    put(f"{labels}_label_names.txt", "\n".join(names))
    data = Cifar100(root=cifar100, labels=labels).load()
    np.testing.assert_array_equal(data.train.y, expected)
    np.testing.assert_array_equal(data.train.x[1], record([19, 0], 2)[1])
    assert data.classes == tuple(names)
