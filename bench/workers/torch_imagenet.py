"""AlexNet, VGG-16 and GoogLeNet in PyTorch, as their papers (and dlcli's configs) have them."""

import torch
from torch import nn

RELU = nn.ReLU


def alexnet() -> nn.Module:
    def normalisation() -> nn.Module:
        return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)  # PyTorch divides α by the size

    return nn.Sequential(
        nn.Conv2d(3, 96, 11, 4), RELU(True), normalisation(), nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, groups=2), RELU(True), normalisation(), nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1), RELU(True),
        nn.Conv2d(384, 384, 3, padding=1, groups=2), RELU(True),
        nn.Conv2d(384, 256, 3, padding=1, groups=2), RELU(True), nn.MaxPool2d(3, 2),
        nn.Flatten(), *_classifier(256 * 6 * 6),
    )  # fmt: skip


def vgg16() -> nn.Module:
    layers: list[nn.Module] = []
    channels = 3
    for times, filters in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(times):
            layers += [nn.Conv2d(channels, filters, 3, padding=1), RELU(True)]
            channels = filters
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), *_classifier(512 * 7 * 7))


def _classifier(inputs: int) -> list[nn.Module]:
    hidden = [nn.Linear(inputs, 4096), RELU(True), nn.Dropout(0.5), nn.Linear(4096, 4096), RELU(True), nn.Dropout(0.5)]
    return [*hidden, nn.Linear(4096, 1000)]


def _convolution(channels: int, filters: int, size: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, filters, size, stride, size // 2), RELU(True))


class Inception(nn.Module):
    """Four paths, joined along the channels."""

    def __init__(self, channels: int, one: int, reduce3: int, three: int, reduce5: int, five: int, pool: int) -> None:
        super().__init__()
        self.paths = nn.ModuleList([
            _convolution(channels, one, 1),
            nn.Sequential(_convolution(channels, reduce3, 1), _convolution(reduce3, three, 3)),
            nn.Sequential(_convolution(channels, reduce5, 1), _convolution(reduce5, five, 5)),
            nn.Sequential(nn.MaxPool2d(3, 1, 1), _convolution(channels, pool, 1)),
        ])  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([path(x) for path in self.paths], 1)


def _head(channels: int) -> nn.Module:
    return nn.Sequential(
        nn.AvgPool2d(5, 3), _convolution(channels, 128, 1), nn.Flatten(), nn.Linear(2048, 1024), RELU(True),
        nn.Dropout(0.7), nn.Linear(1024, 1000),
    )  # fmt: skip


class GoogLeNet(nn.Module):
    """In training it gives the outputs of all three heads, the main one first."""

    def __init__(self) -> None:
        super().__init__()

        def pool() -> nn.Module:
            return nn.MaxPool2d(3, 2, ceil_mode=True)

        def normalisation() -> nn.Module:
            return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)

        self.to_4a = nn.Sequential(
            _convolution(3, 64, 7, 2), pool(), normalisation(), _convolution(64, 64, 1), _convolution(64, 192, 3),
            normalisation(), pool(), Inception(192, 64, 96, 128, 16, 32, 32), Inception(256, 128, 128, 192, 32, 96, 64),
            pool(), Inception(480, 192, 96, 208, 16, 48, 64),
        )  # fmt: skip
        self.to_4d = nn.Sequential(
            Inception(512, 160, 112, 224, 24, 64, 64), Inception(512, 128, 128, 256, 24, 64, 64),
            Inception(512, 112, 144, 288, 32, 64, 64),
        )  # fmt: skip
        self.to_output = nn.Sequential(
            Inception(528, 256, 160, 320, 32, 128, 128), pool(), Inception(832, 256, 160, 320, 32, 128, 128),
            Inception(832, 384, 192, 384, 48, 128, 128), nn.AvgPool2d(7), nn.Flatten(), nn.Dropout(0.4),
            nn.Linear(1024, 1000),
        )  # fmt: skip
        self.auxiliary1, self.auxiliary2 = _head(512), _head(528)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        first = self.to_4a(x)
        second = self.to_4d(first)
        return [self.to_output(second), self.auxiliary1(first), self.auxiliary2(second)]


def googlenet() -> nn.Module:
    return GoogLeNet()
