"""What the cases of the layers with a random mask share."""

from tests.layers.naive import random_words


def mask(x, rate, draw):
    """1 where a value passes: where its random word is below (1 − rate) · 2³²."""
    return random_words(x.shape, draw.key, draw.step) < (1 - rate) * 2**32


RATE_BROKEN = (1.0, -0.1, 1.5, "half", None, True)
