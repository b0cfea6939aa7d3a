"""Tables as text."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dlcli.data.base import Source
from dlcli.data.dataset import Dataset, Samples
from dlcli.data.files import open_file
from dlcli.data.formats.lines import arriving_lines
from dlcli.data.formats.rows import HasHeader, RowReader, Rows, is_finite
from dlcli.errors import DataError
from dlcli.layers.base import Task


class Table:
    """A CSV file, whole: the numbers, the label cells, the lines they stand in."""

    def __init__(self, path: str, reader: RowReader) -> None:
        with open_file(path) as file:
            chunks: list[Rows] = list(reader.read(arriving_lines(file.stream, path)))
        if not chunks:
            raise DataError(f"{path}: found no rows of data, expected at least one")
        self.path, self.reader = path, reader
        self.values = np.concatenate([chunk.values for chunk in chunks])
        self.labels = [label.strip() for chunk in chunks for label in chunk.labels]
        self.lines = [line for chunk in chunks for line in chunk.lines]

    def place(self, row: int) -> str:
        """Where the label of a row stands, for messages."""
        return f"{self.path}: line {self.lines[row]}: {self.reader.column(self.reader.label_index or 0)}"


class Csv(Source):
    """CSV files: a row a sample, one column the label and all others numbers."""

    type: Literal["csv"] = "csv"
    train: str
    """The training file, relative to the working directory."""
    test: str | None = None
    """The test file, with the same columns."""
    label: str | int = -1
    """Column to be predicted: its name, or its index from 0 (from −1, backwards from the last)."""
    header: HasHeader = "auto"
    """Whether the first row holds the columns' names; `auto`: it does when no cell of it is a number,
    or one is the label's name."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """Character between cells."""
    task: Task = "classification"
    """Whether the label is a class (a number or a word; classes are sorted) or a number to be met."""

    def load(self) -> Dataset:
        train = self._table(self.train)
        test = self._table(self.test) if self.test is not None else None
        if test is not None and test.reader.names and train.reader.names not in (None, test.reader.names):
            raise DataError(
                f"{self.test}: found columns {', '.join(test.reader.names)}, "
                f"expected {', '.join(train.reader.names or ())} as in {self.train}"
            )
        if self.task == "regression":
            return Dataset(_numbers(train), _numbers(test) if test else None, ())
        classes = _classes(train)
        index = {str(label): i for i, label in enumerate(classes)}
        return Dataset(_classified(train, index), _classified(test, index) if test else None, classes)

    def _table(self, path: str) -> Table:
        return Table(path, RowReader(path, self.delimiter, self.header, self.label))


def _classes(table: Table) -> tuple[int | str, ...]:
    """The labels that occur, sorted as integers where all are."""
    labels = set(table.labels)
    if "" in labels:
        raise DataError(f"{table.place(table.labels.index(''))}: found nothing, expected a label")
    try:
        numbers = {int(label) for label in labels}
    except ValueError:
        return tuple(sorted(labels))
    return tuple(sorted(numbers)) if {str(number) for number in numbers} == labels else tuple(sorted(labels))


def _classified(table: Table, index: dict[str, int]) -> Samples:
    indices = np.fromiter((index.get(label, -1) for label in table.labels), np.int64, len(table.labels))
    if indices.min() < 0:
        row = int(np.argmin(indices))
        raise DataError(
            f"{table.place(row)}: found {table.labels[row]!r}, "
            f"expected one of the {len(index)} labels of the training set"
        )
    return Samples(table.values, indices)


def _numbers(table: Table) -> Samples:
    return Samples(
        table.values, np.array([_target(table, row) for row in range(len(table.labels))], np.float32)[:, None]
    )


def _target(table: Table, row: int) -> float:
    if not is_finite(table.labels[row]):
        raise DataError(f"{table.place(row)}: found {table.labels[row]!r}, expected a finite number")
    return float(table.labels[row])
