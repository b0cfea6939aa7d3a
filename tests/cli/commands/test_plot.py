import importlib.util
import json

import pytest

from tests.cli.conftest import run


@pytest.fixture
def no_matplotlib(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name))


@pytest.mark.parametrize(("name", "magic"), [("c.png", b"\x89PNG"), ("c.svg", b"<?xml"), ("c.pdf", b"%PDF")])
def test_pictures(trained, tmp_path, name, magic):
    path = tmp_path / name
    result = run("plot", trained, trained, "--output", path)
    assert (result.exit_code, result.stdout) == (0, f"{path}\n")
    assert path.read_bytes().startswith(magic)


def test_the_default_is_a_file_in_the_run(trained):
    assert run("plot", trained).stdout == f"{trained / 'curves.png'}\n"
    assert (trained / "curves.png").exists()


def test_json_has_the_rows_and_draws_nothing(trained, tmp_path):
    (found,) = json.loads(run("plot", trained, "--json").stdout)["runs"]
    assert found["run"] == str(trained)
    assert [row["stage"] for row in found["rows"]] == ["pretrain/hidden"] * 2 + ["supervised"] * 3 + ["test"]


def test_without_matplotlib_tables_and_a_hint(trained, no_matplotlib):
    result = run("plot", trained)
    assert result.exit_code == 0
    assert "gradient norm\nepoch" in result.stdout
    assert "pip install 'dlcli[plots]'" in result.stderr


def test_without_matplotlib_a_named_file_is_an_error(trained, tmp_path, no_matplotlib):
    result = run("plot", trained, "--output", tmp_path / "c.png")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "pip install 'dlcli[plots]'" in result.stderr


def test_mistakes(trained, tmp_path):
    assert run("plot").exit_code == 2
    assert run("plot", trained, "--output", "curves.gif").exit_code == 2
    assert run("plot", tmp_path).exit_code == 4
    (tmp_path / "metrics.jsonl").write_text("")
    assert run("plot", tmp_path).exit_code == 2
