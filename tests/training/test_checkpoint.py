"""Checkpoint files: what goes in comes out, and what is damaged is refused."""

import errno
import json
import os
import pickle
import struct
import time

import numpy as np
import pytest
import safetensors.numpy

from dlcli.errors import CheckpointError, EnvironmentFailure
from dlcli.training import checkpoint as module
from dlcli.training.checkpoint import Checkpoint, load, save

ARRAYS = {
    "hidden/weights": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3),
    "hidden/bias": np.array([1e-45, -0.0, 3.4e38], np.float32),  # a subnormal, a negative zero, nearly the largest
    "scalar": np.array(7.5, np.float32),
    "empty": np.zeros((0, 3), np.float32),
}
RECORD = {"progress": {"loss": 0.1 + 0.2, "step": 3}, "classes": ["é", 1]}


@pytest.fixture
def path(tmp_path):
    """A good checkpoint."""
    path = tmp_path / "a.safetensors"
    save(path, Checkpoint(ARRAYS, RECORD))
    return path


def packed(header, data=b"", length=None) -> bytes:
    """A safetensors file, by hand."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def header_with(**tensors) -> dict:
    """A header whose metadata are right but for the sum; a tensor is (type, shape, begin, end)."""
    named = {name: {"dtype": t, "shape": s, "data_offsets": [a, b]} for name, (t, s, a, b) in tensors.items()}
    return {"__metadata__": {"format": "1", "record": "{}", "sum": "0"}} | named


def test_what_is_saved_is_loaded_bit_for_bit(path):
    found = load(path)
    assert found.record == RECORD
    assert found.tensors.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found.tensors[name].dtype == array.dtype
        assert found.tensors[name].shape == array.shape
        assert found.tensors[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("strided", ["fortran", "transposed", "every other", "reversed"])
def test_strided_arrays_are_saved_right(tmp_path, strided):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    array = {
        "fortran": np.asfortranarray(array),
        "transposed": array.T,
        "every other": array[:, ::2],
        "reversed": array[::-1],
    }[strided]
    save(tmp_path / "a.safetensors", Checkpoint({"a": array}, {}))
    np.testing.assert_array_equal(load(tmp_path / "a.safetensors").tensors["a"], array)


def test_take_copies_in_place(path):
    into = {name: np.zeros_like(array) for name, array in ARRAYS.items()}
    load(path).take(into, path)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(into[name], array)


@pytest.mark.parametrize(
    ("name", "expected", "message"),
    [
        ("output/weights", np.zeros(3, np.float32), "'output/weights' is missing"),
        ("hidden/weights", np.zeros((3, 2), np.float32), r"float32 \[2, 3\], expected float32 \[3, 2\]"),
        ("hidden/weights", np.zeros((2, 3)), r"float32 \[2, 3\], expected float64 \[2, 3\]"),
    ],
)
def test_take_refuses_a_misfit_and_changes_nothing(path, name, expected, message):
    into = {"hidden/bias": np.zeros(3, np.float32), name: expected}
    with pytest.raises(CheckpointError, match=f"a.safetensors.*{message}"):
        load(path).take(into, path)
    assert not any(array.any() for array in into.values())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(path, value):
    save(path, Checkpoint({"hidden/weights": np.array([0, value], np.float32)}, {}))
    with pytest.raises(CheckpointError, match=r"hidden/weights.*not finite"):
        load(path).take({"hidden/weights": np.zeros(2, np.float32)}, path)


DAMAGED = {
    "no bytes": b"",
    "seven bytes": b"\1\0\0\0\0\0\0",
    "no header": packed(b"", length=0),
    "header length of 2^63": packed(b"{}", length=2**63),
    "header longer than the file": packed(b"{}", length=3),
    "not JSON": packed(b"hello, I am no JSON"),
    "not UTF-8": packed(b'{"\xff": 1}'),
    "a list": packed([1, 2]),
    "nested too deeply": packed(b'{"a":' * 100_000),
    "unknown type": packed(header_with(a=("F31", [1], 0, 4)), b"\0" * 4),
    "a type that NumPy lacks": packed(header_with(a=("F8_E4M3", [4], 0, 4)), b"\0" * 4),
    "another type that NumPy lacks": packed(header_with(a=("BF16", [2], 0, 4)), b"\0" * 4),
    "overlapping ranges": packed(header_with(a=("F32", [2], 0, 8), b=("F32", [2], 4, 12)), b"\0" * 12),
    "a hole between ranges": packed(header_with(a=("F32", [1], 0, 4), b=("F32", [1], 8, 12)), b"\0" * 12),
    "bytes that are no tensor's": packed(header_with(a=("F32", [1], 0, 4)), b"\0" * 8),
    "a range behind the end": packed(header_with(a=("F32", [2], 0, 8)), b"\0" * 4),
    "a negative offset": packed(header_with(a=("F32", [1], -4, 0)), b"\0" * 4),
    "a range backwards": packed(header_with(a=("F32", [1], 4, 0)), b"\0" * 4),
    "a shape that is not the range's": packed(header_with(a=("F32", [3], 0, 4)), b"\0" * 4),
    "a shape of 2^64 elements": packed(header_with(a=("F32", [2**32, 2**32], 0, 4)), b"\0" * 4),
    "an empty shape of 2^80": packed(header_with(a=("F32", [0, 2**40, 2**40], 0, 0))),
    "a shape of 80 axes": packed(header_with(a=("F32", [1] * 80, 0, 4)), b"\0" * 4),
    "no sum": packed(header_with(a=("F32", [1], 0, 4)), b"\0" * 4),
    "a pickle": pickle.dumps({"hidden/weights": [1.0]}),
    "text": b"name: tiny\n" * 100,
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_files_are_refused_by_name_in_time(tmp_path, damage):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(DAMAGED[damage])
    began = time.process_time()
    with pytest.raises(CheckpointError, match=r"damaged\.safetensors: "):
        load(path)
    assert time.process_time() - began < 2


def test_a_hundred_thousand_tensors_are_not_read(tmp_path):
    path = tmp_path / "many.safetensors"
    many = {f"t{i}": ("F32", [1], 4 * i, 4 * i + 4) for i in range(100_000)}
    path.write_bytes(packed(header_with(**many), b"\0" * 400_000))
    began = time.process_time()
    with pytest.raises(CheckpointError, match=r"many\.safetensors: found 100,000 tensors, expected no more than"):
        load(path)
    assert time.process_time() - began < 2


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, message in ((".", "no regular file"), ("pipe", "no regular file"), ("none", "no such checkpoint")):
        with pytest.raises(CheckpointError, match=message):
            load(tmp_path / name)


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    safetensors.numpy.save_file({"a": np.zeros(3, np.float32)}, path)
    with pytest.raises(CheckpointError, match="not a dlcli checkpoint"):
        load(path)


def test_a_future_format_is_refused(path, monkeypatch):
    monkeypatch.setattr(module, "FORMAT", 2)
    save(path, Checkpoint(ARRAYS, RECORD))
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="found checkpoint format '2', expected 1"):
        load(path)


@pytest.mark.parametrize("record", ["[1]", "3", "[" * 100_000, "{"])
def test_a_record_that_is_no_object_is_refused_though_its_sum_is_right(path, monkeypatch, record):
    monkeypatch.setattr(json, "dumps", lambda *_, **__: record)
    save(path, Checkpoint(ARRAYS, {}))
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"a\.safetensors: not a"):
        load(path)


def test_every_truncation_is_refused(path):
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    near = [edge + by for edge in (8, header, len(whole)) for by in (-1, 0, 1)]
    random = np.random.default_rng(1).integers(0, len(whole), 200)
    for size in {*near, *random.tolist()} - {len(whole)}:
        path.write_bytes((whole + b"\0")[:size])
        with pytest.raises(CheckpointError):
            load(path)


def test_every_flipped_bit_is_refused(path):
    whole = path.read_bytes()
    fields = range(64)  # the header's length
    random = np.random.default_rng(2).integers(0, 8 * len(whole), 600)
    for bit in {*fields, *random.tolist()}:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            load(path)


def test_exchanged_tensors_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    save(path, Checkpoint({"a": np.zeros(2, np.float32), "b": np.ones(2, np.float32)}, {}))
    path.write_bytes(path.read_bytes().replace(b'"a":', b'"c":').replace(b'"b":', b'"a":').replace(b'"c":', b'"b":'))
    with pytest.raises(CheckpointError, match="checksum"):
        load(path)


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failed_write_leaves_the_old_file_and_names_the_path(path, monkeypatch, call, number):
    before = path.read_bytes()

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(type(path) if call == "open" else os, call, refuse)
    with pytest.raises(EnvironmentFailure, match=f"a.safetensors.*{os.strerror(number)}"):
        save(path, Checkpoint({}, {}))
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_what_is_written_is_on_disk_before_it_has_its_name(path, monkeypatch):
    done = []
    for call in ("fsync", "replace"):
        real = getattr(os, call)
        monkeypatch.setattr(os, call, lambda *a, call=call, real=real: (done.append(call), real(*a))[1])
    save(path, Checkpoint({}, {}))
    assert done == ["fsync", "replace", "fsync"]  # the file, its name, the folder
