import numpy as np
import pytest

from dlcli.data.sources.csv import Csv

PLAIN = "5.1,3.5,b\n4.9,-3e0,a\n.5, 3.2 ,b\n"
NAMED = "width,height,kind\n" + PLAIN


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (PLAIN, {}),
        (PLAIN, {"header": False}),
        (PLAIN, {"label": 2}),
        (NAMED, {}),
        (NAMED, {"header": True, "label": "kind"}),
        (NAMED, {"label": "kind"}),
        (NAMED.replace("\n", "\r\n"), {"label": "kind"}),
        ("\ufeff" + NAMED, {"label": "kind"}),
        (NAMED.replace(",", ";"), {"delimiter": ";"}),
        (NAMED.replace(",", "\t"), {"delimiter": "\t"}),
        (NAMED.replace("5.1", '"5.1"').replace("b", '"b"'), {}),
        ("\n" + NAMED.replace("\n", "\n\n").rstrip("\n"), {}),
        ("1,2,kind\n" + PLAIN, {"label": "kind"}),
    ],
)
def test_one_table_in_many_ways(put, text, options):
    data = Csv(train=put("a.csv", text), **options).load()
    np.testing.assert_array_equal(data.train.x, np.float32([[5.1, 3.5], [4.9, -3], [0.5, 3.2]]))
    assert data.train.x.dtype == np.float32
    np.testing.assert_array_equal(data.train.y, [1, 0, 1])
    assert data.classes == ("a", "b")
    assert data.test is None


def test_whole_numbers_are_sorted_as_numbers(put):
    data = Csv(train=put("a.csv", "10,1\n9,2\n-1,3\n"), label=0).load()
    assert data.classes == (-1, 9, 10)
    np.testing.assert_array_equal(data.train.y, [2, 1, 0])
    np.testing.assert_array_equal(data.train.x, [[1], [2], [3]])


def test_numerals_that_differ_stay_apart(put):
    assert Csv(train=put("a.csv", "1,01\n2,1\n")).load().classes == ("01", "1")


def test_a_test_file_has_the_classes_of_training(put):
    data = Csv(train=put("a.csv", NAMED), test=put("b.csv", "width,height,kind\n1,2,b\n"), label="kind").load()
    np.testing.assert_array_equal(data.test.y, [1])


def test_regression(put):
    data = Csv(train=put("a.csv", "1,2,0.5\n3,4,-1e2\n"), task="regression").load()
    assert data.task == "regression"
    np.testing.assert_array_equal(data.train.y, [[0.5], [-100]])
    assert data.train.y.dtype == np.float32


def test_a_file_of_many_chunks(put, monkeypatch):
    monkeypatch.setattr("dlcli.data.formats.lines.PIECE", 7)
    rows = [f"{i},{i * 2},{i % 3}" for i in range(200)]
    data = Csv(train=put("a.csv", "\n".join(rows))).load()
    np.testing.assert_array_equal(data.train.x, [[i, i * 2] for i in range(200)])
    np.testing.assert_array_equal(data.train.y, np.arange(200) % 3)
