import json
import tracemalloc

import pytest

from dlcli.cli import shipped
from tests.cli.conftest import run

IMAGES = "data.source={type: synthetic, shape: %s, classes: 10, samples: 20}"


def test_json_has_the_promised_keys(config):
    summary = json.loads(run("summary", config, "--json").stdout)
    assert summary["parameters"] == (6 * 5 + 5) + (5 * 3 + 3)
    assert summary["multiply_adds"] == 6 * 5 + 5 * 3
    assert summary["activation_bytes"] == 4 * 10 * (5 + 3)
    first, second = summary["layers"]
    assert first.items() >= {"name": "hidden", "type": "dense", "inputs": [[6]], "output_shape": [5]}.items()
    assert second["parameters"] == 18


def test_a_run_has_the_same_summary_as_its_config(config, trained):
    assert run("summary", trained, "--json").stdout == run("summary", config, "--json").stdout
    file = trained / "checkpoints" / "last.safetensors"
    assert run("summary", file, "--json").stdout == run("summary", config, "--json").stdout


def test_a_run_cannot_be_changed(trained):
    assert run("summary", trained, "--set", "seed=2").exit_code == 2


def test_text(config):
    lines = run("summary", config).stdout.splitlines()
    assert lines[0].split("  ")[0] == "layer"
    assert lines[1].split()[:4] == ["hidden", "dense", "5", "35"]
    assert lines[-1].split()[:3] == ["total", "53", "45"]


@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [("mnist_lenet", "[28, 28, 1]", 431_080), ("cifar10_quick", "[32, 32, 3]", 145_578)],
)
def test_published_parameter_counts(name, shape, parameters):
    path = shipped.folder() / f"{name}.yaml"
    result = run("summary", path, "--set", IMAGES % shape, "--json")
    assert json.loads(result.stdout)["parameters"] == parameters


def test_weights_are_not_allocated(config):
    """A billion parameters, four gigabytes, are counted in less than 50 MB."""
    units = ("--set", "network.hidden.units=10000", "--set", "network.output.units=100000")
    source = ("--set", "data.source={type: synthetic, shape: [2], classes: 100000, samples: 10, test_samples: 0}")
    tracemalloc.start()
    result = run("summary", config, *units, *source, "--set", "data.validation=0", "--json")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert json.loads(result.stdout)["parameters"] == 2 * 10_000 + 10_000 + 10_000 * 100_000 + 100_000
    assert peak < 50e6
