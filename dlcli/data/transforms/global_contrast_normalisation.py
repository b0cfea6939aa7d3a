"""Images of one brightness and one contrast."""

from typing import ClassVar, Literal

from dlcli.data.base import InPlace
from dlcli.kernels.contrast import normalise
from dlcli.layers.base import Array
from dlcli.options import NonNegative, Positive


class GlobalContrastNormalisation(InPlace):
    """scale · (x − m) / max(minimum_divisor, √(bias + v)) for each sample by itself: m is the mean of its numbers, v
    their variance, or the sum of the squares of x − m.

    I. Goodfellow, Y. Bengio, A. Courville, "Deep Learning" (2016), eq. (12.3). A. Coates, H. Lee, A. Ng, "An analysis
    of single-layer networks in unsupervised feature learning" (2011) divide by the deviation with a bias of 10 for
    bytes; I. Goodfellow et al., "Maxout networks" (2013), by the norm, with a scale of 55, before `zca`.
    """

    type: Literal["global_contrast_normalisation"] = "global_contrast_normalisation"
    also_called: ClassVar[tuple[str, ...]] = ("global_contrast_normalization", "gcn")

    divide_by: Literal["deviation", "norm"] = "deviation"
    """Whether v is the variance or the sum of squares."""
    scale: Positive = 1.0
    """Deviation, or norm, that samples have afterwards."""
    bias: NonNegative = 0.0
    """Added to v, so that samples of little contrast keep some of their want of it."""
    minimum_divisor: Positive = 1e-8
    """Least divisor: what is nearly constant is not blown up."""

    def apply(self, x: Array, statistics: dict[str, Array], drawn: Array | None = None) -> Array:
        rows = x.reshape(len(x), -1)
        share = 1 / rows.shape[1] if self.divide_by == "deviation" else 1.0
        normalise(rows, self.scale, self.bias, share, self.minimum_divisor)
        return x
