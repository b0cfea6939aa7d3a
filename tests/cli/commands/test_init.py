from pathlib import Path

import pytest

from dlcli.cli import shipped
from tests.cli.conftest import run


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_without_a_name_they_are_listed():
    lines = run("init").stdout.splitlines()
    assert [line.split()[0] for line in lines] == shipped.names()
    assert not list(Path().iterdir())


def test_a_config_is_written_with_its_data():
    assert run("init", "iris").stdout.split() == ["iris.csv", "iris.yaml"]
    assert Path("iris.yaml").read_bytes() == (shipped.folder() / "iris.yaml").read_bytes()
    assert run("check", "iris.yaml").exit_code == 0


def test_nothing_is_overwritten_unasked():
    Path("iris.csv").write_text("mine")
    result = run("init", "iris")
    assert result.exit_code == 2
    assert "iris.csv: exists already" in result.stderr
    assert Path("iris.csv").read_text() == "mine"
    assert not Path("iris.yaml").exists()
    assert run("init", "iris", "--overwrite").exit_code == 0
    assert Path("iris.csv").read_text() != "mine"


@pytest.mark.parametrize("name", ["mnist_lent", "../configs/iris", ""])
def test_an_unknown_name(name):
    result = run("init", name)
    assert result.exit_code == 2
    assert "expected one of: alexnet, alexnet_ungrouped, boltzmann_machine, cifar10_full" in result.stderr
    assert ("did you mean 'mnist_lenet'" in result.stderr) == (name == "mnist_lent")


def test_the_suffix_may_be_given():
    assert run("init", "iris.yaml").exit_code == 0


def test_a_papers_config_comes_without_its_folder():
    assert run("init", "papers/dlt_sda").stdout.split() == ["dlt_sda.yaml"]
    assert run("check", "dlt_sda.yaml").exit_code == 0


def test_a_folder_that_cannot_be_written(monkeypatch):
    monkeypatch.chdir("/proc")
    result = run("init", "iris")
    assert result.exit_code == 5
    assert result.stderr.startswith("error: iris.csv: ")
