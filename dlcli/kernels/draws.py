"""Random numbers of samples, from Philox words: those of sample n in an epoch have counters (0, 1, …; n, epoch, 0)."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from dlcli.kernels.addresses import place, typed_array
from dlcli.kernels.launch import Kernel, Launch, Planned
from dlcli.kernels.philox import block

Array = npt.NDArray[Any]

STEP = 2.0**-32  # between neighbours of the numbers that 32 bits give


def _draws(p, first, last, shared, scratch):
    """out (n, count) ← uniform numbers, (word + ½) / 2³², or the normal ones that pairs of them become."""
    key, epoch, samples, out, count, normal = typed_array(p[0], 1, np.uint64)[0], p[1], p[2], p[3], p[4], p[5]
    quads = (count + 3) // 4
    uniform = typed_array(place(scratch), 4 * quads, np.float64)
    for n in range(first, last):
        sample = typed_array(samples + 8 * n, 1, np.int64)[0]
        for quad in range(quads):
            w0, w1, w2, w3 = block(key, quad, sample, epoch, 0)
            uniform[4 * quad] = (np.float64(w0) + 0.5) * STEP
            uniform[4 * quad + 1] = (np.float64(w1) + 0.5) * STEP
            uniform[4 * quad + 2] = (np.float64(w2) + 0.5) * STEP
            uniform[4 * quad + 3] = (np.float64(w3) + 0.5) * STEP
        row = typed_array(out + 8 * n * count, count, np.float64)
        for i in range(count):
            if normal:  # G. Box, M. Muller, "A note on the generation of random normal deviates" (1958)
                radius = math.sqrt(-2.0 * math.log(uniform[i - i % 2]))
                angle = 2.0 * math.pi * uniform[i - i % 2 + 1]
                row[i] = radius * (math.sin(angle) if i % 2 else math.cos(angle))
            else:
                row[i] = uniform[i]


_DRAWS = Kernel(_draws)


def _plan(key: int, epoch: int, samples: Array, out: Array, normal: bool) -> list[Launch]:
    arguments = (np.array([key], np.uint64), epoch, samples, out, out.shape[1], normal)
    return [Launch(_DRAWS, np.float32, len(out), arguments, parallel=False, scratch=32 * -(-out.shape[1] // 4))]


@Planned
def uniform(key: int, epoch: int, samples: Array, out: Array) -> list[Launch]:
    """out (n, count) float64 ← uniform numbers between 0 and 1, both excluded, for samples (n,) int64."""
    return _plan(key, epoch, samples, out, False)


@Planned
def normal(key: int, epoch: int, samples: Array, out: Array) -> list[Launch]:
    """out (n, count) float64 ← normal numbers of mean 0 and deviation 1, for samples (n,) int64."""
    return _plan(key, epoch, samples, out, True)
