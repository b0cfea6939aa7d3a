"""Checkpoints that are whole, but not dlcli's: whatever the shapes of what is kept, kernels never see a wrong one."""

import numpy as np
import pytest

from dlcli.errors import CheckpointError
from dlcli.models.generation import generative
from dlcli.models.generative import after
from dlcli.models.kept import kept, sides
from dlcli.models.likelihood import likelihood
from dlcli.models.reconstruction import reconstructor
from dlcli.trained import open_run
from dlcli.training.checkpoint import Checkpoint, save
from tests.cli.conftest import run as command
from tests.runs import PRETRAINED, SUPERVISED, experiment, last, train

JOINT = {"epochs": 1, "sgd": {"learning_rate": 0.01}}
METHODS = {
    "rbm": {"type": "rbm", "visible": {"type": "gaussian", "learn_variance": True}},
    "up_down": {"type": "rbm", "visible": "binary", "up_down": JOINT},
    "dbm": {"type": "dbm", "joint_training": JOINT},
    "boltzmann_machine": {"type": "boltzmann_machine"},
    "autoencoder": {"type": "autoencoder"},
    "untied": {"type": "autoencoder", "tied": False},
}
SAMPLES = np.full((3, 6), 0.5, np.float32)
USES = {
    "sample": lambda trained: after(generative(trained), 1, 2, 1),
    "reconstruct": lambda trained: list(reconstructor(trained).pairs([trained.source(SAMPLES)])),
    "likelihood": lambda trained: likelihood(trained, None, None, chains=5, steps=5),
}
ARRAYS = [
    *(("rbm", at, f"rbm/{name}") for at in ("hidden1", "hidden2") for name in ("weights", "bias", "visible_bias")),
    ("rbm", "hidden1", "rbm/log_variance"),
    *(("up_down", "hidden1", f"{way}/{name}") for way in ("generation", "recognition") for name in ("weights", "bias")),
    *(("dbm", "hidden1", f"dbm/{name}") for name in ("weights", "bias", "visible_bias")),
    *(("dbm", "hidden2", f"dbm/{name}") for name in ("weights", "bias")),
    *(
        ("boltzmann_machine", "hidden1", f"machine/{name}")
        for name in ("weights", "hidden_bias", "visible_bias", "visible_lateral", "hidden_lateral")
    ),
    *((method, "hidden1", f"encoder/{name}") for method in ("autoencoder", "untied") for name in ("weights", "bias")),
    *(("untied", "hidden2", f"mirror/{name}") for name in ("weights", "bias")),
]  # fmt: skip
USED = {"rbm": tuple(USES), "dbm": tuple(USES), "up_down": ("sample", "reconstruct"), "boltzmann_machine": tuple(USES)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each method, after pretraining; its inputs are from 0 to 1."""
    folder = tmp_path_factory.mktemp("kept")
    network = [layer for layer in SUPERVISED["network"] if layer["type"] == "dense"]
    scaled = [{"type": "scale", "by": 0.05, "offset": 0.5}]
    for name, method in METHODS.items():
        of = experiment(PRETRAINED, network=network, pretrain__method=method, data__transform=scaled)
        train(folder / name, of, stages="pretrain")
    return folder


def rewritten(runs, tmp_path, method, change, record=()):
    """The checkpoint of a run with changed tensors, its checksum right."""
    found = last(runs / method)
    path = tmp_path / "stranger.safetensors"
    save(path, Checkpoint(found.tensors | change(found.tensors), found.record | dict(record)))
    return path


@pytest.mark.parametrize(("method", "layer", "tail"), ARRAYS)
def test_an_array_of_another_shape_is_refused(runs, tmp_path, method, layer, tail):
    name = f"{layer}.{tail}"
    shape = last(runs / method).tensors[name].shape
    for other in ((), (1,), (*shape[:-1], shape[-1] - 1), (*shape[:-1], shape[-1] + 1), (*shape, 1), (2, 3, 2)):
        path = rewritten(runs, tmp_path, method, lambda _, other=other: {name: np.zeros(other, np.float32)})
        for use in USED.get(method, ("reconstruct",)):
            if (method, use, layer) == ("rbm", "likelihood", "hidden2"):
                continue  # it is the first layer's
            with pytest.raises(CheckpointError, match=name if method in USED else "does not fit together"):
                USES[use](open_run(path))


def test_both_sides_of_an_array_may_not_change_together(runs, tmp_path):
    """A machine that fits itself, but not its layer or the machine above."""
    sizes = {"weights": (6, 9), "bias": (9,), "visible_bias": (6,)}

    def change(_):
        return {f"hidden1.rbm/{name}": np.zeros(size, np.float32) for name, size in sizes.items()}

    for use in USES.values():
        with pytest.raises(CheckpointError, match=r"found \[6, 9\], expected \[6, 5\]"):
            use(open_run(rewritten(runs, tmp_path, "rbm", change)))


def test_the_command_line_says_so(runs, tmp_path):
    path = rewritten(runs, tmp_path, "rbm", lambda _: {"hidden1.rbm/visible_bias": np.zeros(1, np.float32)})
    for words in (["sample", path], ["reconstruct", path, "--split", "test"], ["likelihood", path]):
        result = command(*words)
        assert (result.exit_code, result.stdout) == (4, "")
        assert "tensor 'hidden1.rbm/visible_bias': found [1], expected [6]" in result.stderr


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([["hidden1.mirror", {"type": "dense", "units": 6}]], "tensor 'hidden1.mirror/weights' is missing"),
        ([["hidden1.mirror", {"type": "dense", "units": 10**9}]], "tensor 'hidden1.mirror/weights' is missing"),
        ([["m", {"type": "activation", "function": "tanh"}]], "found 5 values, expected 6"),
        ([["m", {"type": "upsample2d", "factor": 2}]], "does not fit together"),
        ([["hidden1", {"type": "activation", "function": "tanh"}]], "does not fit together"),
    ],
)
def test_notes_of_layers_that_do_not_lead_back(runs, tmp_path, layers, message):
    notes = last(runs / "autoencoder").record["notes"] | {"hidden1": {"mirror": layers}}
    path = rewritten(runs, tmp_path, "autoencoder", lambda _: {}, {"notes": notes})
    with pytest.raises(CheckpointError, match=message):
        reconstructor(open_run(path), "hidden1")


def test_units_that_do_not_fit_their_number(runs, tmp_path):
    notes = {"hidden1": {"visible": {"type": "softmax", "size": 4}, "hidden": {"type": "binary"}}}
    path = rewritten(runs, tmp_path, "rbm", lambda _: {}, {"notes": last(runs / "rbm").record["notes"] | notes})
    with pytest.raises(
        CheckpointError, match="its notes on hidden1 are not those of dlcli: found 6 units in groups of 4"
    ):
        generative(open_run(path))


def test_what_is_not_there(runs):
    trained = open_run(runs / "rbm")
    with pytest.raises(CheckpointError, match="tensor 'hidden1.rbm/no' is missing"):
        kept(trained, "hidden1.rbm/no", (3,))
    node = trained.network.graph.node("hidden1")
    assert sides(trained, node) == (6, 5)
    with pytest.raises(CheckpointError, match="hidden1 is no layer that could be pretrained as a machine"):
        sides(trained, type(node)(**vars(node) | {"parameters": {}}))
