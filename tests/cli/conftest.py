"""A command line to call in this process, and a small trained run to call it on."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from dlcli.cli.main import command_line

CONFIG = """\
name: small
seed: 3
data:
  source: {type: synthetic, shape: [6], classes: 3, samples: 60, test_samples: 30}
  validation: 0.2
  batch_size: 10
network:
  - {type: dense, name: hidden, units: 5, activation: sigmoid}
  - {type: dense, name: output, units: 3}
loss: softmax_cross_entropy
pretrain:
  method: {type: autoencoder}
  epochs: 2
sgd: {learning_rate: 0.1}
training: {epochs: 3, diagnostics: true}
"""


def run(*arguments, stdin=None):
    """Call dlcli; the result has exit_code, stdout and stderr."""
    result = CliRunner().invoke(command_line, [str(argument) for argument in arguments], input=stdin)
    assert result.exc_info[0] is SystemExit, result.exc_info
    return result


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The path of a config, in the working directory, which is empty but for it."""
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(CONFIG)
    return "small.yaml"


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run directory: pretraining, training and the test."""
    folder = tmp_path_factory.mktemp("trained")
    path = folder / "small.yaml"
    path.write_text(CONFIG)
    result = run("train", path, "--out", folder / "run", "--quiet")
    assert result.exit_code == 0, result.stderr
    return folder / "run"


DIGITS = """\
name: digits
data:
  source: {type: synthetic, shape: [5, 4, 1], classes: 3, samples: 60, test_samples: 30}
  transform: [{type: scale, by: 0.05, offset: 0.5}]
  batch_size: 10
network:
  - {type: dense, name: hidden1, units: 12, activation: sigmoid}
  - {type: dense, name: hidden2, units: 6, activation: sigmoid}
  - {type: dense, name: output, units: 3}
loss: softmax_cross_entropy
pretrain:
  method: {type: rbm, visible: binary}
  epochs: 1
sgd: {learning_rate: 0.1}
"""


@pytest.fixture(scope="session")
def belief(tmp_path_factory):
    """A run directory: two RBMs on images, after pretraining alone."""
    folder = tmp_path_factory.mktemp("belief")
    path = folder / "digits.yaml"
    path.write_text(DIGITS)
    result = run("pretrain", path, "--out", folder / "run", "--quiet")
    assert result.exit_code == 0, result.stderr
    return folder / "run"


@pytest.fixture
def environment():
    """Of a subprocess: this one's, without what changes dlcli's manners."""
    changing = ("NO_COLOR", "DLCLI_DEBUG", "_DLCLI_COMPLETE", "PYTHONUNBUFFERED")
    return {name: value for name, value in os.environ.items() if name not in changing}
