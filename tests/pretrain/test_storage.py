"""Features in memory and in mapped files: the same bits, and nothing stays behind."""

import errno
import os
import tempfile

import numpy as np
import pytest

from dlcli import wiring
from dlcli.data.pipeline import prepare
from dlcli.errors import EnvironmentFailure
from dlcli.pretrain.greedy import Walk
from dlcli.pretrain.storage import Storage
from tests.runs import PRETRAINED, experiment, outcome, train, train_until


def mapped(array):
    """Whether an array stands in a file."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


def test_small_arrays_are_in_memory_and_large_ones_in_a_file_without_a_name(tmp_path):
    storage = Storage(limit=80, folder=tmp_path)
    small, large = storage.empty((4, 5), np.float32), storage.empty((4, 6), np.float32)
    assert (mapped(small), mapped(large)) == (False, True)
    assert type(large) is np.ndarray
    assert (large.shape, large.dtype, large.flags.c_contiguous) == ((4, 6), np.float32, True)
    large[:] = np.arange(24).reshape(4, 6)
    assert large.sum() == 276
    assert list(tmp_path.iterdir()) == []


def test_a_walk_gives_the_same_bits(tmp_path):
    of = experiment(PRETRAINED)
    data = prepare(of.data)
    network = wiring.build_network(of, data)
    found = []
    for storage in (Storage(), Storage(0, tmp_path)):
        walk = Walk(network, [data.train, data.validation], 8, storage)
        arrays = [array for name in ("hidden1", "hidden2") for array in walk.inputs_of(network.graph.node(name))[:]]
        assert {mapped(array) for array in arrays} == {storage.limit == 0}
        found.append([array.tobytes() for array in arrays])
    assert found[0] == found[1]


def test_a_run_gives_the_same_bits_whatever_the_limit(tmp_path, monkeypatch):
    """Also where it is resumed under another one. The files are in the run's directory while it lasts."""
    train(tmp_path / "memory", experiment(PRETRAINED))
    folders, make = [], tempfile.TemporaryFile

    def noted(**arguments):
        folders.append(arguments["dir"])
        return make(**arguments)

    monkeypatch.setattr(tempfile, "TemporaryFile", noted)
    train_until(tmp_path / "file", 15, experiment(PRETRAINED, pretrain__memory_limit=1e-6))
    assert set(folders) == {tmp_path / "file"}
    train(tmp_path / "file", experiment(PRETRAINED), resume=True)
    assert outcome(tmp_path / "file") == outcome(tmp_path / "memory")


def test_a_full_disk_is_told_before_anything_is_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(EnvironmentFailure, match=r"cannot keep 4e-09 GB of features: No space left"):
        Storage(0, tmp_path).empty((1,), np.float32)


def test_where_room_cannot_be_reserved_it_is_written(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    array = Storage(0, tmp_path).empty((3, 600_000), np.uint8)
    array[:] = 7
    assert (array == 7).all()
