"""Masking noise, the input corruption of a denoising autoencoder (Vincent et al. 2010, section 3.3)."""

from typing import Literal

from dlcli.layers.masked import Masked


class MaskingNoise(Masked):
    """In training, each value is zero with probability `rate`, else unchanged; in evaluation, y = x."""

    type: Literal["masking_noise"] = "masking_noise"
