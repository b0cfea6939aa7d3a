"""One epoch of `dlcli train`, as the command wires it; the time is that of the loop, as its metrics state it."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numba
import numpy as np

from bench.nets import CLASSES, DECAY, HIDDEN, INPUTS, LOOP_BATCH, LOOP_RATE, MOMENTUM
from bench.workers.data import classified
from bench.workers.serve import Made
from dlcli.config.experiment import Experiment
from dlcli.report.progress import Quiet
from dlcli.wiring import run


def prepare(threads: int) -> dict[str, Any]:
    numba.set_num_threads(threads)
    return {}


def make(job: dict[str, Any]) -> Made:
    """An epoch over the job's number of ``samples``; the work returns its seconds."""
    folder = tempfile.TemporaryDirectory(prefix="bench-")
    x, y = classified(job["samples"], INPUTS, CLASSES)
    np.savez(Path(folder.name) / "data.npz", x_train=x, y_train=y)
    experiment = Experiment.model_validate(
        {
            "name": "loop",
            "data": {"source": {"type": "npz", "file": f"{folder.name}/data.npz"}, "batch_size": LOOP_BATCH},
            "network": [
                {"type": "dense", "units": HIDDEN, "activation": "relu"},
                {"type": "dense", "units": CLASSES},
            ],
            "loss": "softmax_cross_entropy",
            "sgd": {"learning_rate": LOOP_RATE, "momentum": MOMENTUM, "weight_decay": DECAY},
            "training": {"epochs": 1},
        }
    )

    def work() -> float:
        directory = Path(folder.name) / "run"
        run(experiment, directory=directory, reporter=Quiet(), overwrite=True)
        row = json.loads((directory / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[0])
        return float(row["seconds"])

    return Made({"dlcli": work}, {})
