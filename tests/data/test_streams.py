import gzip
import io
import itertools
import json
import os
import pickle
import sys
import threading
import tracemalloc

import numpy as np
import pytest

from dlcli.data.streams import open_stream
from dlcli.errors import DataError, EnvironmentFailure

X = np.arange(5 * 6, dtype=np.uint8).reshape(5, 3, 2)
SHAPE = (3, 2, 1)


def csv_of(x):
    return "\n".join(",".join(map(str, row)) for row in x.reshape(len(x), -1).tolist()) + "\n"


def npz_of(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def idx_of(x):
    codes = {"u1": 8, "f4": 13}
    return (
        bytes([0, 0, codes[x.dtype.str[1:]], x.ndim])
        + np.array(x.shape, ">u4").tobytes()
        + x.astype(x.dtype.newbyteorder(">")).tobytes()
    )


def read(content, shape=SHAPE, **options):
    if isinstance(content, str):
        content = content.encode()
    batches = list(open_stream(io.BytesIO(content), shape, **options))
    assert all(len(batch) for batch in batches)
    return batches


GOOD = {
    "CSV": csv_of(X),
    "CSV with a header": "a,b,c,d,e,f\n" + csv_of(X),
    "CSV, CR LF": csv_of(X).replace("\n", "\r\n"),
    "CSV without its last line end": csv_of(X).rstrip("\n"),
    "CSV with blank lines": "\n" + csv_of(X).replace("\n", "\n\n"),
    "CSV with a byte order mark": "\ufeff" + csv_of(X),
    "CSV, gzipped": gzip.compress(csv_of(X).encode()),
    "JSON, nested": "\n".join(json.dumps(x.tolist()) for x in X),
    "JSON, flat": "\n".join(json.dumps(x.ravel().tolist()) for x in X),
    "JSON, with channels": "\n".join(json.dumps(x[..., None].tolist()) for x in X),
    "IDX": idx_of(X),
    "IDX of floats": idx_of(X.astype(np.float32)),
    "IDX, gzipped": gzip.compress(idx_of(X)),
    "IDX, flat": idx_of(X.reshape(5, 6)),
    "NPZ, x": npz_of(x=X, y=X[:2]),
    "NPZ, x_test": npz_of(x_train=X[:1], x_test=X),
    "NPZ, its only array": npz_of(images=X.astype(np.float64)),
}


@pytest.mark.parametrize("batch", [2, 100])
@pytest.mark.parametrize("case", GOOD)
def test_all_formats_give_the_same_samples(case, batch):
    batches = read(GOOD[case], batch=batch)
    assert max(map(len, batches)) == 2 if batch == 2 else len(batches) <= 2
    assert all(part.dtype in (np.uint8, np.float32) for part in batches)
    np.testing.assert_array_equal(np.concatenate(batches), X.reshape(5, *SHAPE))


@pytest.mark.parametrize("piece", [1, 2, 3, 7])
@pytest.mark.parametrize("case", GOOD)
def test_however_the_bytes_arrive(case, piece):
    content = GOOD[case]
    content = content.encode() if isinstance(content, str) else content

    class Dribble(io.BytesIO):
        def read1(self, size=-1):
            return super().read1(piece)

    batches = list(open_stream(Dribble(content), SHAPE))
    np.testing.assert_array_equal(np.concatenate(batches), X.reshape(5, *SHAPE))


@pytest.mark.parametrize("case", GOOD)
def test_files(put, case):
    batches = list(open_stream(put("input", GOOD[case]), SHAPE))
    np.testing.assert_array_equal(np.concatenate(batches), X.reshape(5, *SHAPE))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("1,2,cat\n3,4,dog\n", 2),
        ("1,2,cat\n3,4,dog\n", -1),
        ("cat,1,2\ndog,3,4\n", 0),
        ("a,kind,b\n1,cat,2\n3,dog,4\n", "kind"),
        ("1,kind,2\n1,cat,2\n3,dog,4\n", "kind"),
        ("a,b\n1,2\n3,4\n", "kind"),
        ("1,2\n3,4\n", "kind"),
        ("1,2\n3,4\n", -1),
        ("1;2;cat\n3;4;dog\n", 2),
    ],
)
def test_a_label_is_left_out_where_rows_have_one(text, label):
    delimiter = ";" if ";" in text else ","
    np.testing.assert_array_equal(np.concatenate(read(text, (2,), label=label, delimiter=delimiter)), [[1, 2], [3, 4]])


def test_a_flat_network_takes_images():
    np.testing.assert_array_equal(read(idx_of(X), (6,))[0], X.reshape(5, 6))


@pytest.mark.parametrize("line", ["1,2\n", "[1, 2]\n"])
def test_a_row_is_delivered_before_the_next_is_written(line):
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb", buffering=0) as writer:
        stream = open_stream(pipe, (2,))
        for _ in range(3):
            writer.write(line.encode())
            arrived: list = []
            thread = threading.Thread(target=lambda into=arrived: into.append(next(stream)), daemon=True)
            thread.start()
            thread.join(10)
            if thread.is_alive():
                writer.close()  # ends the wait, so that the test can fail
                thread.join()
                pytest.fail("a row that had arrived was not delivered")
            assert [array.tolist() for array in arrived] == [[[1, 2]]]
        writer.write(line.rstrip("\n").encode())
        writer.close()
        assert next(stream).tolist() == [[1, 2]]
        assert next(stream, None) is None


@pytest.mark.parametrize("row", ["[{}]", "{}"])
def test_memory_stays_flat(row, monkeypatch):
    for module in "formats.lines", "streams":
        monkeypatch.setattr(f"dlcli.data.{module}.PIECE", 1 << 16)
    line = (row.format(",".join("7" * 100)) + "\n").encode()

    class Endless(io.RawIOBase):
        def read1(self, size):
            return line * (size // len(line))

    stream = open_stream(Endless(), (100,))
    tracemalloc.start()
    sum(len(part) for part in itertools.islice(stream, 20))
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    assert sum(len(part) for part in itertools.islice(stream, 100)) > 5_000  # 2 MB of samples and more
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - before < 1.5e6


def test_standard_input(monkeypatch):
    class Stdin:
        buffer = io.BytesIO(b"1,2\n")

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert [part.tolist() for part in open_stream("-", (2,))] == [[[1, 2]]]


BAD = {
    "nothing": ("", "found nothing, expected samples"),
    "too few cells": ("1,2,3\n", "line 1: found 3 cells, expected 6"),
    "too many cells": ("1,2,3,4,5,6\n1,2,3,4,5,6,7\n", "line 2: found 7 cells, expected 6"),
    "not a number": ("1,2,3,4,5,6\n1,2,3,4x,5,6\n", "line 2: column 4: found '4x'"),
    "JSON of another size": ("[1,2,3,4,5,6]\n\n[1,2,3]\n", r"line 3: .*shape \[3\], expected \[3, 2, 1\]"),
    "JSON of another shape": ("[[1,2,3],[4,5,6]]\n", r"line 1: found a sample of shape \[2, 3\]"),
    "ragged JSON": ("[[1,2],[3]]\n", "line 1: found no JSON array of numbers"),
    "words in JSON": ('["a","b"]\n', "line 1: found .*expected an array of numbers"),
    "null in JSON": ("[1,2,3,4,5,null]\n", "line 1: found .*expected an array of numbers"),
    "an object in JSON": ('[1,2,3,4,5,6]\n{"x": 1}\n', "line 2: found .*expected an array of numbers"),
    "NaN in JSON": ("[1,2,3,4,5,NaN]\n", "line 1: sample 0 .*found nan"),
    "a great number in JSON": ("[1,2,3,4,5,1e400]\n", "line 1: sample 0 .*found inf"),
    "a greater one": (f"[1,2,3,4,5,1{'0' * 5000}]\n", "line 1: found no JSON array"),
    "deep JSON": ("[" * 200_000 + "\n", "line 1: found no JSON array"),
    "broken JSON": ("[1,2,3\n", "line 1: found no JSON array"),
    "bad UTF-8": (b"1,2,3,4,5,6\n\xff\n", "line 2: found byte 0xff at column 1"),
    "IDX of another shape": (idx_of(X[:, :2]), r"found a sample of shape \[2, 2\], expected \[3, 2, 1\]"),
    "IDX, cut": (idx_of(X)[:-1], "truncated: found 45 bytes, expected 46"),
    "IDX, too long": (idx_of(X) + b"!", "more data at byte 46"),
    "IDX, not a number": (idx_of(np.full((2, 6), np.nan, np.float32)), "sample 0 .*found nan"),
    "IDX, bad type": (b"\0\0\7\1" + bytes(8), "element type 0x07"),
    "gzip, cut": (gzip.compress(csv_of(X).encode())[:-12], "truncated"),
    "gzip, damaged": (gzip.compress(b"") [:8] + b"\xff\xff\xff" + bytes(20), "damaged"),
    "a pickle": (pickle.dumps(X), "found a Python pickle, expected CSV"),
    "NPY": (b"\x93NUMPY\1\0", "found an NPY array, expected CSV"),
    "PNG": (b"\x89PNG\r\n\x1a\n", "found a PNG image"),
    "zeros": (b"a\0\0\0", "found bytes 61 00 00 00"),
    "NPZ of many": (npz_of(a=X, b=X), "found arrays a, b, expected x, x_test or just one"),
    "NPZ of none": (b"PK\5\6" + bytes(18), "no array x; found none"),
    "NPZ of another shape": (npz_of(x=X[:, :2]), r"array x: found a sample of shape \[2, 2\]"),
    "NPZ of a number": (npz_of(x=np.float32(1)), "array x: found a single number"),
    "NPZ, cut": (npz_of(x=X)[:-9], "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    content, message = BAD[case]
    with pytest.raises(DataError, match=message) as caught:
        read(content)
    assert str(caught.value).startswith("<stdin>")


def test_good_rows_come_before_the_error():
    stream = open_stream(io.BytesIO(b"1,2\n" + b"3,x\n"), (2,))
    with pytest.raises(DataError, match="line 2"):
        next(stream)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        next(open_stream(str(tmp_path / "nothing"), (2,)))
    with pytest.raises(DataError, match="found a folder, expected a file"):
        next(open_stream(str(tmp_path), (2,)))


def test_a_pipe_that_fails_is_no_fault_of_the_data():
    class Failing(io.BytesIO):
        def read1(self, size=-1):
            raise OSError(5, "Input/output error")

    with pytest.raises(EnvironmentFailure, match="<stdin>: Input/output error"):
        next(open_stream(Failing(b"1,2\n"), (2,)))
