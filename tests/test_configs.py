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
COLOURS = IMAGES.replace("28, 28, 1", "32, 32, 3")
STAND_INS = {name: COLOURS for name in NAMES if name.startswith("cifar10")}
# Nets of full size are shrunk: fewer, smaller images, and few units where most of the weights are.
SMALL = "data.source={type: synthetic, shape: [%d, %d, 3], classes: 10, samples: 6, test_samples: 2}"
NARROW = [f"network.{name}={{type: dense, name: {name}, units: 16}}" for name in ("hidden6", "hidden7")]
OUTPUT = ["network.output.units=10"]
SHRUNK = {
    **{name: [SMALL % (67, 67), *NARROW, *OUTPUT] for name in ("alexnet", "alexnet_ungrouped")},
    "zfnet": [SMALL % (64, 64), *NARROW, *OUTPUT],
    **{f"vgg{depth}": [SMALL % (32, 32), *NARROW, *OUTPUT] for depth in (11, 13, 16, 19)},
    "cifar10_nin": [COLOURS, "data.transform.1=mirror"],  # fitting ZCA to 3,072 numbers takes a minute
    "googlenet": [
        SMALL % (112, 112),
        *OUTPUT,
        *(f"network.{name}.units=10" for name in ("auxiliary1", "auxiliary2")),
        *(f"network.hidden_{name}.units=16" for name in ("auxiliary1", "auxiliary2")),
        *(f"network.pool_{name}.size=3" for name in ("auxiliary1", "auxiliary2")),
    ],
}
PROBABILITIES = "data.transform.0={type: scale, by: 0.05, offset: 0.5}"  # of stand-ins, about 0 with deviation 1
OWN_DATA = ("boltzmann_machine", "iris")  # small as they are
COUNTS = {
    "alexnet": 60_965_224,
    "alexnet_ungrouped": 62_378_344,
    "cifar10_full": 89_578,
    "cifar10_nin": 966_986,
    "cifar10_quick": 145_578,
    "cifar10_resnet20": 272_474,
    "googlenet": 13_378_280,
    "lecun1989": 9_760,
    "lenet5": 60_000,
    "mnist_lenet": 431_080,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "zfnet": 62_357_608,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with every shipped file in it."""
    shutil.copytree(shipped.folder(), tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def test_the_promised_configs_are_there():
    promised = {"mnist_softmax", "mnist_mlp", "mnist_lenet", "mnist_deep_sigmoid", "mnist_sae", "iris"}
    assert promised | {"papers/dlt_sda"} | set(COUNTS) <= set(NAMES)


def parameters(name, *arguments) -> dict:
    found = run("summary", str(shipped.folder() / f"{name}.yaml"), "--json", *arguments)
    assert found.exit_code == 0, found.stderr
    return json.loads(found.stdout)


@pytest.mark.parametrize("name", COUNTS)
def test_it_has_as_many_parameters_as_its_paper_says(name):
    stand_in = SHRUNK[name] if name == "cifar10_nin" else [STAND_INS[name]] if name in STAND_INS else []
    assert parameters(name, *(word for change in stand_in for word in ("--set", change)))["parameters"] == COUNTS[name]


def test_googlenet_without_its_auxiliary_heads():
    layers = parameters("googlenet")["layers"]
    assert sum(layer["parameters"] for layer in layers if "auxiliary" not in layer["name"]) == 6_998_552


@pytest.mark.parametrize("name", [name for name in NAMES if name not in STAND_INS])
def test_it_is_sound_with_its_own_data(folder, name):
    result = run("check", f"{name}.yaml")
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("name", NAMES)
def test_it_trains(folder, name):
    changes = ["training.epochs=1", *SHRUNK.get(name, [] if name in OWN_DATA else [STAND_INS.get(name, IMAGES)])]
    changes += [PROBABILITIES] if name.startswith("papers/") else []
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
    assert re.search(r"\d ?%|Published", head), "no expected result"
    assert load(str(shipped.folder() / f"{name}.yaml")).name == name.rpartition("/")[2].replace("_", "-")
