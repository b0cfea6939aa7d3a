"""dlcli's products of single layers: planned once for arrays that stay, as a network does."""

from typing import Any

import numba
import numpy as np

from bench import shapes
from bench.shapes import Convolution, Shape
from bench.workers.data import random
from bench.workers.serve import Made, Work
from dlcli.kernels import conv2d, dense
from dlcli.kernels.activation import LINEAR
from dlcli.kernels.sink import STORE, UPDATE

CONSTANTS = np.array([1e-12, 0.9, 0], np.float32)  # ε, α, λ


def prepare(threads: int) -> dict[str, Any]:
    numba.set_num_threads(threads)
    return {}


def make(job: dict[str, Any]) -> Made:
    """The job's ``product`` for its ``shape``."""
    case = shapes.cases(job["net"])[job["index"]]
    build = _convolution if isinstance(case.shape, Convolution) else _dense
    return Made({"dlcli": build(case.shape, job["product"])}, {})


def _planned(function: Any, *arguments: Any) -> Work:
    """A call whose plan, where the function has one, is made here and now."""
    if not hasattr(function, "plan"):
        return lambda: function(*arguments)
    runs = [launch.run for launch in function.plan(*arguments)]
    if len(runs) == 1:
        return runs[0]

    def work() -> None:
        for run in runs:
            run()

    return work


def _sink(w: Any, product: str) -> tuple[Any, ...]:
    """Where the weight gradient goes: kind, target, velocity, constants."""
    if product == shapes.UPDATE:
        return UPDATE, w, np.zeros_like(w), CONSTANTS
    gradient = np.zeros_like(w)
    return STORE, gradient, gradient, CONSTANTS


def _dense(shape: Shape, product: str) -> Work:
    rows, inputs, units = shape
    x, w, dy = random(rows, inputs), random(inputs, units), random(rows, units)
    if product == "forward":
        return _planned(dense.forward, x, w, random(units), LINEAR, np.zeros_like(dy))
    if product == "input gradient":
        return _planned(dense.input_gradient, dy, w, np.zeros_like(x))
    return _planned(dense.weight_gradient, x, dy, *_sink(w, product))


def _convolution(shape: Shape, product: str) -> Work:
    assert isinstance(shape, Convolution)
    images, side, channels, kernel, filters, stride, padding, groups = shape
    x = random(images, side, side, channels)
    w = random(kernel, kernel, channels // groups, filters)
    dy = random(images, shape.out, shape.out, filters)
    geometry = (stride, stride, padding, padding, 1, 1, groups)
    if product == "forward":
        return _planned(conv2d.forward, x, w, random(filters), geometry, LINEAR, np.zeros_like(dy))
    if product == "input gradient":
        return _planned(conv2d.input_gradient, dy, w, geometry, np.zeros_like(x))
    return _planned(conv2d.weight_gradient, x, dy, geometry, *_sink(w, product))
