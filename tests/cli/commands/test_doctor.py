import json
import subprocess
import sys

from tests.cli.conftest import run


def test_json():
    result = run("doctor", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["problems"]) == (0, [])
    assert {"dlcli", "Python", "numba", "numpy", "processor", "threads", "kernel cache"} <= found["facts"].keys()


def test_text():
    lines = run("doctor").stdout.splitlines()
    assert lines[0].split()[0] == "dlcli"


def test_threads_are_set_before_numba_is_imported(environment):
    command = [sys.executable, "-m", "dlcli", "doctor", "--json", "--threads", "1"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["facts"]["threads"].startswith("1 of ")
