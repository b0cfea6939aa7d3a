"""Dropout (Hinton et al. 2012; survey, section 5)."""

from typing import Literal

from dlcli.layers.masked import Masked


class Dropout(Masked):
    """In training, each value is zero with probability `rate`, else divided by 1 − rate; in evaluation, y = x.

    The division in training ("inverted" dropout) stands for the paper's multiplication of the weights in evaluation.
    """

    type: Literal["dropout"] = "dropout"

    def scale(self) -> float:
        return 1 / (1 - self.rate)
