import importlib.metadata
from pathlib import Path

import pytest

from dlcli import cache
from dlcli.report import machine


def test_a_sound_machine():
    report = machine.examine()
    assert report.problems == []
    assert report.facts["extra plots"][0].isdigit()


def test_a_package_that_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["nowhere-to-be-found>=1.0", 'x; extra == "y"'])
    assert machine.examine().problems == ["nowhere-to-be-found is missing; expected nowhere-to-be-found>=1.0"]


def test_a_package_that_is_too_old(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["click>=8.2"])
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "8.1.9")
    assert machine.examine().problems == ["click: found version 8.1.9, expected at least 8.2"]


def test_an_extra_that_is_missing(monkeypatch):
    monkeypatch.setattr(machine, "EXTRAS", {"plots": "nowhere_to_be_found"})
    assert machine.examine().facts["extra plots"] == "not installed (pip install 'dlcli[plots]')"


def test_a_kernel_that_does_not_run(monkeypatch):
    def fail(*_):
        raise RuntimeError("no instructions")

    monkeypatch.setattr("dlcli.kernels.activation.forward", fail)
    assert machine.examine().problems == ["a kernel does not run: RuntimeError: no instructions"]


@pytest.mark.parametrize(("folder", "word"), [(None, "compiles"), (Path("/nowhere/dlcli-x"), "temporary")])
def test_a_cache_that_does_not_last(monkeypatch, folder, word):
    monkeypatch.setattr(cache, "folder", lambda: folder)
    assert any(word in warning for warning in machine.examine().warnings)
