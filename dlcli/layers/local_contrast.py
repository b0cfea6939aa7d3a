"""Local contrast normalisation (Jarrett, Kavukcuoglu, Ranzato and LeCun, ICCV 2009, section 3.1)."""

from collections.abc import Sequence
from typing import Literal

from pydantic import field_validator

from dlcli.kernels import local_contrast as kernels
from dlcli.layers.base import Array, Arrays, BufferSpec, Shape, one_input
from dlcli.layers.elementwise import Elementwise
from dlcli.options import Pair, Positive


class LocalContrast(Elementwise):
    """y = v / max(σ, mean of σ, floor), where v is x less the mean around it, and σ² the mean of v² around it.

    x, y: (N, H, W, C). With weights w that sum to 1 over a window, and all channels k alike:
    v_ijk = x_ijk − 1/C Σ_pqk w_pq x_i+p,j+q,k; σ_ij² = 1/C Σ_pqk w_pq v²_i+p,j+q,k; the mean of σ is the image's own.
    The weights are Gaussian. At the edges those that fall outside the image are left out, and the others sum to 1 (the
    paper doesn't say).
    """

    type: Literal["local_contrast"] = "local_contrast"
    also_called = ("local_contrast_normalisation", "local_contrast_normalization")
    size: Pair = (9, 9)
    """Height and width of the window, odd numbers."""
    sigma: Positive | None = None
    """Standard deviation of the Gaussian, in pixels; by default a quarter of the window's height and of its width."""
    floor: Positive = 1e-4
    """Least divisor, so that an image without contrast stays one."""

    @field_validator("size")
    @classmethod
    def _odd(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not all(length % 2 for length in value):
            raise ValueError(f"a window of {value[0]} × {value[1]} has no middle: its sizes must be odd")
        return value

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return one_input(inputs, rank=3)

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        plane = one_input(inputs, rank=3)[:2]
        return {"deviations": BufferSpec(plane), "divisors": BufferSpec(plane)}

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y, saved = arrays.inputs[0], arrays.output, arrays.saved
        arrays.run(
            "forward",
            lambda: kernels.forward.plan(x, self._window(x), self.floor, y, saved["deviations"], saved["divisors"]),
        )

    def backward(self, arrays: Arrays) -> None:
        y, dy, dx, saved = arrays.output, arrays.d_output, arrays.d_inputs[0], arrays.saved
        if dx is not None:
            arrays.run(
                "backward",
                lambda: kernels.backward.plan(
                    y, dy, self._window(y), self.floor, saved["deviations"], saved["divisors"], dx
                ),
            )

    def _window(self, images: Array) -> list[Array]:
        sigma = (self.sigma or self.size[0] / 4, self.sigma or self.size[1] / 4)
        return kernels.gaussian(self.size, sigma, images.shape[1:3], images.dtype)
