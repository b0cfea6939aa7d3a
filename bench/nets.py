"""The nets whose steps are timed: what both sides build. Plain data, so that every process can read it cheaply."""

from typing import Any, NamedTuple

RATE, MOMENTUM, DECAY = 0.001, 0.9, 0.0005  # ε, α, λ of every net
STEPS, LARGE, INFERENCE, LOOP = "steps", "large", "inference", "loop"
HIDDEN, CLASSES, INPUTS, LOOP_BATCH, LOOP_RATE = 500, 10, 784, 100, 0.01  # of the whole loop's net


class Net(NamedTuple):
    """One net at one batch size.

    ``shape``: of a sample, channels last. ``config``: the shipped file that dlcli's side is read from; else
    ``layers``: its `network`. ``model``: the function of `bench.workers.torch_models` that builds PyTorch's side.
    """

    name: str
    title: str
    batch: int
    shape: tuple[int, ...]
    model: str
    config: str | None = None
    layers: tuple[dict[str, Any], ...] = ()
    autoencoder: bool = False  # the first layer's pretraining stage instead of the net itself


def _dense(*units: int, activation: str = "relu") -> tuple[dict[str, Any], ...]:
    hidden = [{"type": "dense", "units": count, "activation": activation} for count in units[:-1]]
    return (*hidden, {"type": "dense", "units": units[-1]})


SMALL = Net("small", "64-64-10, relu", 32, (64,), "small", layers=_dense(64, 10))
MLP = Net("mlp", "784-500-500-2000-10, relu", 100, (784,), "mlp", layers=_dense(500, 500, 2000, 10))
LENET = Net("lenet", "LeNet 20-50-500", 64, (28, 28, 1), "lenet", config="mnist_lenet.yaml")
CIFAR = Net("cifar", "CIFAR quick 32-32-64", 100, (32, 32, 3), "cifar_quick", config="cifar10_quick.yaml")
TIED = Net(
    "autoencoder", "tied autoencoder 784-1000", 100, (784,), "autoencoder",
    layers=_dense(1000, 10, activation="sigmoid"), autoencoder=True,
)  # fmt: skip

ALEXNET = Net("alexnet", "AlexNet", 32, (227, 227, 3), "alexnet", config="alexnet.yaml")
GOOGLENET = Net("googlenet", "GoogLeNet, three heads", 16, (224, 224, 3), "googlenet", config="googlenet.yaml")
VGG16 = Net("vgg16", "VGG-16", 8, (224, 224, 3), "vgg16", config="vgg16.yaml")

NETS: dict[str, tuple[Net, ...]] = {
    STEPS: (SMALL, MLP, LENET, CIFAR, TIED),
    LARGE: (ALEXNET, GOOGLENET, VGG16),
    INFERENCE: tuple(net._replace(batch=batch) for net in (MLP, LENET, CIFAR) for batch in (1, 100)),
}


def find(group: str, name: str, batch: int) -> Net:
    """The net that a job names."""
    return next(net for net in NETS[group] if (net.name, net.batch) == (name, batch))
