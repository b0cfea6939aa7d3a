"""CSV: rows of numbers, perhaps with columns of labels, out of lines that arrive in chunks."""

import csv
import difflib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np

from dlcli.data.formats.lines import Line
from dlcli.errors import DataError
from dlcli.layers.base import Array

HasHeader = bool | Literal["auto"]


class Rows(NamedTuple):
    """values: (n, columns) float32; labels: cells of the label column, if any; lines: their numbers."""

    values: Array
    labels: list[str]
    lines: list[int]


class RowReader:
    """Reads rows; the first one fixes their width, the header and the place of the label.

    Parameters
    ----------
    name: of the file, for messages.
    header: whether the first row holds names; ``"auto"``: it does when no cell of it is a number, or one is
        the label's name.
    label: name or index (negative: from the end) of the column to set apart.
    columns: number of the other columns, where it is known; rows may then come with the label or without it.
    """

    def __init__(
        self,
        name: str,
        delimiter: str = ",",
        header: HasHeader = "auto",
        label: str | int | None = None,
        columns: int | None = None,
    ) -> None:
        self.name, self.delimiter, self.header = name, delimiter, header
        self.label, self.columns = label, columns
        self.names: list[str] | None = None
        self.width = 0
        self.label_index: int | None = None

    def read(self, arriving: Iterable[list[Line]]) -> Iterator[Rows]:
        """The rows of each chunk of lines; raises `DataError` naming line and column."""
        for lines in arriving:
            rows = [self._cells(line) for line in lines]
            numbers = [number for number, _ in lines]
            if not self.width and self._begin(rows[0], numbers[0]):
                rows, numbers = rows[1:], numbers[1:]
            for number, row in zip(numbers, rows, strict=True):
                if len(row) != self.width:
                    raise DataError(f"{self.name}: line {number}: found {len(row)} cells, expected {self.width}")
            labels = [] if self.label_index is None else [row.pop(self.label_index) for row in rows]
            if rows:
                yield Rows(self._values(rows, numbers), labels, numbers)

    def column(self, index: int) -> str:
        """How messages name a column."""
        return f"column {index + 1} ({self.names[index]})" if self.names else f"column {index + 1}"

    def _cells(self, line: Line) -> list[str]:
        number, text = line
        if '"' not in text:
            return text.split(self.delimiter)
        try:
            return next(csv.reader([text], delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            raise DataError(f"{self.name}: line {number}: {error}") from error

    def _begin(self, row: list[str], number: int) -> bool:
        """Fix what the first row tells; whether it is a header."""
        is_header = self.header
        if is_header == "auto":
            is_header = self.label in row or not any(map(_is_number, row))
        self.names = [cell.strip() for cell in row] if is_header else None
        self.width = len(row)
        if self.label is not None and (self.columns is None or self.width != self.columns):
            self.label_index = self._label_index(self.label, number)
        found = self.width - (self.label_index is not None)
        if self.columns is not None and found != self.columns:
            raise DataError(f"{self.name}: line {number}: found {self.width} cells, expected {self.columns}")
        if found == 0:
            raise DataError(f"{self.name}: line {number}: found nothing but the label, expected columns of numbers")
        return is_header

    def _label_index(self, label: str | int, number: int) -> int:
        place = f"{self.name}: line {number}"
        if isinstance(label, int):
            if -self.width <= label < self.width:
                return label % self.width
            raise DataError(f"{place}: no column of index {label}; found {self.width} columns")
        if self.names is None:
            raise DataError(f"{place}: no column {label}: the file has no header (`header: false`)")
        if self.names.count(label) == 1:
            return self.names.index(label)
        if label in self.names:
            raise DataError(f"{place}: found {self.names.count(label)} columns {label}, expected one")
        close = difflib.get_close_matches(label, self.names, 1)
        hint = f"did you mean {close[0]}?" if close else f"found {', '.join(self.names[:20])}"
        raise DataError(f"{place}: no column {label}; {hint}")

    def _values(self, rows: list[list[str]], numbers: list[int]) -> Array:
        cells = list(chain.from_iterable(rows))
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
            with np.errstate(over="ignore"):
                values = values.astype(np.float32)
            if np.isfinite(values).all() and "_" not in "".join(cells):
                return values.reshape(len(rows), -1)
        except ValueError:
            pass
        width = len(rows[0])
        at = next(i for i, cell in enumerate(cells) if not is_finite(cell))
        row, column = divmod(at, width)
        if self.label_index is not None and column >= self.label_index:
            column += 1
        raise DataError(
            f"{self.name}: line {numbers[row]}: {self.column(column)}: found {cells[at]!r}, expected a finite number"
        )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python reads 1_000 as a number; tables mean something else by it


def is_finite(cell: str) -> bool:
    """Whether a cell is a number that float32 can hold."""
    with np.errstate(over="ignore"):
        return _is_number(cell) and bool(np.isfinite(np.float32(float(cell))))
