import json

import numpy as np
import pytest

from tests.cli.commands.test_predict import ROWS, as_csv, parsed
from tests.cli.conftest import run


def test_one_line_an_input(trained):
    first, second = parsed(run("features", trained, stdin=as_csv(ROWS)))
    assert (first["index"], second["index"]) == (0, 1)
    assert (set(first), len(first["features"])) == ({"index", "features"}, 5)
    assert first["features"] != second["features"]
    assert len(parsed(run("features", trained, "-", "--layer", "output", stdin=as_csv(ROWS)))[0]["features"]) == 3


def test_an_archive_has_the_same_and_the_splits_labels(trained, tmp_path):
    lines = parsed(run("features", trained, "--split", "test"))
    result = run("features", trained, "--split", "test", "--output", tmp_path / "a.npz")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'a.npz'}\n")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert sorted(found) == ["features", "labels"]
        assert found["features"].dtype == np.float32
        np.testing.assert_allclose(found["features"], [line["features"] for line in lines], rtol=1e-6)
        assert set(found["labels"].tolist()) == {0, 1, 2}
        assert found["labels"].shape == (30,)
    run("features", trained, "--split", "test", "--output", tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_of_files_an_archive_has_no_labels(trained, tmp_path):
    (tmp_path / "rows.csv").write_text(as_csv(ROWS))
    for files in (1, 2):
        names = [tmp_path / "rows.csv"] * files
        assert run("features", trained, *names, "--output", tmp_path / "a.npz").exit_code == 0
        with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
            assert {name: array.shape for name, array in found.items()} == {"features": (2 * files, 5)}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--output", "a.npy"], "expected a name that ends in .npz"),
        (["--layer", "nothing"], "found no layer 'nothing'; expected one of: hidden, output"),
        (["-", "--split", "test"], "found --split test and a file; expected one of them"),
    ],
)
def test_mistakes(trained, words, message):
    result = run("features", trained, *words, stdin=as_csv(ROWS))
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_broken_line_is_named(trained):
    result = run("features", trained, stdin=json.dumps(ROWS[0].tolist()) + "\n[1, 2]\n")
    assert result.exit_code == 3
    assert "line 2" in result.stderr
