"""The driver's side of a worker: a process that builds and times what it is told, over pipes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parent.parent
# dlcli has GNU's OpenMP spin but briefly at a barrier (see dlcli/kernels/__init__.py). PyTorch's default is to spin for
# milliseconds, which on a machine that others use makes its steps hundreds of times slower, and would flatter dlcli.
# So all contenders wait alike, unless the caller's environment says how.
WAIT = ("GOMP_SPINCOUNT", "20000")


def environment() -> dict[str, str]:
    """A worker's."""
    told = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys()
    return dict(os.environ) if told else {**os.environ, WAIT[0]: WAIT[1]}


def waiting() -> str:
    """How threads wait, for the record."""
    return ", ".join(f"{k}={v}" for k, v in environment().items() if k in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"))


class WorkerError(Exception):
    """A worker died; its own message stands on stderr."""


class Worker:
    """One contender's process.

    The driver imports nothing large: a child's peak memory starts at its parent's.

    Attributes
    ----------
    facts: what ``prepare`` found, e.g. versions.
    imported: megabytes resident after the imports.
    """

    def __init__(self, module: str, threads: int) -> None:
        self.module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.workers.serve", module, str(threads)],
            cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        ready = self._answer()
        self.facts: dict[str, Any] = ready["facts"]
        self.imported: float = ready["imported"]

    def make(self, **job: Any) -> dict[str, Any]:
        """Build a job; returns its ``works`` (names) and ``facts``."""
        return self._ask({"do": "make", "job": job})

    def run(self, work: str, count: int, untimed: int = 1) -> dict[str, Any]:
        """Seconds of ``count`` runs in a row (``times``) and the last ``result``."""
        return self._ask({"do": "run", "work": work, "count": count, "untimed": untimed})

    @property
    def pid(self) -> int:
        return self._process.pid

    def peak(self) -> float:
        """Peak resident megabytes so far."""
        return float(self._ask({"do": "peak"})["peak"])

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
        except BrokenPipeError as error:
            raise WorkerError(f"{self.module} has gone") from error
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"{self.module} ended with exit code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if kind is not None:
            self._process.terminate()
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def compile_kernels(module: str, threads: int, work: str, job: dict[str, Any]) -> None:
    """Run a job once in a process that then ends, so that the one that is measured finds its kernels compiled.

    PyTorch's are when it is installed; the compiler's memory would count in a net's peak.
    """
    with Worker(module, threads) as worker:
        worker.make(**job)
        worker.run(work, 1, untimed=0)
