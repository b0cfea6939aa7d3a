"""The products of dense and convolution layers beside PyTorch's, shape by shape, interleaved in one run.

Run:  python bench/kernels.py [--threads N] [--seconds S] [NAME …]     (needs torch; NAME: the beginning of a shape's)

Each line is a product: GFLOP/s of both at the minimum and the median, the ratio of the median times, and dlcli's share
of the peak that the bare tile reaches on as many threads. PyTorch's figure is the better of contiguous and channels
last. Additions and multiplications with padding count for both, though neither does all of them, so that a share may
pass 100 %. dlcli's weight gradient includes the update by eq. (4); PyTorch's does not.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np
import torch

from dlcli.kernels import conv2d, dense
from dlcli.kernels import tile as tiles
from dlcli.kernels.activation import LINEAR
from dlcli.kernels.sink import UPDATE

DENSE = {"mlp1": (100, 784, 500), "mlp2": (100, 500, 500), "mlp3": (100, 500, 2000), "mlp4": (100, 2000, 10)}


class Convolution(NamedTuple):
    """Images, their side and channels; kernel side, filters, stride, padding, groups."""

    images: int
    side: int
    channels: int
    kernel: int
    filters: int
    stride: int = 1
    padding: int = 0
    groups: int = 1


CONVOLUTIONS = {
    "lenet1": Convolution(64, 28, 1, 5, 20),
    "lenet2": Convolution(64, 12, 20, 5, 50),
    "cifar1": Convolution(100, 32, 3, 5, 32, padding=2),
    "cifar2": Convolution(100, 16, 32, 5, 32, padding=2),
    "cifar3": Convolution(100, 8, 32, 5, 64, padding=2),
    "alexnet1": Convolution(32, 227, 3, 11, 96, stride=4),
    "alexnet2": Convolution(32, 27, 96, 5, 256, padding=2, groups=2),
    "alexnet3": Convolution(32, 13, 256, 3, 384, padding=1),
    "vgg1_1": Convolution(8, 224, 3, 3, 64, padding=1),
    "vgg1_2": Convolution(8, 224, 64, 3, 64, padding=1),
    "vgg3_2": Convolution(8, 56, 256, 3, 256, padding=1),
    "vgg5_1": Convolution(8, 14, 512, 3, 512, padding=1),
    "googlenet1": Convolution(16, 224, 3, 7, 64, stride=2, padding=3),
    "googlenet3a_1x1": Convolution(16, 28, 192, 1, 64),
    "googlenet4a_3x3": Convolution(16, 14, 96, 3, 208, padding=1),
    "googlenet5b_1x1": Convolution(16, 7, 832, 1, 384),
    "googlenet5b_5x5": Convolution(16, 7, 48, 5, 128, padding=2),
}
FIRST = ("lenet1", "cifar1", "alexnet1", "vgg1_1", "googlenet1")  # nobody asks for the gradient of an image

Work = Callable[[], object]


def random(*shape: int) -> np.ndarray:
    """Uniform in [0, 1)."""
    return np.random.default_rng(0).random(shape, np.float32)


def interleaved(works: list[Work], seconds: float) -> list[list[float]]:
    """Times of each of ``works``, taken in turn; of one thread, its own time, whoever else is on the machine."""
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    for work in works:
        work()
    times: list[list[float]] = [[] for _ in works]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 3:
        for work, taken in zip(works, times, strict=True):
            start = clock()
            work()
            taken.append(clock() - start)
    return times


@numba.njit(parallel=True)
def _bare_tiles(threads, tile, rows, repeats, offsets, a, b, out):
    for thread in numba.prange(threads):
        for _ in range(repeats):
            address = out[thread].ctypes.data
            tiles.call(
                tile, rows, tiles.PANEL, a.ctypes.data, 256, 1, 1, 256, offsets.ctypes.data, b.ctypes.data,
                address, tiles.PANEL, address, tiles.PANEL,
            )  # fmt: skip


def peak(threads: int) -> float:
    """GFLOP/s of the bare tile on every thread: the best of twenty."""
    rows, repeats = tiles.ROWS, 2000
    a, b = np.ones((rows, 256), np.float32), np.ones((256, tiles.PANEL), np.float32)
    out, offsets = np.zeros((threads, rows, tiles.PANEL), np.float32), np.zeros(2, np.int64)
    tile = tiles.address(4)
    [times] = interleaved([lambda: _bare_tiles(threads, tile, rows, repeats, offsets, a, b, out)], 1.0)
    return 2e-9 * threads * repeats * rows * 256 * tiles.PANEL / min(times)


def dense_products(rows: int, inputs: int, units: int) -> dict[str, list[Work]]:
    x, w, b, dy = random(rows, inputs), random(inputs, units), random(units), random(rows, units)
    y, dx, v = np.empty((rows, units), np.float32), np.empty_like(x), np.zeros_like(w)
    constants = np.array([1e-12, 0.9, 0], np.float32)
    tx, tw, tb, td = (torch.from_numpy(array.copy()) for array in (x, w.T, b, dy))
    ty, tdx, tdw = torch.empty_like(td), torch.empty_like(tx), torch.empty_like(tw)
    return {
        "forward": [lambda: dense.forward(x, w, b, LINEAR, y), lambda: torch.addmm(tb, tx, tw.T, out=ty)],
        "input gradient": [lambda: dense.input_gradient(dy, w, dx), lambda: torch.mm(td, tw, out=tdx)],
        "weight gradient": [
            lambda: dense.weight_gradient(x, dy, UPDATE, w, v, constants),
            lambda: torch.mm(td.T, tx, out=tdw),
        ],
    }


def convolution_products(shape: Convolution) -> dict[str, list[Work]]:
    images, side, channels, kernel, filters, stride, padding, groups = shape
    out = (side + 2 * padding - kernel) // stride + 1
    x = random(images, side, side, channels)
    w = random(kernel, kernel, channels // groups, filters)
    dy = random(images, out, out, filters)
    b, y, dx, v = np.zeros(filters, np.float32), np.empty_like(dy), np.empty_like(x), np.zeros_like(w)
    constants = np.array([1e-12, 0.9, 0], np.float32)
    geometry = (stride, stride, padding, padding, 1, 1, groups)
    products: dict[str, list[Work]] = {
        "forward": [lambda: conv2d.forward(x, w, b, geometry, LINEAR, y)],
        "input gradient": [lambda: conv2d.input_gradient(dy, w, geometry, dx)],
        "weight gradient": [lambda: conv2d.weight_gradient(x, dy, geometry, UPDATE, w, v, constants)],
    }
    for layout in (torch.contiguous_format, torch.channels_last):
        tx, tdy = (torch.from_numpy(a).permute(0, 3, 1, 2).contiguous(memory_format=layout) for a in (x, dy))
        tw = torch.from_numpy(w).permute(3, 2, 0, 1).contiguous(memory_format=layout)
        tb, square = torch.zeros(filters), ([stride] * 2, [padding] * 2, [1, 1])

        def forward(x=tx, w=tw, b=tb):  # type: ignore[no-untyped-def]
            return torch.nn.functional.conv2d(x, w, b, stride, padding, 1, groups)

        def backward(wanted, x=tx, w=tw, dy=tdy, square=square):  # type: ignore[no-untyped-def]
            return torch.ops.aten.convolution_backward(dy, x, w, None, *square, False, [0, 0], groups, wanted)

        products["forward"].append(forward)
        products["input gradient"].append(lambda backward=backward: backward([True, False, False]))
        products["weight gradient"].append(lambda backward=backward: backward([False, True, False]))
    return products


def report(name: str, flops: float, products: dict[str, list[Work]], seconds: float, top: float) -> None:
    for product, works in products.items():
        if product == "input gradient" and name in FIRST:
            continue
        ours, *others = interleaved(works, seconds)
        theirs = min(others, key=statistics.median)
        least, usual = (1e-9 * flops / f(ours) for f in (min, statistics.median))
        their_least, their_usual = (1e-9 * flops / f(theirs) for f in (min, statistics.median))
        print(
            f"{name:16} {product:16} dlcli {least:4.0f} {usual:4.0f}   torch {their_least:4.0f} {their_usual:4.0f}   "
            f"ratio {usual / their_usual:5.2f} (of minima {least / their_least:5.2f})   {least / top:4.0%} of peak",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="only shapes whose names begin so")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each product")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    numba.set_num_threads(arguments.threads)
    top = peak(arguments.threads)
    print(f"{arguments.threads} threads, torch {torch.__version__}, peak of the bare tile {top:.0f} GFLOP/s")
    print("GFLOP/s: minimum time, median time")
    chosen = tuple(arguments.names) or ("",)
    with torch.inference_mode():
        for name, sizes in DENSE.items():
            if name.startswith(chosen):
                report(name, 2.0 * np.prod(sizes), dense_products(*sizes), arguments.seconds, top)
        for name, shape in CONVOLUTIONS.items():
            if name.startswith(chosen):
                out = (shape.side + 2 * shape.padding - shape.kernel) // shape.stride + 1
                taps = shape.kernel**2 * shape.channels // shape.groups
                flops = 2.0 * shape.images * out**2 * shape.filters * taps
                report(name, flops, convolution_products(shape), arguments.seconds, top)


if __name__ == "__main__":
    main()
