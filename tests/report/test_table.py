import pytest

from dlcli.report.table import number, percent, size, table


def test_columns_are_aligned():
    assert table([["a", "1"], ["long", "23"]], ["name", "n"]) == "name   n\na      1\nlong  23"


def test_left_columns():
    assert table([["a", "b", "1"], ["cc", "dd", "10"]], left=3) == "a   b   1\ncc  dd  10"


def test_nothing():
    assert table([]) == ""


@pytest.mark.parametrize(("share", "text"), [(0.0095, "0.95 %"), (1.0, "100.00 %"), (None, "–")])
def test_percent(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(("value", "text"), [(0.123456, "0.1235"), (1e-7, "1e-07"), (None, "–")])
def test_number(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (4_310_000, "4.31 MB"), (5e12, "5e+03 GB")]
)
def test_size(count, text):
    assert size(count) == text
