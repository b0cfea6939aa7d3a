"""What tests of kernels share."""

import numba
import pytest


@pytest.fixture
def threads():
    """Sets the number of threads, until the test is over."""
    yield numba.set_num_threads
    numba.set_num_threads(1)
