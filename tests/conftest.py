"""What every test needs before it starts."""

import os

# Numba reads it once, when it is imported: results must be the same for 1, 2 and 3 threads, on any machine.
os.environ["NUMBA_NUM_THREADS"] = "3"
# Several test processes share the cores: a thread that waits must not spin on a core that another could use.
os.environ["OMP_WAIT_POLICY"] = "passive"

import hypothesis
import numba
import pytest

numba.set_num_threads(1)  # unless a test asks for more: the suite's own workers keep the processors busy

hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)  # the same cases on every machine
hypothesis.settings.load_profile("suite")


@pytest.fixture
def threads():
    """Sets the number of threads, until the test is over."""
    yield numba.set_num_threads
    numba.set_num_threads(1)
