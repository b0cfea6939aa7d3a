"""The kernel cache: private, keyed by the kernels' text, never a reason to fail. Each case is a process of its own."""

import os
import subprocess
import sys

import pytest

from dlcli import cache

KERNEL = """
import dlcli.kernels
from numba import njit

@njit(cache=True)
def successor(n):
    return n + 1
"""
RUN_THE_KERNEL = """
from kernel import successor
assert successor(2) == 3
print(sum(successor.stats.cache_hits.values()))  # 0 where it was compiled
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
    assert run() == "0"
    assert list(folder.rglob("*.nbc"))
    assert run() == "1"


def test_the_folder_is_private_and_replaces_those_of_other_versions(run, folder):
    old = folder.parent / "kernels-0.0.1-0123456789abcdef"
    old.mkdir(parents=True)
    (old / "file").touch()
    other = folder.parent / "not-a-cache"
    other.mkdir()
    run("import dlcli.kernels")
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


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_a_truncated_entry_is_compiled_again(run, folder, suffix):
    run()
    for path in folder.rglob(f"*.{suffix}"):
        path.write_bytes(path.read_bytes()[:20])
    assert run() == "0"
    assert run() == "1"


def test_a_cache_of_the_users_own_is_used(run, folder, tmp_path):
    run(NUMBA_CACHE_DIR=str(tmp_path / "own"))
    assert list((tmp_path / "own").rglob("*.nbc"))
    assert not folder.exists()


def test_the_xdg_folder_is_used(run, tmp_path):
    run(XDG_CACHE_HOME=str(tmp_path / "xdg"))
    assert list((tmp_path / "xdg" / "dlcli").rglob("*.nbc"))


def test_without_a_home_a_temporary_folder_serves_the_process(run, tmp_path):
    where = "import os, dlcli.kernels; print(os.environ['NUMBA_CACHE_DIR'])"
    assert run(where, HOME="/proc/nowhere").startswith(str(tmp_path / "tmp" / "dlcli-"))
    assert run(HOME="/proc/nowhere") == "0"
    assert not list((tmp_path / "tmp").iterdir())


def test_where_nothing_can_be_written_kernels_are_compiled_in_memory(run):
    nowhere = "import dlcli.cache; dlcli.cache._writable_folders = lambda: iter(())\n"
    assert run(nowhere + RUN_THE_KERNEL) == "0"


def test_a_full_disk_is_no_failure(run):
    full = (
        "import dlcli.kernels, numba.core.caching as c\n"
        "def fail(self, *_): raise OSError(28, 'No space left on device')\n"
        "c.IndexDataCacheFile._save_index = fail\n"
    )
    assert run(full + RUN_THE_KERNEL) == "0"


def test_importing_dlcli_is_light(run):
    assert run("import sys, dlcli; print('numba' in sys.modules)") == "False"


def test_compiling_is_announced_once_and_only_where_the_cache_is_cold(run):
    announced = "from dlcli import cache; cache.announce(print)\n" + RUN_THE_KERNEL
    assert run(announced.replace("== 3", "== 3 and successor(2.0) == 3")).splitlines() == [cache.COMPILING, "0"]
    assert run(announced) == "1"
