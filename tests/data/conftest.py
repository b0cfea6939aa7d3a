"""Writers of small data files."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

ELEMENTS = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array) -> bytes:
    """An IDX file's content, packed by hand."""
    array = np.asarray(array)
    code = ELEMENTS[array.dtype.str[1:]]
    return (
        struct.pack(f">2x2B{array.ndim}I", code, array.ndim, *array.shape)
        + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


def images(samples: int = 6) -> np.ndarray:
    """(samples, 3, 2) uint8, every number different."""
    return np.arange(samples * 6, dtype=np.uint8).reshape(samples, 3, 2)


@pytest.fixture
def put(tmp_path):
    """Write bytes, text or an array (as IDX; gzipped if the name ends so) to a file; gives its path."""

    def write(name: str, content) -> str:
        path: Path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = content.encode()
        elif not isinstance(content, bytes):
            content = idx_bytes(content)
            if name.endswith(".gz"):
                content = gzip.compress(content)
        path.write_bytes(content)
        return str(path)

    return write


@pytest.fixture
def put_npz(tmp_path):
    """Write arrays to an NPZ file; gives its path."""

    def write(name: str = "arrays.npz", **arrays) -> str:
        path = tmp_path / name
        np.savez(path, **arrays)
        return str(path)

    return write
