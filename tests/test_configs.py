"""Every shipped config: it is sound as it stands, and it trains."""

import json
import re
import shutil

import pytest

from dlcli.cli import shipped
from dlcli.config.load import load
from tests.cli.conftest import run

NAMES = shipped.names()
# Stand-ins for the data, of the same shape, a few batches of them.
IMAGES = "data.source={type: synthetic, shape: [28, 28, 1], classes: 10, samples: 120, test_samples: 20}"
STAND_INS = {"cifar10_quick": IMAGES.replace("28, 28, 1", "32, 32, 3")}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with every shipped file in it."""
    shutil.copytree(shipped.folder(), tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def test_the_promised_configs_are_there():
    promised = {"mnist_softmax", "mnist_mlp", "mnist_lenet", "mnist_deep_sigmoid", "mnist_sae", "iris", "cifar10_quick"}
    assert promised <= set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in STAND_INS])
def test_it_is_sound_with_its_own_data(folder, name):
    result = run("check", f"{name}.yaml")
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("name", NAMES)
def test_it_trains(folder, name):
    changes = ["training.epochs=1", *([] if name == "iris" else [STAND_INS.get(name, IMAGES)])]
    if load(f"{name}.yaml").pretrain is not None:
        changes.append("pretrain.epochs=1")
    result = run("train", f"{name}.yaml", "--quiet", "--json", *(a for c in changes for a in ("--set", c)))
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["epochs"] == 1


@pytest.mark.parametrize("name", NAMES)
def test_its_comments_say_what_it_is_and_what_to_expect(name):
    text = (shipped.folder() / f"{name}.yaml").read_text()
    head = text.partition("\nname:")[0]
    assert shipped.title(name)
    assert re.search(r"\d ?%", head), "no expected result"
    assert load(str(shipped.folder() / f"{name}.yaml")).name == name.replace("_", "-")
