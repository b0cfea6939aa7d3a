"""PyTorch's products of single layers, contiguous and, for convolutions, channels last."""

from typing import Any

import torch
from torch.nn import functional

from bench import shapes
from bench.shapes import Convolution, Dense
from bench.workers.data import random
from bench.workers.serve import Made, Work

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def prepare(threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    torch.inference_mode().__enter__()  # products alone, no graph: to PyTorch's advantage
    return {"versions": {"torch": torch.__version__}}


def make(job: dict[str, Any]) -> Made:
    """The job's ``product`` for its ``shape``, in each layout that it can have."""
    case = shapes.cases(job["net"])[job["index"]]
    if isinstance(case.shape, Dense):
        return Made({"torch contiguous": _dense(case.shape, job["product"])}, {})
    works = {f"torch {name}": _convolution(case.shape, job["product"], layout) for name, layout in LAYOUTS.items()}
    return Made(works, {})


def _updated(w: torch.Tensor, gradient: Work) -> Work:
    """The gradient, then what fused SGD does for this parameter, without the optimiser's Python around it."""
    velocity = torch.zeros_like(w)

    def work() -> None:
        torch._fused_sgd_(
            [w], [gradient()], [velocity], weight_decay=0.0005, momentum=0.9, lr=1e-12, dampening=0.0, nesterov=False,
            maximize=False, is_first_step=False,
        )  # fmt: skip

    return work


def _dense(shape: Dense, product: str) -> Work:
    rows, inputs, units = shape
    x, w, dy = (torch.from_numpy(random(*sizes)) for sizes in ((rows, inputs), (units, inputs), (rows, units)))
    if product == "forward":
        b, y = torch.from_numpy(random(units)), torch.empty_like(dy)
        return lambda: torch.addmm(b, x, w.T, out=y)
    if product == "input gradient":
        dx = torch.empty_like(x)
        return lambda: torch.mm(dy, w, out=dx)
    dw = torch.empty_like(w)

    def gradient() -> torch.Tensor:
        return torch.mm(dy.T, x, out=dw)

    return _updated(w, gradient) if product == shapes.UPDATE else gradient


def _convolution(shape: Convolution, product: str, layout: torch.memory_format) -> Work:
    images, side, channels, kernel, filters, stride, padding, groups = shape

    def tensor(*sizes: int) -> torch.Tensor:
        return torch.from_numpy(random(*sizes)).contiguous(memory_format=layout)

    x, dy = tensor(images, channels, side, side), tensor(images, filters, shape.out, shape.out)
    w = tensor(filters, channels // groups, kernel, kernel)
    if product == "forward":
        b = torch.from_numpy(random(filters))
        return lambda: functional.conv2d(x, w, b, stride, padding, 1, groups)

    def backward(dx: bool, dw: bool) -> list[Any]:
        found: list[Any] = torch.ops.aten.convolution_backward(
            dy, x, w, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], groups, [dx, dw, False]
        )
        return found

    if product == "input gradient":
        return lambda: backward(True, False)
    if product == "weight gradient":
        return lambda: backward(False, True)
    return _updated(w, lambda: backward(False, True)[1])
