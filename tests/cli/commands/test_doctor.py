import json

from tests.cli.conftest import run


def test_json():
    result = run("doctor", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["problems"]) == (0, [])
    assert {"dlcli", "Python", "numba", "numpy", "processor", "threads", "kernel cache"} <= found["facts"].keys()


def test_text():
    lines = run("doctor").stdout.splitlines()
    assert lines[0].split()[0] == "dlcli"
