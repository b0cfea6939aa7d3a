"""Lines of text as they arrive: whatever is complete is handed on, without waiting for more."""

from collections.abc import Iterator
from typing import BinaryIO

from dlcli.data.files import PIECE
from dlcli.errors import DataError

MAX_LINE = 16 << 20  # bytes

Line = tuple[int, str]  # number (from 1) and text


def arriving_lines(stream: BinaryIO, name: str) -> Iterator[list[Line]]:
    """Lists of the lines that are there, blank ones left out; memory stays flat however long the stream is.

    Lines are UTF-8, with or without a byte order mark, ended by LF or CR LF. Raises `DataError`.
    """
    # A buffered stream's `read1` returns what is there; its `read` would wait until all is.
    read = getattr(stream, "read1", stream.read)
    number, rest, piece = 0, b"", b"\n"
    while piece:
        piece = read(PIECE)
        *complete, rest = (rest + piece).split(b"\n")
        if not piece:
            complete = [rest]
        if len(rest) > MAX_LINE:
            raise DataError(f"{name}: line {number + 1}: found more than {MAX_LINE:,} bytes, expected a line end")
        lines = [(number + i, _decode(text, number + i, name)) for i, text in enumerate(complete, 1)]
        number += len(complete)
        if present := [line for line in lines if line[1]]:
            yield present


def _decode(line: bytes, number: int, name: str) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n ")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: line {number}: found byte 0x{line[error.start]:02x} at column {error.start + 1}, "
            "expected UTF-8 text"
        ) from error
