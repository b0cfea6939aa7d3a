"""Sequential Gibbs sampling of binary units that are all coupled (Geman and Geman 1984; Ackley et al. 1985)."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from dlcli.kernels.addresses import array, place, typed_array
from dlcli.kernels.launch import Kernel, Launch, Planned
from dlcli.kernels.philox import draw, held, signed

Array = npt.NDArray[Any]

STEP = 2.0**-32  # between neighbours of the numbers that 32 bits give
SERIAL = 20_000  # couplings visited below which waking the threads costs more than it saves


def _sweeps(p, first, last, shared, scratch):
    """A unit's total input is kept for all units: a unit that changes adds its row of couplings to it, or takes it."""
    key, time = np.uint64(p[0]), typed_array(p[1], 1, np.int64)[0]
    units, sweeps = p[5], p[6]
    itemsize = array(p[3], 1, scratch).itemsize
    total = typed_array(place(scratch), units, np.float64)
    words = typed_array(place(scratch) + 8 * units, 4 * ((units + 3) // 4), np.uint32)
    bias = array(p[3], units, scratch)
    for n in range(first, last):
        s = array(p[4] + n * units * itemsize, units, scratch)
        for i in range(units):
            total[i] = bias[i]
        for i in range(units):
            if s[i] != 0:
                row = array(p[2] + i * units * itemsize, units, scratch)
                for j in range(units):
                    total[j] += row[j]
        for sweep in range(sweeps):
            draw(key, time + sweep, n, 0, words)
            for i in range(units):
                u = (np.float64(words[i]) + 0.5) * STEP
                on = total[i] > math.log(u / (1.0 - u))  # as often as u < sigmoid(total)
                if on != (s[i] != 0):
                    change = 1.0 if on else -1.0
                    s[i] = change if on else 0.0
                    row = array(p[2] + i * units * itemsize, units, scratch)
                    for j in range(units):
                        total[j] += change * row[j]


_SWEEPS = Kernel(_sweeps)


@Planned
def sweeps(key: int, time: Array | int, couplings: Array, bias: Array, count: int, states: Array) -> list[Launch]:
    """states (chains, units) of 0 and 1 ← those after ``count`` sweeps, in which every unit is drawn in turn.

    A unit i is 1 with probability sigmoid(bias_i + Σ_j couplings_ij s_j). couplings: (units, units), symmetric, with
    zeros on the diagonal. bias: (units,). The draws of sweep t have the address time + t, ``time`` being a number or
    an int64 array that holds it.
    """
    units = len(bias)
    arguments = (signed(key), held(time), couplings, bias, states, units, count)
    work = len(states) * units * units * count
    scratch = 8 * units + 4 * (units + 3)
    return [Launch(_SWEEPS, states.dtype, len(states), arguments, parallel=work >= SERIAL, scratch=scratch)]
