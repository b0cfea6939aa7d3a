"""Data that come with dlcli."""

from pathlib import Path
from typing import Literal

from dlcli.data.base import Source
from dlcli.data.dataset import Dataset
from dlcli.data.sources.idx import Idx

FOLDER = Path(__file__).parent.parent / "bundled"


class Bundled(Source):
    """Data that come with dlcli, so that a first run needs no download."""

    type: Literal["bundled"] = "bundled"
    name: Literal["mnist-sample"] = "mnist-sample"
    """`mnist-sample`: 10,000 training and 2,000 test images of MNIST, in MNIST's class proportions."""

    def load(self) -> Dataset:
        return Idx(root=str(FOLDER / self.name)).load()
