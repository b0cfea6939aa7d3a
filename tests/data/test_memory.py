import numpy as np
import pytest

from dlcli.data.memory import allocate
from dlcli.errors import EnvironmentFailure


def test_what_the_machine_has_is_given():
    array = allocate((3, 4), np.float64, "here")
    assert array.shape == (3, 4)
    assert array.dtype == np.float64


def test_no_more_than_the_machine_has_even_if_the_system_would_promise_it(monkeypatch):
    monkeypatch.setattr("dlcli.data.memory.os.sysconf", lambda name: 10)
    allocate((25,), np.float32, "here")
    with pytest.raises(EnvironmentFailure, match=r"here: needs 104 bytes .* shape \[26\].*the machine has 100"):
        allocate((26,), np.float32, "here")
