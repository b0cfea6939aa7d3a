"""What every test needs before it starts."""

import os

# Numba reads it once, when it is imported: results must be the same for 1, 2 and 3 threads, on any machine.
os.environ["NUMBA_NUM_THREADS"] = "3"
