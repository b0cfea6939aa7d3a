"""Tiny experiments, and what two runs must have in common to be called bit-equal."""

import json
from pathlib import Path
from unittest import mock

from dlcli import wiring
from dlcli.config.experiment import Experiment
from dlcli.errors import Exit
from dlcli.report.progress import Quiet
from dlcli.training.checkpoint import Checkpoint, load
from dlcli.training.run_directory import find_checkpoint, read_rows
from dlcli.training.signals import Requests, Stopped

SUPERVISED = {
    "name": "tiny",
    "data": {
        "source": {"type": "synthetic", "shape": [6], "classes": 3, "samples": 58, "test_samples": 20},
        "validation": 12,
        "batch_size": 8,  # 46 training samples: five batches of 8 and one of 6
        "transform": [{"type": "standardise"}],
    },
    "network": [
        {"type": "dense", "name": "hidden1", "units": 5, "activation": "sigmoid"},
        {"type": "dropout", "rate": 0.25},
        {"type": "dense", "name": "hidden2", "units": 4, "activation": "sigmoid"},
        {"type": "dense", "name": "output", "units": 3},
    ],
    "loss": "softmax_cross_entropy",
    "sgd": {"learning_rate": 0.1, "schedule": {"type": "inverse", "gamma": 0.01, "power": 0.75}},
    "training": {"epochs": 3},
}
STEPS = 6  # of an epoch
PRETRAINED = SUPERVISED | {
    "pretrain": {"method": {"type": "autoencoder", "corruption": 0.2}, "epochs": 2, "sgd": {"learning_rate": 0.2}}
}
TIMES = ("seconds", "samples_per_second")


def experiment(mapping=SUPERVISED, **changes) -> Experiment:
    """The experiment of a mapping, with keys changed: ``training__epochs=2`` is training.epochs."""
    return Experiment.model_validate(changed(mapping, **changes))


def changed(mapping, **changes) -> dict:
    result = json.loads(json.dumps(mapping))
    for key, value in changes.items():
        *path, last = key.split("__")
        place = result
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return result


class Recorder(Quiet):
    """Keeps what it is told; calls ``after[n]`` when n steps are done, over all stages."""

    def __init__(self, after=None):
        self.after = after or {}
        self.steps, self.stages, self.messages, self.rows = 0, [], [], []

    def stage(self, name, epochs, steps_per_epoch, samples):
        self.stages.append(name)

    def step(self, loss, samples):
        self.steps += 1
        self.after.get(self.steps, lambda: None)()

    def epoch(self, metrics):
        self.rows.append(metrics)

    def message(self, text):
        self.messages.append(text)


def train(directory: Path, of: Experiment | None = None, *, reporter=None, **arguments) -> dict:
    """Run an experiment; gives its summary."""
    return wiring.run(of or experiment(), directory=directory, reporter=reporter or Recorder(), **arguments)


def train_until(directory: Path, step: int, of: Experiment | None = None, **arguments) -> None:
    """Run an experiment until a request to stop arrives during a step; the steps of all stages count."""
    requests = Requests()
    recorder = Recorder({step: lambda: setattr(requests, "stop", Exit.TERMINATED)})
    with mock.patch.object(wiring, "Requests", return_value=requests):
        try:
            train(directory, of, reporter=recorder, **arguments)
        except Stopped:
            assert recorder.steps == step
        else:
            raise AssertionError(f"the run ended before step {step}")


def last(directory: Path) -> Checkpoint:
    return load(find_checkpoint(directory, "last"))


def bits(checkpoint: Checkpoint) -> dict:
    """Every tensor's type, shape and bytes."""
    return {name: (str(t.dtype), t.shape, t.tobytes()) for name, t in checkpoint.tensors.items()}


def timeless(rows) -> list[dict]:
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def outcome(directory: Path) -> dict:
    """All that two runs of one experiment have in common: tensors, rows, where training stands, which is best."""
    found = last(directory)
    progress = found.record["progress"] | {"history": timeless(found.record["progress"]["history"])}
    best = directory / "checkpoints" / "best.safetensors"
    return {
        "tensors": bits(found),
        "rows": timeless(read_rows(directory)),
        "progress": progress,
        "best": best.readlink() if best.is_symlink() else None,
    }
