"""Compiling several kernels at once: Numba compiles one at a time in a process, so other processes help.

Helpers go through the missing kernels from the last to the first, this process from the first to the last; what a
helper has compiled is found in the cache. Nothing depends on them: what is missing still is compiled when it is run.
"""

import contextlib
import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from numba import get_num_threads

from dlcli import cache
from dlcli.kernels.launch import Kernel, Wanted
from dlcli.kernels.vectors import JIT_OFF

FEW = 4  # kernels for each process: fewer are compiled as soon as a helper has started


def prepare(wanted: Sequence[Wanted]) -> None:
    """Compile those that the cache does not have, if they are many, on as many processes as Numba has threads."""
    if JIT_OFF or not cache.lasts():
        return
    missing = [each for each in dict.fromkeys(wanted) if not _is_there(each)]
    helpers = min(get_num_threads(), len(missing) // FEW) - 1
    if helpers < 1:
        return
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(_Helper(missing[first::helpers][::-1])) for first in range(helpers)]
        for each in missing:
            if not _is_there(each) and all(helper.now() != each for helper in running):
                each.kernel.address(each.itemsize)
        for helper in running:
            helper.wait()


def _is_there(wanted: Wanted) -> bool:
    return cache.has(wanted.kernel.entry(wanted.itemsize))


class _Helper:
    """A process that compiles its share, in that order; it ends with the block."""

    def __init__(self, share: Sequence[Wanted]) -> None:
        self.share = share
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "_Helper":
        names = [f"{kernel.body.__module__}:{kernel.body.__name__}:{itemsize}" for kernel, itemsize in self.share]
        folders = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        with contextlib.suppress(OSError):  # no more processes, or no memory for one
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, *names],  # -P: nothing of the working directory is imported
                env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        return self

    def now(self) -> Wanted | None:
        """What it is at."""
        if self._process is None or self._process.poll() is not None:
            return None
        return next((each for each in self.share if not _is_there(each)), None)

    def wait(self) -> None:
        """Until it has done its share."""
        if self._process is not None:
            self._process.wait()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def main(names: Sequence[str]) -> None:
    """Compile kernels into the cache, each named by module, body and the bytes of its numbers."""
    for name in names:
        module, body, itemsize = name.split(":")
        wanted = Wanted(Kernel(getattr(importlib.import_module(module), body)), int(itemsize))
        if not _is_there(wanted):
            wanted.kernel.address(wanted.itemsize)


if __name__ == "__main__":
    main(sys.argv[1:])
