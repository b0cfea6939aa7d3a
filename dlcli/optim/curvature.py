"""What a quasi-Newton method remembers of the curvature: the last steps, and how the gradient changed along them."""

import numpy as np
import numpy.typing as npt

from dlcli.kernels.flat import Combination, Product
from dlcli.layers.base import Array


class Curvature:
    """Pairs s = w' − w and y = g' − g of the last steps, and the product of a vector with the inverse Hessian H.

    Nocedal and Wright, "Numerical optimization" (2006), section 7.2.

    Parameters
    ----------
    history: pairs that are kept.
    gradient: (size,) the vector g that `direct` reads.
    direction: (size,) where it writes −H g.

    Attributes
    ----------
    steps, changes: (history, size): s and y, in the places of a ring.
    products: (history,) float64, s·y of each; 0 where there is no pair.
    count: (1,) int64, how many pairs there have been since the last `forget`.
    """

    def __init__(self, history: int, gradient: Array, direction: Array) -> None:
        size, dtype = gradient.size, gradient.dtype
        self.steps, self.changes = np.zeros((history, size), dtype), np.zeros((history, size), dtype)
        self.products = np.zeros(history)
        self.count = np.zeros(1, np.int64)
        self._gradient, self._direction = gradient, direction
        pairs = list(zip(self.steps, self.changes, strict=True))
        self._product = [Product(s, y) for s, y in pairs]
        self._square = [Product(y, y) for _, y in pairs]
        self._along = [(Product(s, direction), Product(y, direction)) for s, y in pairs]
        self._add = [(Combination(direction, direction, s), Combination(direction, direction, y)) for s, y in pairs]

    def direct(self) -> bool:
        """direction ← −H g, algorithm 7.4, with H's first guess of eq. (7.20); False without any pair: H = 1 then."""
        np.negative(self._gradient, out=self._direction)  # the recursion is linear: the sign may come first
        places = self._places()
        if not places:
            return False
        shares = {}
        for place in places:
            shares[place] = self._along[place][0]() / self.products[place]
            self._add[place][1](-shares[place])
        newest = places[0]
        scale = self.products[newest] / self._square[newest]()
        np.multiply(self._direction, self._direction.dtype.type(scale), out=self._direction)
        for place in reversed(places):
            share = self._along[place][1]() / self.products[place]
            self._add[place][0](shares[place] - share)
        return True

    def remember(self, length: float, before: npt.NDArray[np.floating]) -> None:
        """Keep s = length · direction and y = g − ``before``; without curvature (s·y > 0) it is of no use."""
        place = int(self.count[0]) % len(self.products)
        np.multiply(self._direction, self._direction.dtype.type(length), out=self.steps[place])
        np.subtract(self._gradient, before, out=self.changes[place])
        self.products[place] = 0.0
        product, square = self._product[place](), self._square[place]()
        if product > np.finfo(np.float64).eps * square:
            self.products[place] = product
        self.count[0] += 1

    def forget(self) -> None:
        """Begin anew."""
        self.products[:] = 0.0
        self.count[0] = 0

    def _places(self) -> list[int]:
        """The pairs' places, the newest first."""
        count, history = int(self.count[0]), len(self.products)
        ring = [(count - 1 - age) % history for age in range(min(count, history))]
        return [place for place in ring if self.products[place] > 0.0]
