"""What dlcli runs on, and what is wrong with it."""

import importlib
import importlib.metadata
import os
import platform
import re
from dataclasses import dataclass, field

import dlcli
from dlcli import cache
from dlcli.report.table import size

EXTRAS = {"images": "PIL", "plots": "matplotlib"}  # extra → the module that it brings
INSTRUCTIONS = ("avx512f", "avx2", "fma", "neon")  # what kernels gain from


@dataclass
class Report:
    """``facts`` are name → value; ``warnings`` cost time only; ``problems`` keep dlcli from working."""

    facts: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def examine() -> Report:
    """Look at versions, processor, threads, kernel cache, memory and extras, and run a kernel."""
    report = Report({"dlcli": dlcli.__version__, "Python": platform.python_version(), "system": platform.platform()})
    _versions(report)
    _extras(report)
    if not report.problems:
        try:
            _kernels(report)
        except Exception as error:  # whatever keeps a kernel from running is the finding
            report.problems.append(f"a kernel does not run: {type(error).__name__}: {error}")
    return report


def _versions(report: Report) -> None:
    """The required packages, as the installed dlcli declares them."""
    for requirement in importlib.metadata.requires("dlcli") or []:
        if "extra ==" in requirement:
            continue
        name, minimum = re.match(r"([\w.-]+)\s*(?:>=\s*([\d.]+))?", requirement).groups()  # type: ignore[union-attr]
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            report.problems.append(f"{name} is missing; expected {requirement}")
            continue
        report.facts[name] = found
        if minimum and _numbers(found) < _numbers(minimum):
            report.problems.append(f"{name}: found version {found}, expected at least {minimum}")


def _extras(report: Report) -> None:
    for extra, module in EXTRAS.items():
        try:
            found = str(getattr(importlib.import_module(module), "__version__", "installed"))
        except ImportError:
            found = f"not installed (pip install 'dlcli[{extra}]')"
        report.facts[f"extra {extra}"] = found


def _kernels(report: Report) -> None:
    """Processor, threads and cache, as the kernels see them; imports them, and runs one."""
    import numba
    import numpy as np
    from llvmlite import binding

    features = {name for name, there in binding.get_host_cpu_features().items() if there}
    usable = [name for name in INSTRUCTIONS if name in features]
    instructions = ", ".join(usable) or "no vector instructions known"
    report.facts["processor"] = f"{binding.get_host_cpu_name()} ({instructions})"
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = numba.get_num_threads()
    report.facts["threads"] = f"{threads} of {available} cores"
    if threads > available:
        report.warnings.append(f"{threads} threads share {available} cores; --threads {available} is faster")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    report.facts["memory"] = size(memory)
    if numba.config.DISABLE_JIT:
        report.warnings.append("NUMBA_DISABLE_JIT is set: kernels run as plain Python, very slowly")
    _cache(report)
    from dlcli.kernels.activation import CODES, forward

    y = np.empty((1, 3), np.float32)
    forward(CODES["relu"], np.array([[-1, 0, 2]], np.float32), y)
    if y.tolist() != [[0, 0, 2]]:
        report.problems.append(f"a kernel computes nonsense: relu of -1, 0, 2 gave {y.tolist()}")


def _cache(report: Report) -> None:
    folder = cache.folder()
    if folder is None:
        report.facts["kernel cache"] = "none"
        report.warnings.append("no folder can be written: every process compiles its kernels anew")
        return
    held = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    report.facts["kernel cache"] = f"{folder} ({size(held)})"
    if not cache.lasts():
        report.warnings.append("the kernel cache is temporary: every process compiles its kernels anew")


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, for comparison."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
