"""Bad input: each case gives a DataError that names the file, the place, what was found and what was expected."""

import gzip
import io
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from dlcli.data.sources.cifar10 import Cifar10
from dlcli.data.sources.cifar100 import Cifar100
from dlcli.data.sources.csv import Csv
from dlcli.data.sources.idx import Idx
from dlcli.data.sources.npz import Npz
from dlcli.errors import DataError, EnvironmentFailure

X = np.arange(36, dtype=np.uint8).reshape(6, 3, 2)
Y = np.array([0, 1, 2, 0, 1, 2], np.uint8)
HUGE = struct.pack(">2x2B3I", 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1)


def header(element=8, *shape):
    return struct.pack(f">2x2B{len(shape)}I", element, len(shape), *shape)


def damaged_gzip():
    content = bytearray(gzip.compress(header(8, 6, 3, 2) + X.tobytes()))
    content[-6] ^= 1  # in the checksum
    return bytes(content)


IDX_IMAGES = {
    "empty": (b"", "empty"),
    "short magic": (b"\0\0\x08", "ends at byte 3, expected 4"),
    "bad magic": (b"\x01" + header(8, 6, 3, 2)[1:] + X.tobytes(), "found bytes 01 00 08 03, expected an IDX"),
    "text": (b"<html>not found</html>", "expected an IDX file"),
    "a pickle": (pickle.dumps(X), "found a Python pickle, expected an IDX"),
    "unknown element type": (header(0x0A, 6, 3, 2) + X.tobytes(), "element type 0x0a, expected one of 0x08"),
    "no axes": (header(8), "byte 3: found 0 axes, expected 1 to 8"),
    "200 axes": (b"\0\0\x08\xc8" + bytes(800), "byte 3: found 200 axes"),
    "cut header": (header(8, 6, 3, 2)[:10], "ends at byte 10, expected 16"),
    "no samples": (header(8, 0, 3, 2), r"found shape \[0, 3, 2\], expected at least one sample"),
    "truncated": (header(8, 6, 3, 2) + X.tobytes()[:-1], "found 51 bytes, expected 52"),
    "too long": (header(8, 6, 3, 2) + X.tobytes() + b"!", "found 53 bytes, expected 52"),
    "claims 10^28 bytes": (HUGE, "expected 79,228,162,458,924,105,385,300,197,391"),
    "gzip, claims 10^28 bytes": (gzip.compress(HUGE), "claim to hold 79,228,162,458,924,105,385,300,197,391"),
    "gzip, truncated": (gzip.compress(header(8, 6, 3, 2) + X.tobytes())[:40], "truncated"),
    "gzip, short content": (gzip.compress(header(8, 6, 3, 2) + X.tobytes()[:-2]), "found 50 bytes, expected 52"),
    "gzip, too long": (gzip.compress(header(8, 6, 3, 2) + X.tobytes() + b"!"), "more data at byte 52"),
    "gzip, bad checksum": (damaged_gzip(), "damaged: CRC check failed"),
    "gzip bomb": (gzip.compress(header(8, 1000, 300, 300) + bytes(90_000_000), 1), "claim to hold 90,000,016"),
    "gzip bomb behind the data": (gzip.compress(header(8, 6, 3, 2) + bytes(50_000_000), 1), "more data at byte 52"),
    "labels as images": (header(8, 6) + Y.tobytes(), r"found shape \[6\].*samples and labels swapped"),
    "not a number": (header(0x0D, 6, 1) + np.array([1, 2, np.nan, 4, 5, 6], ">f4").tobytes(), r"sample 2 .*found nan"),
    "beyond float32": (header(0x0E, 6, 1) + np.array([1, 2, 3, 4, 1e39, 6], ">f8").tobytes(), "sample 4 .*found inf"),
    "counts differ": (header(8, 5, 3, 2) + X[:5].tobytes(), "found 5 samples and 6 labels"),
}  # fmt: skip


@pytest.mark.parametrize("case", IDX_IMAGES)
def test_idx_images(put, case):
    content, message = IDX_IMAGES[case]
    path = put("images", content)
    tracemalloc.start()
    with pytest.raises(DataError, match=message) as caught:
        Idx(train_images=path, train_labels=put("labels", Y)).load()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path in str(caught.value)
    assert peak < 10e6


IDX_LABELS = {
    "images as labels": (X, r"found shape \[6, 3, 2\], expected one label a sample; are samples and labels swapped"),
    "negative": (np.array([0, 1, -2, 0, 1, 2], np.int8), r"label 2 \(from 0\): found -2, expected 0 to 2"),
    "number of classes": (np.array([0, 1, 2, 3, 1, 2], np.uint8), r"label 3 \(from 0\): found 3, expected 0 to 2"),
    "real": (Y.astype(np.float32), "elements of type float32, expected integers"),
}


@pytest.mark.parametrize("case", IDX_LABELS)
def test_idx_labels(put, case):
    labels, message = IDX_LABELS[case]
    path = put("labels", labels)
    with pytest.raises(DataError, match=message) as caught:
        Idx(train_images=put("images", X), train_labels=path, classes=3).load()
    assert path in str(caught.value)


def test_a_test_label_that_training_has_not(put):
    images, labels = put("images", X), put("labels", Y)
    test = put("test", np.array([0, 1, 2, 3, 3, 3], np.uint8))
    with pytest.raises(DataError, match=r"test: label 3 \(from 0\): found 3, expected 0 to 2"):
        Idx(train_images=images, train_labels=labels, test_images=images, test_labels=test).load()


def test_a_label_that_is_no_class_index(put):
    labels = put("labels", np.array([0, 1, 2, 0, 1, 2**31 - 1], np.int32))
    with pytest.raises(DataError, match=r"label 5 .*found 2147483647, expected 0 to 1,048,575"):
        Idx(train_images=put("images", X), train_labels=labels).load()


def test_test_samples_of_another_shape(put):
    test = put("test", np.zeros((6, 2, 2), np.uint8))
    labels = put("labels", Y)
    with pytest.raises(DataError, match=r"test samples: found shape \[2, 2, 1\], expected \[3, 2, 1\]"):
        Idx(train_images=put("images", X), train_labels=labels, test_images=test, test_labels=labels).load()


def test_folders(put, tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        Idx(root=str(tmp_path / "nowhere")).load()
    with pytest.raises(DataError, match=r"no train-images-idx3-ubyte in this folder, plain or \.gz"):
        Idx(root=str(tmp_path)).load()
    put("train-images-idx3-ubyte", X)
    with pytest.raises(DataError, match=r"found .*train-images-idx3-ubyte, but no train-labels-idx1-ubyte"):
        Idx(root=str(tmp_path)).load()
    put("train-labels-idx1-ubyte", Y)
    put("t10k-labels-idx1-ubyte", Y)
    with pytest.raises(DataError, match="but no t10k-images-idx3-ubyte"):
        Idx(root=str(tmp_path)).load()


@pytest.mark.parametrize("source", [Csv(train="nowhere/a"), Npz(file="nowhere/a"), Cifar10(root="nowhere")])
def test_missing_files(source):
    with pytest.raises(DataError, match=r"nowhere/.*: no such file, looked for in "):
        source.load()


def test_what_is_no_file(tmp_path):
    with pytest.raises(DataError, match="found a folder, expected a file"):
        Npz(file=str(tmp_path)).load()
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDWR)  # so that opening the pipe does not wait for a writer
    with pytest.raises(DataError, match="expected a regular file"):
        Csv(train=str(tmp_path / "pipe")).load()
    os.close(reader)


def test_a_failing_disk_is_no_fault_of_the_data(put, monkeypatch):
    path = put("a.csv", "1,2\n")

    def fails(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("dlcli.data.files.open", fails, raising=False)
    with pytest.raises(EnvironmentFailure, match=r"a\.csv: Input/output error"):
        Csv(train=path).load()


def npz(**members):
    """An archive of raw members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return file.getvalue()


def npy(array=None, *, shape=None, descr="|u1", data=b""):
    """An NPY array, or a header with what data one likes."""
    file = io.BytesIO()
    if array is not None:
        np.save(file, array, allow_pickle=True)
    else:
        np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue() + data


def flipped(content, at):
    content = bytearray(content)
    content[at] ^= 1
    return bytes(content)


def encrypted():
    content = bytearray(npz(x_train__npy=npy(X), y_train__npy=npy(Y)))
    for magic, offset in (b"PK\x03\x04", 6), (b"PK\x01\x02", 8):
        content[content.index(magic) + offset] |= 1
    return bytes(content)


GOOD_Y = {"y_train__npy": npy(Y)}
NPZ = {
    "empty": (b"", "empty"),
    "a pickle": (pickle.dumps({"x_train": X}), "found a Python pickle, expected an NPZ"),
    "an NPY array": (npy(X), "found an NPY array, expected an NPZ"),
    "cut": (npz(x_train__npy=npy(X), **GOOD_Y)[:-30], "damaged"),
    "encrypted": (encrypted(), "array x_train: damaged or of an unknown kind: .*encrypted"),
    "missing key": (npz(x_train__npy=npy(X)), "no array y_train; found x_train"),
    "half a test set": (npz(x_train__npy=npy(X), x_test__npy=npy(X), **GOOD_Y), "no array y_test"),
    "object array": (npz(x_train__npy=npy(np.array([{}, 1], object)), **GOOD_Y), "x_train: found Python objects"),
    "no array": (npz(x_train="hello", **GOOD_Y), "x_train: found no NPY array"),
    "broken header": (npz(x_train__npy=npy(X)[:12] + b"}" * 200, **GOOD_Y), "x_train: found no NPY array"),
    "complex": (npz(x_train__npy=npy(X.astype(complex)), **GOOD_Y), "x_train: found elements of type complex128"),
    "strings": (npz(x_train__npy=npy(np.array(["a"] * 6)), **GOOD_Y), "x_train: found elements of type <U1"),
    "records": (npz(x_train__npy=npy(np.zeros(6, "i4,f4")), **GOOD_Y), "x_train: found elements of type"),
    "shape 2^40": (npz(x_train__npy=npy(shape=(2**40,)), **GOOD_Y), "expected 1,099,511,627,776"),
    "negative shape": (npz(x_train__npy=npy(shape=(-6, -6), data=bytes(36)), **GOOD_Y), r"found shape \[-6, -6\]"),
    "bomb": (npz(x_train__npy=npy(np.zeros((10**4, 7000), np.uint8)), **GOOD_Y), "claim to hold 70,000,000"),
    "bad checksum": (flipped(npz(x_train__npy=npy(X), **GOOD_Y), 60), "array x_train: damaged.*CRC"),
    "wrong rank": (npz(x_train__npy=npy(Y), **GOOD_Y), r"x_train: found shape \[6\], expected \(samples, …\)"),
    "a scalar": (npz(x_train__npy=npy(np.float32(1)), **GOOD_Y), r"x_train: found shape \[\]"),
    "no samples": (npz(x_train__npy=npy(X[:0]), y_train__npy=npy(Y[:0])), "at least one sample"),
    "infinite": (npz(x_train__npy=npy(np.full((6, 2), np.inf)), **GOOD_Y), r"x_train: sample 0 \(from 0\): found inf"),
    "labels in two axes": (npz(x_train__npy=npy(X), y_train__npy=npy(X)), "one label a sample"),
    "targets in three axes": (npz(x_train__npy=npy(X), y_train__npy=npy(X / 2)), r"expected \(samples,\) or "),
    "counts differ": (npz(x_train__npy=npy(X[:5]), **GOOD_Y), "found 5 samples and 6 labels"),
    "negative label": (npz(x_train__npy=npy(X), y_train__npy=npy(Y.astype(int) - 1)), "label 0 .*found -1"),
    "tests of another kind": (
        npz(x_train__npy=npy(X), x_test__npy=npy(X), y_test__npy=npy(Y / 2), **GOOD_Y),
        "y_test: found float32, expected int64 as in y_train",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NPZ)
def test_npz(put, case):
    content, message = NPZ[case]
    path = put("data.npz", content)
    tracemalloc.start()
    with pytest.raises(DataError, match=message) as caught:
        Npz(file=path).load()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path in str(caught.value)
    assert peak < 10e6


def test_npz_checksum_of_a_large_array(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.zeros((1000, 3000), np.uint8), y_train=np.arange(1000) % 3)
    content = flipped((tmp_path / "a.npz").read_bytes(), 2_500_000)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"array x_train: damaged.*CRC"):
        Npz(file=str(tmp_path / "a.npz")).load()


CSV = {
    "empty": ("", {}, "empty"),
    "blank": ("\n\n \n", {}, "no rows of data"),
    "only a header": ("a,b\n", {}, "no rows of data"),
    "ragged": ("1,2,3\n\n1,2\n", {}, "line 3: found 2 cells, expected 3"),
    "12a": ("a,b,c\n1,2,x\n3,12a,x\n", {}, r"line 3: column 2 \(b\): found '12a', expected a finite number"),
    "12a, label first": ("x,1,12a\n", {"label": 0, "header": False}, r"line 1: column 3: found '12a'"),
    "a thousand": ("1_000,1\n", {}, "line 1: column 1: found '1_000'"),
    "nothing": ("1,,x\n", {}, "line 1: column 2: found ''"),
    "not a number": ("1,2,x\n1,NaN,x\n", {}, "line 2: column 2: found 'NaN'"),
    "infinite": ("1,2,x\ninf,2,x\n", {}, "line 2: column 1: found 'inf'"),
    "beyond float32": ("1e39,2,x\n", {}, "line 1: column 1: found '1e39'"),
    "words for numbers": ("a,b,c\nred,1,x\n", {}, r"line 2: column 1 \(a\): found 'red'"),
    "missing column": ("width,kind\n1,2\n", {"label": "kinds"}, "no column kinds; did you mean kind?"),
    "another column": ("width,kind\n1,2\n", {"label": "zzz"}, "no column zzz; found width, kind"),
    "two such columns": ("a,a,b\n1,2,3\n", {"label": "a"}, "found 2 columns a, expected one"),
    "a name without header": ("1,2\n", {"label": "kind"}, "no column kind: the file has no header"),
    "index too large": ("1,2\n", {"label": 2}, "no column of index 2; found 2 columns"),
    "index too small": ("1,2\n", {"label": -3}, "no column of index -3; found 2 columns"),
    "only labels": ("1\n2\n", {}, "found nothing but the label"),
    "wrong delimiter": ("1;2;3\n", {}, "found nothing but the label"),
    "no label": ("1,2,\n", {}, "line 1: column 3: found nothing, expected a label"),
    "open quote": ('1,"2,3\n', {}, "line 1: unexpected end of data"),
    "bad UTF-8": (b"1,2\n1,\xff\n", {}, "line 2: found byte 0xff at column 3, expected UTF-8"),
    "binary": (b"\0\1\2\3,1\n", {}, "line 1: column 1"),
    "a target in words": ("1,2\n1,two\n", {"task": "regression"}, "line 2: column 2: found 'two', expected a finite"),
    "an infinite target": ("1,-inf\n", {"task": "regression"}, "line 1: column 2: found '-inf'"),
}


@pytest.mark.parametrize("case", CSV)
def test_csv(put, case):
    text, options, message = CSV[case]
    path = put("data.csv", text)
    with pytest.raises(DataError, match=message) as caught:
        Csv(train=path, **options).load()
    assert path in str(caught.value)


def test_csv_without_a_line_end(put, monkeypatch):
    monkeypatch.setattr("dlcli.data.formats.lines.MAX_LINE", 1000)
    monkeypatch.setattr("dlcli.data.formats.lines.PIECE", 100)
    with pytest.raises(DataError, match="line 2: found more than 1,000 bytes, expected a line end"):
        Csv(train=put("a.csv", "1,2\n" + "1," * 10000)).load()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,kind\n1,2,z\n", r"line 2: column 3 \(kind\): found 'z', expected one of the 2 labels"),
        ("a,c,kind\n1,2,x\n", "found columns a, c, kind, expected a, b, kind as in"),
        ("a,kind\n1,x\n", "found columns a, kind, expected a, b, kind"),
    ],
)
def test_csv_test_file(put, text, message):
    train, test = put("train.csv", "a,b,kind\n1,2,x\n3,4,y\n"), put("test.csv", text)
    with pytest.raises(DataError, match=message) as caught:
        Csv(train=train, test=test).load()
    assert test in str(caught.value)


def cifar_record(label, name):
    return bytes([label] if name == "cifar10" else [label, label]) + bytes(3072)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cifar10", bytes(3072), "found 3,072 bytes, expected a multiple of 3073"),
        ("cifar100", bytes(3073), "found 3,073 bytes, expected a multiple of 3074"),
        ("cifar10", b"", "empty"),
        ("cifar10", cifar_record(10, "cifar10"), r"label 0 \(from 0\): found 10, expected 0 to 9"),
        ("cifar100", cifar_record(100, "cifar100"), r"label 0 \(from 0\): found 100, expected 0 to 99"),
    ],
)  # fmt: skip
def test_cifar(put, tmp_path, name, content, message):
    first = "data_batch_1.bin" if name == "cifar10" else "train.bin"
    path = put(first, content)
    with pytest.raises(DataError, match=message) as caught:
        (Cifar10 if name == "cifar10" else Cifar100)(root=str(tmp_path)).load()
    assert path in str(caught.value)


@pytest.mark.parametrize("names", ["a\nb\n", "\n".join(["same"] * 10)])
def test_cifar_names(put, tmp_path, names):
    for file in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
        put(file, cifar_record(0, "cifar10"))
    put("batches.meta.txt", names)
    with pytest.raises(DataError, match=r"batches\.meta\.txt: found \d+ names, expected 10 different ones"):
        Cifar10(root=str(tmp_path)).load()
