import json
from pathlib import Path

from tests.cli.conftest import CONFIG, run

FIVE = """\
name: small
seed: -1
data:
  source: {type: synthetic, shape: [6], classes: 3}
  batch_size: 0
network:
  - {type: dense, units: 5, activaton: sigmoid}
  - {type: dence, units: 3}
loss: softmax_cross_entropy
sgd: {learning_rate: true}
"""
PLACES = [(2, "seed"), (5, "data.batch_size"), (7, "activaton"), (8, "network.1"), (10, "learning_rate")]


def test_a_good_config(config):
    result = run("check", config)
    assert result.exit_code == 0
    assert result.stdout == "small.yaml: fine (training samples 48, layers 2, parameters 53)\n"
    assert json.loads(run("check", config, "--json").stdout) == {"ok": True, "errors": []}
    assert not Path("runs").exists()


def test_five_mistakes_are_five_located_lines(config):
    Path(config).write_text(FIVE)
    result = run("check", config)
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 5
    for line, (number, key) in zip(lines, PLACES, strict=True):
        assert line.startswith(f"error: small.yaml:{number}:")
        assert key in line.split(": ")[2]
    assert "did you mean" in lines[2]


def test_five_mistakes_as_json(config):
    Path(config).write_text(FIVE)
    result = run("check", config, "--json")
    assert (result.exit_code, result.stderr) == (2, "")
    found = json.loads(result.stdout)
    assert found["ok"] is False
    assert [error["line"] for error in found["errors"]] == [number for number, _ in PLACES]
    assert all(set(error) == {"file", "line", "column", "key", "message"} for error in found["errors"])


def test_what_does_not_fit_together_is_located(config):
    Path(config).write_text(CONFIG.replace("units: 3", "units: 4"))
    result = run("check", config)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: small.yaml:")
    assert "loss: found 4 outputs, expected 3" in result.stderr


def test_a_transform_that_does_not_fit_is_located(config):
    text = CONFIG.replace("  batch_size: 10\n", "  batch_size: 10\n  transform:\n    - {type: mirror}\n")
    Path(config).write_text(text)
    result = run("check", config)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: small.yaml:8:7: data.transform.0: takes images (height, width, channels), ")
    Path(config).write_text(text.replace("{type: mirror}", "{type: scale, by: 2.0}\n  test_crops: 5"))
    result = run("check", config)
    assert result.stderr.startswith("error: small.yaml:9:15: data.test_crops: found 5 crops, expected a transform that")


def test_missing_data(config):
    arguments = ("check", config, "--set", "data.source={type: npz, file: gone.npz}")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "gone.npz" in result.stderr
    found = run(*arguments, "--json")
    assert found.exit_code == 3
    (error,) = json.loads(found.stdout)["errors"]
    assert "gone.npz" in error["message"]


def test_standard_input(config):
    assert run("check", "-", stdin=CONFIG).exit_code == 0


def test_a_missing_config(tmp_path):
    result = run("check", tmp_path / "no.yaml")
    assert result.exit_code == 2
    assert "no such file" in result.stderr
