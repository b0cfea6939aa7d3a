"""PyTorch's side of `bench.nets`, as its users would write it."""

import itertools

import torch
from torch import nn
from torch.nn import functional

from bench.workers.torch_imagenet import alexnet, googlenet, vgg16

__all__ = ["alexnet", "googlenet", "vgg16"]

RELU = nn.ReLU


def small() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 64), RELU(), nn.Linear(64, 10))


def mlp() -> nn.Module:
    sizes = (784, 500, 500, 2000)
    hidden = [layer for pair in itertools.pairwise(sizes) for layer in (nn.Linear(*pair), RELU())]
    return nn.Sequential(*hidden, nn.Linear(2000, 10))


def lenet() -> nn.Module:
    convolutions = [nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2)]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(800, 500), RELU(), nn.Linear(500, 10))


def cifar_quick() -> nn.Module:
    def convolution(channels: int, filters: int) -> nn.Module:
        return nn.Conv2d(channels, filters, 5, padding=2)

    def average() -> nn.Module:
        return nn.AvgPool2d(3, 2, ceil_mode=True, count_include_pad=False)

    return nn.Sequential(
        convolution(3, 32), nn.MaxPool2d(3, 2, ceil_mode=True), RELU(), convolution(32, 32), RELU(), average(),
        convolution(32, 64), RELU(), average(), nn.Flatten(), nn.Linear(1024, 64), nn.Linear(64, 10),
    )  # fmt: skip


class Autoencoder(nn.Module):
    """x → sigmoid(W x + b) → Wᵀ y + c, before the reconstruction's sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(784, 1000)
        self.bias = nn.Parameter(torch.zeros(784))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(torch.sigmoid(self.encoder(x)), self.encoder.weight.t(), self.bias)


def autoencoder() -> nn.Module:
    return Autoencoder()


def classification_loss(outputs: torch.Tensor | list[torch.Tensor], y: torch.Tensor) -> torch.Tensor:
    """Cross-entropy; of several heads the first in full, and 0.3 of each other one (GoogLeNet)."""
    main, *others = outputs if isinstance(outputs, list) else [outputs]
    auxiliary = [0.3 * functional.cross_entropy(each, y) for each in others]
    return sum(auxiliary, functional.cross_entropy(main, y))


def reconstruction_loss(outputs: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Cross-entropy, a sum over units and a mean over samples."""
    return functional.binary_cross_entropy_with_logits(outputs, x, reduction="sum") / len(x)
