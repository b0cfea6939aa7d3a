"""Salt-and-pepper noise, an input corruption of a denoising autoencoder (Vincent et al. 2010, section 4.1)."""

from typing import Literal

from dlcli.kernels import noise as kernels
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Arrays
from dlcli.layers.elementwise import rows
from dlcli.layers.masked import Masked


class SaltAndPepperNoise(Masked):
    """In training, each value is, with probability `rate`, `low` or `high`, either as likely; in evaluation, y = x."""

    type: Literal["salt_and_pepper_noise"] = "salt_and_pepper_noise"
    low: float = 0.0
    """The least value there is: pepper."""
    high: float = 1.0
    """The greatest value there is: salt."""

    def plan_drop(self, arrays: Arrays) -> list[Launch]:
        x, passes, y = rows(arrays.inputs[0]), rows(arrays.saved["mask"]), rows(arrays.output)
        thresholds = round((1 - self.rate) * 2**32), round((1 - self.rate / 2) * 2**32)
        values = self.low, self.high
        return kernels.salt_and_pepper.plan(arrays.key, arrays.saved["step"], thresholds, values, x, passes, y)
