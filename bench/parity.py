"""Parity with PyTorch: from the same start, 100 steps of eq. (4) must be its SGD's. Run by ``make parity``.

With constant ε, α and λ, eq. (4) and PyTorch's rule (v ← α v + g + λ w; w ← w − ε v) are the same: Δw = −ε v.
"""

import numpy as np
import pytest
import torch

from dlcli.config.experiment import Experiment
from dlcli.data.batches import Batch
from dlcli.data.sources.bundled import Bundled
from dlcli.graph import Graph
from dlcli.network import Network
from dlcli.optim.schedules.base import Clock
from dlcli.training.backpropagation import Backpropagation

torch.set_num_threads(1)  # two pools of threads that spin would wait for each other
STEPS, BATCH, RATE, MOMENTUM, DECAY = 100, 32, 0.001, 0.9, 5e-4
MLP = [{"type": "dense", "units": 64, "activation": "tanh"}, {"type": "dense", "units": 10}]
LENET = [
    {"type": "conv2d", "filters": 20, "kernel_size": 5},
    {"type": "max_pool2d", "size": 2},
    {"type": "conv2d", "filters": 50, "kernel_size": 5},
    {"type": "max_pool2d", "size": 2},
    {"type": "dense", "units": 500, "activation": "relu"},
    {"type": "dense", "units": 10},
]


class Flat(torch.nn.Module):
    """Rows with channels fastest, as dlcli flattens."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).reshape(len(x), -1)


def ours(layers, dtype):
    experiment = Experiment.model_validate(
        {
            "name": "parity",
            "data": {"source": {"type": "synthetic", "shape": [28, 28, 1], "classes": 10, "samples": 10}},
            "network": layers,
            "loss": "softmax_cross_entropy",
            "sgd": {"learning_rate": RATE, "momentum": MOMENTUM, "weight_decay": DECAY},
        }
    )
    network = Network(Graph.build(experiment.network, (28, 28, 1)), dtype=dtype, seed=1)
    network.initialise()
    return network, Backpropagation(network, experiment.main_loss, experiment.optimiser)


def theirs(network, convolutional):
    """The same net with the same initial values; PyTorch keeps channels first and units before inputs."""
    sizes = [module for module in network.graph.nodes if module.parameters]
    modules = []
    for node in sizes:
        weights = torch.from_numpy(network.parameters[f"{node.name}/weights"].copy())
        bias = torch.from_numpy(network.parameters[f"{node.name}/bias"].copy())
        if weights.ndim == 4:
            module = torch.nn.Conv2d(weights.shape[2], weights.shape[3], tuple(weights.shape[:2]), dtype=weights.dtype)
            weights = weights.permute(3, 2, 0, 1)
        else:
            module = torch.nn.Linear(*weights.shape, dtype=weights.dtype)
            weights = weights.T
        with torch.no_grad():
            module.weight.copy_(weights)
            module.bias.copy_(bias)
        modules.append(module)
    if not convolutional:
        return torch.nn.Sequential(Flat(), modules[0], torch.nn.Tanh(), modules[1])
    pool = torch.nn.MaxPool2d(2)
    first, second, hidden, output = modules
    return torch.nn.Sequential(first, pool, second, pool, Flat(), hidden, torch.nn.ReLU(), output)


@pytest.mark.parametrize("layers", [MLP, LENET], ids=["mlp", "lenet"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-8), (np.float32, 1e-3)], ids=["float64", "float32"])
def test_a_hundred_steps_follow_pytorch(layers, dtype, tolerance):
    network, objective = ours(layers, dtype)
    model = theirs(network, layers is LENET)
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)
    digits = Bundled().load().train
    for step in range(STEPS):
        part = slice(step * BATCH, (step + 1) * BATCH)
        x, y = (digits.x[part] / 256).astype(dtype), digits.y[part]
        loss = objective.step(Batch(x, y), Clock(step, STEPS, 1)).loss / BATCH
        expected = torch.nn.functional.cross_entropy(
            model(torch.from_numpy(x).permute(0, 3, 1, 2)), torch.from_numpy(y)
        )
        optimiser.zero_grad()
        expected.backward()
        optimiser.step()
        assert loss == pytest.approx(expected.item(), rel=tolerance), f"step {step}"
    if dtype is np.float32:
        return  # rounding that max-pooling and relu amplify: the loss is what must agree
    first = next(iter(model.parameters())) if layers is LENET else model[1].weight
    weights = network.parameters[f"{network.graph.nodes[0].name}/weights"]
    theirs_now = first.detach().permute(2, 3, 1, 0).numpy() if layers is LENET else first.detach().T.numpy()
    assert np.abs(weights - theirs_now).max() <= tolerance * np.abs(theirs_now).max()
