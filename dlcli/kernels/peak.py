"""The most that this machine can multiply and add: the bare tile, on operands that stay in the first-level cache."""

import time

import numpy as np
from numba import get_num_threads, set_num_threads

from dlcli.kernels import tile as tiles
from dlcli.kernels.launch import Kernel, Launch
from dlcli.kernels.tile import PANEL, ROWS

DEPTH, RUNS = 128, 16  # steps of k: a and b, which take 23 kB with AVX-512, serve every run of a tile's sum
TILES = 4  # of a task
TASKS = 20  # of a thread: a millisecond or so


def _tiles(p, first, last, shared, scratch):
    tile, rows, width, depth, runs, offsets, a, b, out, size = (
        p[0],
        p[1],
        p[2],
        p[3],
        p[4],
        p[5],
        p[6],
        p[7],
        p[8],
        p[9],
    )
    for task in range(first, last):
        sums = out + task * size
        for _ in range(TILES):
            tiles.call(tile, rows, width, a, depth, 1, runs, depth, offsets, b, sums, width, sums, width)


KERNEL = Kernel(_tiles)


def peak(threads: int | None = None, seconds: float = 0.5) -> float:
    """GFLOP/s of float32 multiply-adds (two each) on so many threads, by default Numba's: the best of many runs."""
    before = get_num_threads()
    threads = threads or before
    tasks = threads * TASKS
    a, b = np.ones((ROWS, DEPTH), np.float32), np.ones((DEPTH, PANEL), np.float32)
    out, offsets = np.zeros((tasks, ROWS, PANEL), np.float32), np.zeros((RUNS, 2), np.int64)
    arguments = (tiles.address(4), ROWS, PANEL, DEPTH, RUNS, offsets, a, b, out, out[0].nbytes)
    launch = Launch(KERNEL, np.float32, tasks, arguments)
    set_num_threads(threads)
    try:
        launch.run()
        best, runs, end = np.inf, 0, time.perf_counter() + seconds
        while runs < 3 or time.perf_counter() < end:
            began = time.perf_counter()
            launch.run()
            best, runs = min(best, time.perf_counter() - began), runs + 1
    finally:
        set_num_threads(before)
    return float(2e-9 * tasks * TILES * RUNS * ROWS * DEPTH * PANEL / best)
