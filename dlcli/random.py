"""Every random number is a function of (seed, purpose, …) alone: counter-based Philox, no global generator.

Two processes, or one that was killed and resumed, draw the same numbers because a draw has an address, not a
history. J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
"""

import hashlib

import numpy as np


def key(seed: int, *address: str | int) -> int:
    """The 64-bit Philox key of a purpose, e.g. ``key(seed, "dropout", layer_name)``."""
    text = "\x1f".join(map(repr, (seed, *address)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def generator(seed: int, *address: str | int) -> np.random.Generator:
    """A NumPy generator of its own for a purpose, e.g. ``generator(seed, "order", epoch)``."""
    return np.random.Generator(np.random.Philox(key=key(seed, *address)))
