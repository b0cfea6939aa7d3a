"""Time of a training step for the shipped configs: minimum and median in milliseconds. Run by ``make bench``."""

import statistics
import sys
import time
from pathlib import Path

import numba
import numpy as np

from dlcli.config.load import load
from dlcli.data.batches import Batch
from dlcli.graph import Graph
from dlcli.network import Network
from dlcli.optim.schedules.base import Clock
from dlcli.training.backpropagation import Backpropagation

STEPS = 50
SHAPES = {"mnist": (28, 28, 1), "cifar10": (32, 32, 3)}


def main() -> None:
    print(f"{numba.get_num_threads()} threads, {STEPS} steps; milliseconds a step")
    print(f"{'config':24}{'batch':>8}{'min':>10}{'median':>10}{'samples/s':>12}")
    for path in sorted((Path(__file__).parent.parent / "configs").glob("*.yaml")):
        shape = next((shape for prefix, shape in SHAPES.items() if path.stem.startswith(prefix)), None)
        if shape is None or (len(sys.argv) > 1 and path.stem not in sys.argv[1:]):
            continue
        experiment = load(str(path))
        network = Network(Graph.build(experiment.network, shape))
        network.initialise()
        objective = Backpropagation(network, experiment.loss, experiment.optimiser)
        size = experiment.data.batch_size
        rng = np.random.default_rng(0)
        batch = Batch(rng.random((size, *shape), dtype=np.float32), rng.integers(0, 10, size))
        times = []
        for step in range(STEPS + 5):
            began = time.perf_counter()
            objective.step(batch, Clock(step, STEPS, 1))
            times.append(1e3 * (time.perf_counter() - began))
        times = times[5:]
        median = statistics.median(times)
        print(f"{path.stem:24}{size:>8}{min(times):>10.2f}{median:>10.2f}{1e3 * size / median:>12.0f}")


if __name__ == "__main__":
    main()
