"""Biases of single outputs: every position of every channel has its own, the same for all images."""

from typing import Any

import numpy.typing as npt

from dlcli.kernels import activation as activations
from dlcli.kernels.activation import LINEAR, activate
from dlcli.kernels.addresses import array
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]

PIECE = 1024  # numbers that are in cache between the addition and the function


def _add(p, first, last, shared, scratch):
    """Images ``first`` … ``last``. p: y, bias, numbers of an image and their bytes, the activation function."""
    features, itemsize, activation, function = p[2], p[3], p[4], p[5]
    for task in range(first, last):
        image = p[0] + task * features * itemsize
        for start in range(0, features, PIECE):
            size, offset = min(PIECE, features - start), start * itemsize
            y, bias = array(image + offset, size, scratch), array(p[1] + offset, size, scratch)
            for i in range(size):
                y[i] += bias[i]
            if function != LINEAR:
                activate(activation, function, image + offset, size)


_ADD = Kernel(_add)


@Planned
def add(y: Array, bias: Array, function: int) -> list[Launch]:
    """y ← f(y + bias): y (N, …), bias (…), with the activation function of this code."""
    if y.shape[1:] != bias.shape:
        raise ValueError(f"found biases of shape {bias.shape} for outputs of shape {y.shape[1:]}")
    arguments = (y, bias, bias.size, y.itemsize, activations.address(y.itemsize), function)
    return [Launch(_ADD, y.dtype, len(y), arguments, parallel=y.size >= activations.SERIAL)]
