"""Compiling several kernels at once: Numba compiles one at a time in a process, so other processes help.

Helpers go through the missing kernels from the last to the first, this process from the first to the last; what a
helper has compiled is found in the cache. Nothing depends on them: what is missing still is compiled when it is run.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from numba import get_num_threads

from dlcli import cache
from dlcli.kernels.launch import Kernel, Wanted

FEW = 4  # kernels for each process: fewer are compiled as soon as a helper has started


def prepare(wanted: Sequence[Wanted]) -> None:
    """Compile those that the cache does not have, if they are many, on as many processes as Numba has threads."""
    missing = [each for each in dict.fromkeys(wanted) if not _is_there(each)]
    helpers = min(get_num_threads(), len(missing) // FEW) - 1
    if helpers < 1 or cache.folder() is None:
        return
    with ExitStack() as stack:
        running = [stack.enter_context(_Helper(missing[first::helpers][::-1])) for first in range(helpers)]
        for each in missing:
            if not _is_there(each) and all(helper.now() != each for helper in running):
                each.kernel.address(each.itemsize)
        for helper in running:
            helper.process.wait()


def _is_there(wanted: Wanted) -> bool:
    return cache.has(wanted.kernel.entry(wanted.itemsize))


class _Helper:
    """A process that compiles its share, in that order; it ends with the block."""

    def __init__(self, share: Sequence[Wanted]) -> None:
        self.share = share

    def __enter__(self) -> "_Helper":
        names = [f"{kernel.body.__module__}:{kernel.body.__name__}:{itemsize}" for kernel, itemsize in self.share]
        folders = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__, *names],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self

    def now(self) -> Wanted | None:
        """What it is at."""
        if self.process.poll() is not None:
            return None
        return next((each for each in self.share if not _is_there(each)), None)

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def main(names: Sequence[str]) -> None:
    """Compile kernels into the cache, each named by module, body and the bytes of its numbers."""
    for name in names:
        module, body, itemsize = name.split(":")
        wanted = Wanted(Kernel(getattr(importlib.import_module(module), body)), int(itemsize))
        if not _is_there(wanted):
            wanted.kernel.address(wanted.itemsize)


if __name__ == "__main__":
    main(sys.argv[1:])
