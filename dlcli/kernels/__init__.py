"""Numba kernels: plain arrays in, the caller's arrays out. They know no layer."""

import os

# Between kernels a thread waits some microseconds; GNU's OpenMP would spin for milliseconds, which on a machine that
# others use too makes each wait cost a time slice: LeNet then trains several times slower. Read when Numba starts.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "20000"
