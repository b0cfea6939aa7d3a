"""Kernels compiled before they run, by several processes; a rehearsal, which tells them, computes nothing."""

import importlib
import os
import pkgutil
import subprocess
import sys

import numpy as np
import pytest

from dlcli import kernels
from dlcli.kernels import activation, launch
from dlcli.kernels.activation import CODES
from dlcli.kernels.launch import Choice, Kernel, Wanted, rehearsal

PROGRAM = """
import sys
import numpy as np
from dlcli import cache
from dlcli.kernels import activation, ahead, bias, flat, machine_code, sink
from dlcli.kernels.launch import Kernel, Wanted

modules = {m.__name__: m for m in (activation, bias, flat, sink)}
kernels = [k for m in modules.values() for k in vars(m).values() if isinstance(k, Kernel)]
wanted = [Wanted(kernel, size) for kernel in kernels for size in (4, 8)]
compiled, compiler = [], machine_code._compile
machine_code._compile = lambda *arguments: compiled.append(arguments) or compiler(*arguments)
CHANGE
ahead.prepare(wanted)
here = len(compiled)
print(len(set(wanted)), here, sum(map(ahead._is_there, set(wanted))))
for each in wanted:
    each.kernel.address(each.itemsize)
print(len(compiled) - here)
"""


@pytest.fixture
def run(tmp_path):
    def run(change="", threads=2):
        done = subprocess.run(
            [sys.executable, "-P", "-c", PROGRAM.replace("CHANGE", change)],
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path), "NUMBA_NUM_THREADS": str(threads)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [int(number) for number in done.stdout.split()]

    return run


def test_helpers_compile_a_part_of_what_is_missing(run):
    wanted, here, there, late = run()
    assert wanted >= 8
    assert 0 < here < wanted == there
    assert late == 0
    assert run() == [wanted, 0, wanted, 0]


@pytest.mark.parametrize(
    "change",
    [
        "ahead.sys = type('Sys', (), {'executable': '/bin/false'})",
        "ahead.sys = type('Sys', (), {'executable': '/nowhere'})",  # Popen raises OSError
    ],
)
def test_a_helper_that_fails_leaves_its_share_for_later(run, change):
    wanted, here, there, late = run(change)
    assert here + late == wanted
    assert there >= here


@pytest.mark.parametrize(
    ("change", "threads"),
    [
        ("", 1),
        ("wanted = wanted[:3]", 2),
        ("cache._writable_folders = lambda: iter(())", 2),
        ("import os; os.environ['HOME'] = '/proc/nowhere'; del os.environ['XDG_CACHE_HOME']", 2),
    ],
)
def test_without_threads_a_folder_or_much_to_do_kernels_wait_until_they_run(run, change, threads):
    wanted, here, there, late = run(change, threads)
    assert (here, there) == (0, 0)
    assert late == wanted


def test_helpers_import_nothing_of_the_working_directory(run, tmp_path, monkeypatch):
    (tmp_path / "enum.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    wanted, here, _, late = run()
    assert (here < wanted, late) == (True, 0)


def test_without_the_jit_nothing_is_compiled():
    code = PROGRAM[: PROGRAM.index("compiled, compiler")] + "ahead.prepare(wanted)"
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_kernels_are_found_by_module_and_name():
    """Helpers look for them so, and the cache's entries are called so."""
    modules = [importlib.import_module(f"dlcli.kernels.{each.name}") for each in pkgutil.iter_modules(kernels.__path__)]
    found = {id(k): k for module in modules for k in vars(module).values() if isinstance(k, Kernel)}
    bodies = [kernel.body for kernel in found.values()]
    assert len(bodies) > 50
    assert len({(body.__module__, body.__name__) for body in bodies}) == len(bodies)
    for body in bodies:
        assert getattr(sys.modules[body.__module__], body.__qualname__) is body


def test_a_rehearsal_runs_nothing_and_tells_every_kernel():
    x, y, z = np.full((2, 3), -1.0), np.zeros((2, 3)), np.zeros((2, 3))
    (first,), (second,), (third,) = (activation.forward.plan(CODES["relu"], x, out) for out in (y, z, x.copy()))
    choice = Choice(first, lambda: True, [second], [third])
    y[:], z[:] = 7, 7
    with rehearsal() as wanted:
        choice.run()
        with rehearsal() as inner:
            second.run()
    assert wanted == 3 * [Wanted(first.kernel, 8)]
    assert inner == [Wanted(first.kernel, 8)]
    assert (y == 7).all()
    assert (z == 7).all()
    choice.run()
    assert not y.any()
    assert not z.any()
    with rehearsal() as wanted:  # what has run before runs
        y[:] = 7
        choice.run()
    assert not y.any()
    assert wanted == [Wanted(third.kernel, 8)]
    assert launch._wanted() is None
