"""The benchmarks run, count rightly, and favour nobody."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import performance, results, rounds, shapes, tables
from bench.__main__ import _keep, arguments
from bench.nets import NETS
from bench.whole_nets import compare

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="times compiled code")
def test_dlcli_alone_needs_no_other_system(tmp_path):
    command = [sys.executable, "-m", "bench", "steps", "small", "--only", "dlcli", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("*.json")
    held = json.loads(path.read_text(encoding="utf-8"))["steps"]
    (row,) = held["rows"]
    timing = row["contenders"]["dlcli"]
    assert 0 < timing["min_ms"] <= timing["median_ms"]
    assert timing["peak_mb"] >= timing["imported_mb"] > 10
    assert row["gflop"] == pytest.approx(2e-9 * 32 * (2 * 64 * 64 + 3 * 64 * 10), rel=1e-3)
    assert held["machine"]["instructions"] in ("AVX512", "AVX2", "NEON", "GENERIC")
    assert "torch" not in held["machine"]["versions"]
    assert "64-64-10" in path.with_suffix(".md").read_text(encoding="utf-8")


@pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="times compiled code")
def test_the_data_path_has_its_own_figure(tmp_path):
    command = [sys.executable, "-m", "bench", "data", "cifar", "--only", "dlcli", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("*.json")
    (row,) = json.loads(path.read_text(encoding="utf-8"))["data"]["rows"]
    timing = row["contenders"]["dlcli"]
    assert timing["batches_per_second"] == pytest.approx(1e3 / timing["median_ms"], rel=1e-3)
    assert "| CIFAR-10: pad and crop" in path.with_suffix(".md").read_text(encoding="utf-8")


def test_an_unknown_name_is_refused():
    done = subprocess.run([sys.executable, "-m", "bench", "lenett"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "found lenett, expected steps" in done.stderr


@pytest.mark.parametrize(
    ("net", "layers", "distinct", "millions"),
    [("alexnet", 8, 8, 724.4), ("vgg16", 16, 12, 15470.3), ("googlenet", 58, 50, 1582.7), ("lenet", 4, 4, 2.293)],
)
def test_shapes_are_those_of_the_papers(net, layers, distinct, millions):
    cases = shapes.cases(net)
    batch = cases[0].shape[0]
    assert (sum(case.count for case in cases), len(cases)) == (layers, distinct)
    assert sum(case.count * case.shape.multiply_adds for case in cases) / batch / 1e6 == pytest.approx(
        millions, rel=1e-4
    )
    assert [case.first for case in cases] == [True] + [False] * (distinct - 1)


def test_ratios_are_to_the_best_of_the_others():
    timings = {
        "dlcli": {"median_ms": 2.0, "min_ms": 1.0, "peak_mb": 100.0},
        "torch contiguous": {"median_ms": 5.0, "min_ms": 1.5, "peak_mb": 300.0},
        "torch channels_last": {"median_ms": 3.0, "min_ms": 2.5, "peak_mb": 250.0},
    }
    found = compare(timings, 0.1, 100.0)
    assert found["best_other"] == "torch channels_last"
    assert (found["ratio"], found["ratio_of_minima"], found["memory_ratio"]) == (1.5, 1.5, 2.5)
    assert timings["dlcli"]["share_of_peak"] == 0.5


def test_rounds_are_dropped_for_what_others_did_alone():
    quiet = [
        rounds._Round({"a": [time], "b": [1.0]}, others) for time, others in ((9.0, 0.0), (1.0, 0.01), (2.0, 0.04))
    ]
    busy = rounds._Round({"a": [0.1], "b": [1.0]}, 0.5)
    assert rounds._quiet([quiet[0], busy, *quiet[1:]]) == quiet
    assert rounds._quiet([quiet[0], busy, busy]) == [quiet[0], busy, busy]  # too few quiet ones: all, and marked
    assert tables.disturbed({"others": 0.5})
    assert not tables.disturbed({"others": None})


def test_disturbed_groups_are_not_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "kept")
    machine = {"others": 0.0, "processor": "p", "instructions": "AVX2", "threads": 2}
    busy = {"machine": machine, "steps": [{"others": 0.0}, {"others": 0.5}]}
    _keep(busy, arguments([]), partial=False)
    _keep({"machine": machine | {"others": 0.5}, "steps": [{"others": 0.0}]}, arguments([]), partial=False)
    assert capsys.readouterr().out.count("not kept") == 2
    assert not results.FOLDER.exists()


def test_a_net_has_one_place_in_the_results():
    for nets in NETS.values():
        assert len({(net.name, net.batch) for net in nets}) == len(nets)


def test_the_documented_commands_are_the_benchmarks_own():
    readme = (ROOT / "bench/README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\$ python -m bench ([^#\n]*)", readme, re.MULTILINE)
    assert lines
    for line in lines:
        arguments(line.split())
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = makefile.split("\nbench:")[1].split("\n\n")[0]
    assert recipe.splitlines()[-1].endswith("/python -m bench")
    assert "$ make bench" in readme


def test_the_page_holds_the_results_that_are_kept():
    text = performance.PAGE.read_text(encoding="utf-8")
    assert performance.page(text) == text, "run: python -m bench.performance"


def test_results_name_no_machine():
    for path in results.FOLDER.glob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert (os.uname().nodename or "\0") not in text
        assert not re.search(r"/(home|tmp|root|Users)/", text)
