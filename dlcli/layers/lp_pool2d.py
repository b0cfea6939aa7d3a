"""Lp pooling (Sermanet, Chintala and LeCun 2012; survey, section 4: several ways to pool)."""

from typing import Annotated, Literal

from pydantic import Field

from dlcli.kernels import lp_pool2d as kernels
from dlcli.layers.base import Arrays
from dlcli.layers.pooled import Pooled
from dlcli.options import Also


class LpPool2d(Pooled):
    """y = (Σ |x|^p)^(1/p) over each window, channel by channel.

    x: (N, H, W, C). y: (N, OH, OW, C). It lies between the sum of sizes (p = 1) and the largest size (p → ∞). Sums, not
    means, as in PyTorch; the paper's Gaussian weights within the window are left out. Cells of the padding are zeros.
    Where y is 0, and for p = 1 where x is 0, the derivative is taken to be 0.
    """

    type: Literal["lp_pool2d"] = "lp_pool2d"
    p: Annotated[float, Field(ge=1), Also("power", "norm")] = 2.0
    """The exponent p ≥ 1; 1 and 2 are the fast ones."""

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y = arrays.inputs[0], arrays.output
        arrays.run("forward", lambda: kernels.forward.plan(x, self.geometry(x.shape[1:]), self.p, y))

    def backward(self, arrays: Arrays) -> None:
        x, y, dy, dx = arrays.inputs[0], arrays.output, arrays.d_output, arrays.d_inputs[0]
        if dx is not None:
            arrays.run("backward", lambda: kernels.backward.plan(x, y, dy, self.geometry(x.shape[1:]), self.p, dx))
