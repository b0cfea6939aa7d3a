"""Functions that Numba compiles once, and that later processes load without its compiler.

A compiled function is a C function of integers. Its machine code is kept in dlcli's own cache (`dlcli.cache`) and
loaded by LLVM's loader as it is. Numba's cache would bring its types and compiler with each function, which takes half
a second and 60 MB before the first one runs.
"""

import contextlib
import ctypes
import functools
import gc
import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llvmlite
import numba
from llvmlite import binding
from numba import njit
from numba.core import config
from numba.core.registry import cpu_target
from numba.core.runtime import _nrt_python

from dlcli import cache

settings: Any = config
# Those that a piece of code is loaded with live as long as the process.
_loaders: list[Any] = []


def address(function: Callable[..., None], signature: Any, *, parallel: bool = False) -> int:
    """Where the C function of a Python function for Numba is: of the types in ``signature``, which returns nothing.

    It runs without Python's lock. ``parallel``: whether its prange loops are dealt out to the threads.
    """
    name = entry(function, signature, parallel=parallel)
    content = cache.load(name)
    found = None if content is None else _load(content)
    if found is None:
        content = _compile(function, signature, parallel)
        cache.save(name, content)
        found = _load(content)
    if found is None:
        raise RuntimeError(f"{name} calls what is not there")
    return found


def function(place: int, arguments: int) -> Callable[..., None]:
    """A C function of so many integers, for Python."""
    # Of ctypes' kinds of integers, pointers are passed fastest.
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * arguments)(place)


def entry(function: Callable[..., None], signature: Any, *, parallel: bool = False) -> str:
    """The name of the cache's entry, by all that the code depends on beside the kernels' text."""
    target = cpu_target.target_context.codegen().magic_tuple()
    versions = numba.__version__, llvmlite.__version__, sys.implementation.cache_tag
    how = parallel, settings.OPT, settings.BOUNDSCHECK, settings.DEBUGINFO_DEFAULT
    facts = signature, target, versions, how, _text(function.__module__)
    digest = hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()
    return f"{function.__module__}.{function.__qualname__}-{digest}"


@functools.cache
def _text(module: str) -> str:
    """A digest of a module's text: it may be none of those by which the cache's folder is chosen."""
    path = getattr(sys.modules[module], "__file__", None)
    return hashlib.blake2b(Path(path).read_bytes(), digest_size=8).hexdigest() if path else ""


def _compile(function: Callable[..., None], signature: Any, parallel: bool) -> bytes:
    """The function's symbol, the names that its code calls, and the object file that holds it."""
    compiler: Any = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, parallel=parallel)(function)
    with _without_collecting():
        compiler.compile(signature)
    compiled = compiler.overloads[signature.args]
    _, _, (code, bitcode) = compiled.library.serialize_using_object_code()
    declared = [other.name for other in binding.parse_bitcode(bitcode).functions if other.is_declaration]
    called = [name for name in declared if not name.startswith("llvm.")]
    return b"\0".join([compiled.fndesc.llvm_cfunc_wrapper_name.encode(), " ".join(called).encode(), code])


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """The compiler makes millions of objects that live until it is done; looking for garbage is a tenth of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _load(content: bytes) -> int | None:
    """Where the function is, now; None where a name that it calls is not known: LLVM would call address 0."""
    symbol, called, code = content.split(b"\0", 2)
    _tell_names()
    if not all(binding.address_of_symbol(name) for name in called.decode().split()):
        return None
    # One loader for each, which owns its target: functions that two of them hold are each one's own.
    target = binding.Target.from_default_triple().create_target_machine(opt=3, jit=True)
    loader = binding.create_mcjit_compiler(binding.parse_assembly(""), target)
    _loaders.append(loader)
    loader.add_object_file(binding.ObjectFileRef.from_data(code))
    loader.finalize_object()
    return int(loader.get_function_address(symbol.decode()))


@functools.cache
def _tell_names() -> None:
    """Tell LLVM the names of Numba's own that code calls."""
    numba.get_num_threads()  # starts the threads, and tells their functions
    for name, place in _nrt_python.c_helpers.items():  # as Numba does once it has to compile
        binding.add_symbol(name if name.startswith("_") else f"NRT_{name}", place)
