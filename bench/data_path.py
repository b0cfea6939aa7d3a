"""The data path by itself: batches a second, drawn, gathered, transformed, and used for nothing."""

from typing import Any, NamedTuple

from bench.process import Worker
from bench.rounds import Contender, interleaved
from bench.whole_nets import OURS, Settings


class DataPath(NamedTuple):
    """Images of bytes, (height, width, channels), and the transforms that make batches of them."""

    name: str
    title: str
    batch: int
    shape: tuple[int, int, int]
    samples: int
    transforms: tuple[dict[str, Any], ...]


PATHS = (
    DataPath("mnist", "MNIST: scale", 100, (28, 28, 1), 10_000, ({"type": "scale", "by": 1 / 256},)),
    DataPath(
        "cifar10", "CIFAR-10: pad and crop, mirror, mean", 100, (32, 32, 3), 10_000,
        ({"type": "pad_and_crop"}, {"type": "mirror"}, {"type": "subtract_mean"}),
    ),
    DataPath(
        "imagenet", "ImageNet 256² → 227²: crop, mirror, mean, PCA", 32, (256, 256, 3), 1024,
        ({"type": "random_crop", "size": [227, 227]}, {"type": "mirror"}, {"type": "subtract_mean"},
         {"type": "pca_jitter"}),
    ),
    DataPath(
        "scaled", "ImageNet 256² → 224²: scale 256 to 512, crop, mirror, mean", 32, (256, 256, 3), 1024,
        ({"type": "random_scale_crop", "size": [224, 224], "scale": [256, 512]}, {"type": "mirror"},
         {"type": "subtract_mean"}),
    ),
)  # fmt: skip


def chosen(names: list[str]) -> list[DataPath]:
    """Those whose names begin with one of ``names``; all, where there is none."""
    return [path for path in PATHS if not names or path.name.startswith(tuple(names))]


def find(name: str) -> DataPath:
    """The one that a job names."""
    return next(path for path in PATHS if path.name == name)


def measure(path: DataPath, settings: Settings) -> dict[str, Any]:
    """The row of the results."""
    with Worker("dlcli_data", settings.threads) as worker:
        worker.make(path=path.name)
        timings, others = interleaved([Contender(OURS, worker, OURS)], settings.seconds / 2)
        timing = timings[OURS].as_dict() | {"peak_mb": round(worker.peak(), 1)}
    timing["batches_per_second"] = float(f"{1e3 / timing['median_ms']:.4g}")
    return {
        "net": path.name, "title": path.title, "batch": path.batch, "others": others, "contenders": {OURS: timing},
    }  # fmt: skip
