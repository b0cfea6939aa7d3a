"""How kernels run: compiled once each, called by address, their tasks dealt out to the threads.

A kernel is a function

    kernel(p, first, last, shared, scratch)

that does the tasks first … last of a launch. ``p`` is a record of integers, read by index: sizes, addresses of arrays
(`addresses.array` makes them arrays again), and the bits of floats (`addresses.number`). ``shared`` is the address of
scratch memory that all the workers see, ``scratch`` a pointer to a worker's own; its type, float32 or float64, is the
type of the numbers that the kernel computes with.

One launcher serves all kernels, so that only it is compiled as a parallel function: a kernel costs the time of a few
loops. A `Launch` is a kernel with its record, made once for arrays that stay where they are and run at every step; it
costs a microsecond, or a few where the threads are woken.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import get_num_threads, njit, prange, types
from numba.extending import intrinsic

from dlcli.kernels import machine_code
from dlcli.kernels.vectors import I64, JIT_OFF

Array = npt.NDArray[Any]
ALIGNMENT = 64  # bytes: a cache line, and the widest vector

# piece() makes a function that kernels alone call: without what Python would need for that, a quarter of the compiler's
# time for one.
piece: Any = functools.partial(njit, no_cpython_wrapper=True, no_cfunc_wrapper=True)

_TYPES = {4: types.float32, 8: types.float64}
_LOCAL = threading.local()
_UNPLACED = object()  # the token of a launch that has no memory yet, see `_memory`


class Rows(NamedTuple):
    """An argument (…, columns) whose rows may lie apart, but evenly, as part of a larger array: a kernel that takes it
    is told how far, too.
    """

    array: Array

    @property
    def apart(self) -> int:
        """Numbers from one row's first element to the next one's; ValueError where that differs."""
        array = self.array
        shape, strides = array.shape[:-1], array.strides
        step = next((strides[i] for i in reversed(range(len(shape))) if shape[i] > 1), array.shape[-1] * array.itemsize)
        even = all(n == 1 or strides[i] == step * prod(shape[i + 1 :]) for i, n in enumerate(shape))
        if not even or (array.shape[-1] > 1 and strides[-1] != array.itemsize):
            raise ValueError(f"kernels take evenly spaced rows, found strides {strides} for shape {array.shape}")
        return step // array.itemsize


Argument = Array | Rows | int | float


class Kernel:
    """A kernel's body, compiled for float32 and for float64 when first wanted, and found in the cache after that."""

    def __init__(self, body: Callable[..., None]) -> None:
        self.body = body
        self._addresses: dict[int, int] = {}

    def address(self, itemsize: int) -> int:
        """The C function of float32 (4) or float64 (8)."""
        found = self._addresses.get(itemsize)
        if found is None:
            found = self._addresses[itemsize] = machine_code.address(self.body, _signature(itemsize))
        return found

    def entry(self, itemsize: int) -> str:
        """The name under which the cache has it."""
        return machine_code.entry(self.body, _signature(itemsize))


def _signature(itemsize: int) -> Any:
    scratch = types.CPointer(_TYPES[itemsize])
    return types.void(types.CPointer(types.int64), types.intp, types.intp, types.intp, scratch)


class Wanted(NamedTuple):
    """A kernel, and the bytes of a number that it is wanted for."""

    kernel: Kernel
    itemsize: int


@contextlib.contextmanager
def rehearsal() -> Iterator[list[Wanted]]:
    """Inside, launches that have never run do not run, but tell what they want."""
    before, wanted = _wanted(), list[Wanted]()
    _LOCAL.wanted = wanted
    try:
        yield wanted
    finally:
        _LOCAL.wanted = before


def _wanted() -> list[Wanted] | None:
    """What launches of this thread tell it to, in a rehearsal."""
    found: list[Wanted] | None = _LOCAL.__dict__.get("wanted")
    return found


class Launch:
    """A kernel and its arguments, ready to run.

    Parameters
    ----------
    kernel: what runs.
    like: the type of its numbers.
    tasks: how many tasks there are; each worker takes a share of neighbours.
    arguments: the record: arrays (kept alive, passed as addresses), integers and floats. Arrays are contiguous, but
        for `Rows`.
    parallel: whether the work is worth waking the threads.
    shared, scratch: bytes of scratch memory, for all and for each worker. Launches that follow each other in one plan
        and ask for as many shared bytes find there what the one before has left; nothing else outlives a launch.
    """

    __slots__ = (
        "_call", "_call_at", "_kept", "_p", "_parallel", "_record", "_run", "_scratch", "_shared", "_tasks", "_token",
        "_workers", "kernel", "like",
    )  # fmt: skip

    def __init__(
        self,
        kernel: Kernel,
        like: npt.DTypeLike,
        tasks: int,
        arguments: tuple[Argument, ...],
        *,
        parallel: bool = True,
        shared: int = 0,
        scratch: int = 0,
    ) -> None:
        self.kernel, self.like = kernel, np.dtype(like)
        self._tasks, self._parallel = tasks, parallel and tasks > 1
        self._shared, self._scratch = _aligned(shared), _aligned(scratch)
        self._kept = arguments
        self._record = np.array([_integer(argument) for argument in arguments], np.int64)
        self._p = address_of(self._record)
        self._call = np.zeros(7, np.int64)  # what the launcher reads, see `_serially` and `_in_parallel`
        self._call_at = address_of(self._call)
        self._run: Callable[[int], None] | None = None  # the launcher, once it has been run
        self._workers, self._token = 0, _UNPLACED

    def run(self) -> None:
        """Do it, on as many threads as Numba has been told to use."""
        workers = min(get_num_threads(), self._tasks) if self._parallel else 1
        if (workers != self._workers or self._token is not _LOCAL.__dict__.get("token")) and not self._prepare(workers):
            return
        self._run(self._call_at)  # type: ignore[misc]

    def _prepare(self, workers: int) -> bool:
        """Fill in the call, for so many workers and this thread's memory; False in a rehearsal."""
        wanted, itemsize = _wanted(), self.like.itemsize
        if wanted is not None and self._run is None:
            wanted.append(Wanted(self.kernel, itemsize))
            return False
        shared, scratch = _memory("shared", self._shared), _memory("scratch", workers * self._scratch)
        self._workers, self._token = workers, _LOCAL.token
        if JIT_OFF:
            self._run = lambda _: self._run_body(workers, shared, scratch)
        else:
            self._call[:] = self.kernel.address(itemsize), self._p, self._tasks, shared, scratch, self._scratch, workers
            self._run = _launcher(workers > 1)
        return True

    def _run_body(self, workers: int, shared: int, scratch: int) -> None:
        for worker in range(workers):
            own = _Scratch(scratch + worker * self._scratch, self.like)
            first, last = worker * self._tasks // workers, (worker + 1) * self._tasks // workers
            self.kernel.body(self._record.tolist(), first, last, shared, own)


class Choice(Launch):
    """One of two plans, as the numbers are when it runs: ``ask`` looks at them, ``answer`` says if it is ``yes``."""

    __slots__ = ("_answer", "_no", "_yes")

    def __init__(self, ask: Launch, answer: Callable[[], bool], yes: list[Launch], no: list[Launch]) -> None:
        for name in Launch.__slots__:
            setattr(self, name, getattr(ask, name))
        self._answer, self._yes, self._no = answer, yes, no

    def run(self) -> None:
        super().run()
        chosen = self._yes if self._answer() else self._no
        for launch in chosen if _wanted() is None else [*self._yes, *self._no]:
            launch.run()


class Planned:
    """A function of arrays that is planned as launches: called, it plans and runs; ``plan`` gives the launches.

    Whoever runs the same arrays again and again keeps the plan (see `dlcli.layers.base.Arrays.run`).
    """

    def __init__(self, plan: Callable[..., list[Launch]]) -> None:
        self.plan = plan
        functools.update_wrapper(self, plan)

    def __call__(self, *arguments: Any) -> None:
        for launch in self.plan(*arguments):
            launch.run()


class _Scratch:
    """A typed pointer, where there is no JIT."""

    def __init__(self, address: int, dtype: np.dtype[Any]) -> None:
        self.address, self.dtype = address, dtype


def address_of(array: Array) -> int:
    """Where an array's first element lies."""
    return int(array.__array_interface__["data"][0])


def begins(buffer: Array, x: Array) -> bool:
    """Whether x, a contiguous array, is the beginning of a contiguous buffer."""
    return address_of(x) == address_of(buffer) and x.dtype == buffer.dtype and x.flags.c_contiguous


def _integer(argument: Argument) -> int:
    if isinstance(argument, Rows):
        return address_of(argument.array)
    if isinstance(argument, np.ndarray):
        if not argument.flags.c_contiguous:
            raise ValueError(f"kernels take contiguous arrays, found strides {argument.strides}")
        return address_of(argument)
    if isinstance(argument, float):
        return int(np.float64(argument).view(np.int64))
    return int(argument)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _memory(kind: str, size: int) -> int:
    """The address of memory of this thread's own, which only grows; a new ``_LOCAL.token`` says that some has moved."""
    held: Any = _LOCAL.__dict__.get(kind)
    if held is None or held[1] < size:
        buffer = np.empty(size + ALIGNMENT, np.uint8)
        held = _LOCAL.__dict__[kind] = (_aligned(address_of(buffer)), size, buffer)
        _LOCAL.token = object()
    address: int = held[0]
    return address


@intrinsic
def _call(typing, function, p, first, last, shared, scratch):
    def codegen(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.VoidType(), [I64] * 5).as_pointer()
        builder.call(builder.inttoptr(arguments[0], kind), arguments[1:])
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6), codegen


@functools.cache
def _launcher(parallel: bool) -> Callable[[int], None]:
    """What runs a call, given its address: one argument, since Python takes longer for each than the launcher does."""
    body, signature = _in_parallel if parallel else _serially, types.void(types.CPointer(types.int64))
    return machine_code.function(machine_code.address(body, signature, parallel=parallel), 1)


def _serially(call):
    _call(call[0], call[1], 0, call[2], call[3], call[4])


def _in_parallel(call):
    function, p, tasks, shared, scratch, stride, workers = call[0], call[1], call[2], call[3], call[4], call[5], call[6]
    for index in prange(workers):
        worker = np.intp(index)
        first, last = worker * tasks // workers, (worker + 1) * tasks // workers
        _call(function, p, first, last, shared, scratch + worker * stride)
