"""The kernel cache: private, keyed by the kernels' text, never a reason to fail. Each case is a process of its own."""

import os
import subprocess
import sys

import pytest

from dlcli import cache

KERNEL = """
import numpy as np
from numba import types
from dlcli.kernels import machine_code
from dlcli.kernels.addresses import typed_array
from dlcli.kernels.launch import address_of

compiled = []
compiler = machine_code._compile
machine_code._compile = lambda *arguments: compiled.append(arguments) or compiler(*arguments)

def increment(address, by):
    typed_array(address, 1, np.int64)[0] += np.int64(by)

def successor(n, of=types.intp):
    number = np.array([n])
    code = machine_code.address(increment, types.void(types.intp, of))
    machine_code.function(code, 2)(address_of(number), 1)
    return number[0]
"""
RUN_THE_KERNEL = """
from kernel import compiled, successor
assert successor(2) == 3
print(len(compiled))
"""


@pytest.fixture
def run(tmp_path):
    """Run code with a home and a temporary folder of its own; gives its output."""
    home = tmp_path / "home"
    (tmp_path / "tmp").mkdir()
    (tmp_path / "kernel.py").write_text(KERNEL)

    def run(code=RUN_THE_KERNEL, **changes):
        own = {"HOME": str(home), "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(tmp_path)}
        environment = {**os.environ, **own, **changes}
        for name in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR"):
            if name not in changes:
                environment.pop(name, None)
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "home" / ".cache" / "dlcli" / f"kernels-{cache.dlcli.__version__}-{cache.kernel_hash()}"


def test_a_second_process_finds_the_kernels_compiled(run, folder):
    assert run() == "1"
    (entry,) = folder.iterdir()
    assert entry.name.startswith("kernel.increment-")
    assert run() == "0"


def test_a_kernel_from_the_cache_needs_none_of_numbas_compiler(run):
    there = RUN_THE_KERNEL + "import sys; print('numba.np.arrayobj' in sys.modules)"
    assert run(there).split() == ["1", "True"]
    assert run(there).split() == ["0", "False"]


def test_entries_differ_by_types(run, folder):
    both = "from numba import types\n" + RUN_THE_KERNEL + "assert successor(2, types.int32) == 3; print(len(compiled))"
    assert run(both).split() == ["1", "2"]
    assert len(list(folder.iterdir())) == 2
    assert run(both).split() == ["0", "0"]


def test_the_folder_is_private_and_replaces_those_of_other_versions(run, folder):
    old = folder.parent / "kernels-0.0.1-0123456789abcdef"
    old.mkdir(parents=True)
    (old / "file").touch()
    other = folder.parent / "not-a-cache"
    other.mkdir()
    run("from dlcli import cache; cache.folder()")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not old.exists()
    assert other.exists()


def test_the_hash_is_of_every_kernel_file(tmp_path, monkeypatch):
    package = tmp_path / "dlcli"
    (package / "kernels").mkdir(parents=True)
    (package / "kernels" / "a.py").write_text("one")
    monkeypatch.setattr(cache.dlcli, "__file__", str(package / "__init__.py"))
    first = cache.kernel_hash()
    (package / "kernels" / "a.py").write_text("two")
    second = cache.kernel_hash()
    (package / "kernels" / "b.py").write_text("")
    assert len({first, second, cache.kernel_hash()}) == 3


def test_a_folder_that_others_can_write_to_is_not_used(run, folder):
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert run() == "1"
    assert not list(folder.iterdir())
    folder.rmdir()
    folder.symlink_to(folder.parent)
    assert run() == "1"
    assert list(folder.parent.iterdir()) == [folder]


def test_a_kernel_whose_module_has_changed_is_compiled_again(run, tmp_path):
    assert run() == "1"
    (tmp_path / "kernel.py").write_text(KERNEL + "\n")
    assert run() == "1"


@pytest.mark.parametrize("size", [0, 20, -1])
def test_a_truncated_entry_is_compiled_again(run, folder, size):
    run()
    (entry,) = folder.iterdir()
    entry.write_bytes(entry.read_bytes()[:size])
    assert run() == "1"
    assert run() == "0"


def test_an_entry_that_calls_what_is_not_there_is_compiled_again(run, folder):
    run()
    (entry,) = folder.iterdir()
    change = (
        "from dlcli import cache\n"
        f"symbol, called, code = cache.load({entry.name!r}).split(b'\\0', 2)\n"
        f"cache.save({entry.name!r}, b'\\0'.join([symbol, b'gone_with_the_wind', code]))\n"
    )
    run(change)
    assert run() == "1"
    assert run() == "0"


def test_a_cache_of_the_users_own_is_used(run, folder, tmp_path):
    (tmp_path / "own" / "kernels-mine").mkdir(parents=True)
    run(NUMBA_CACHE_DIR=str(tmp_path / "own"))
    assert list((tmp_path / "own" / "dlcli" / folder.name).iterdir())
    assert not folder.exists()
    assert (tmp_path / "own" / "kernels-mine").exists()


def test_the_xdg_folder_is_used(run, folder, tmp_path):
    run(XDG_CACHE_HOME=str(tmp_path / "xdg"))
    assert list((tmp_path / "xdg" / "dlcli" / folder.name).iterdir())


def test_without_a_home_a_temporary_folder_serves_the_process(run, tmp_path):
    where = "from dlcli import cache; print(cache.folder())"
    assert run(where, HOME="/proc/nowhere").startswith(str(tmp_path / "tmp" / "dlcli-"))
    assert run(HOME="/proc/nowhere") == "1"
    assert not list((tmp_path / "tmp").iterdir())


def test_where_nothing_can_be_written_kernels_are_compiled_in_memory(run):
    nowhere = "import dlcli.cache; dlcli.cache._writable_folders = lambda: iter(())\n"
    assert run(nowhere + RUN_THE_KERNEL) == "1"


def test_a_full_disk_is_no_failure(run, folder):
    full = "import os\ndef fail(*_): raise OSError(28, 'No space left on device')\nos.replace = fail\n"
    assert run(full + RUN_THE_KERNEL) == "1"
    assert not list(folder.iterdir())


def test_importing_dlcli_is_light(run):
    assert run("import sys, dlcli; print('numba' in sys.modules)") == "False"


def test_compiling_is_announced_once_and_only_where_the_cache_is_cold(run):
    announced = "from dlcli import cache; cache.announce(print)\nfrom numba import types\n" + RUN_THE_KERNEL
    announced = announced.replace("== 3", "== 3 == successor(2, types.int32)")
    assert run(announced).splitlines() == [cache.COMPILING, "2"]
    assert run(announced) == "0"
