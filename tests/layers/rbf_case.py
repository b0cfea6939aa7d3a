"""Cases of `rbf`."""

import hashlib

import numpy as np

from tests.layers.case import MULTIPLIERS_BROKEN, Case, Variant, With

# The digits 0 to 9: twelve rows of seven pixels each, a row's leftmost pixel in its highest bit.
DIGITS = """
1c 22 41 41 41 41 41 41 41 41 22 1c
08 18 28 08 08 08 08 08 08 08 08 3e
3e 41 41 01 01 02 04 08 10 20 40 7f
3e 41 01 01 02 1c 02 01 01 01 41 3e
02 06 0a 12 22 42 42 7f 02 02 02 02
7f 40 40 40 7e 01 01 01 01 41 41 3e
1e 20 40 40 5e 61 41 41 41 41 21 1e
7f 01 01 02 02 04 04 08 08 10 10 10
3e 41 41 41 22 1c 22 41 41 41 41 3e
3e 41 41 41 41 3f 01 01 01 02 04 38
"""


def digit_code(digit):
    rows = [int(row, 16) for row in DIGITS.strip().split("\n")[digit].split()]
    return [1.0 if row & 64 >> column else -1.0 for row in rows for column in range(7)]


def random_codes(seed, inputs, units):
    """−1 or 1, from NumPy's generator at the address (seed, "codes")."""
    address = hashlib.blake2b("\x1f".join(map(repr, (seed, "codes"))).encode(), digest_size=8).digest()
    generator = np.random.Generator(np.random.Philox(key=int.from_bytes(address, "little")))
    return np.where(generator.integers(0, 2, (inputs, units)) == 1, 1.0, -1.0)


def naive(x, parameters, options, draw):
    x, units = x.reshape(len(x), -1), options["units"]
    if options["trainable"]:
        weights = parameters["weights"]
    elif options["codes"] == "digits":
        weights = np.array([digit_code(j) for j in range(units)]).T
    elif options["codes"] == "random":
        weights = random_codes(options["code_seed"], x.shape[1], units)
    else:
        weights = np.array(options["codes"]).T
    y = np.zeros((len(x), units))
    for n, j in np.ndindex(y.shape):
        for i in range(x.shape[1]):
            y[n, j] -= options["gamma"] * (x[n, i] - weights[i, j]) ** 2
    return y


def rbf(units, **options):
    return {"type": "rbf", "units": units, **options}


CASE = Case(
    type="rbf",
    naive=naive,
    variants=[
        Variant(rbf(2), (84,), multiply_adds=168),
        Variant(rbf(10, gamma=0.25), (12, 7, 1), multiply_adds=840),
        Variant(rbf(18, codes="random", code_seed=3), (2, 5), multiply_adds=180),
        Variant(rbf(2, codes=[[0.5, -1, 2], [0.25, 0, -0.75]]), (3,), multiply_adds=6),
        Variant(rbf(3, codes="random", gamma=0.5, trainable=True), (4,), 12),
        Variant(rbf(19, codes="random", trainable=True), (2, 3), 114),
    ],
    broken={
        "units": (0, -1, 2.5, "many", None),
        "codes": ("letters", [], [[]], [[1.0, 2.0]], [[1.0, 2.0], [1.0]], [["a"], ["b"]], 3, None),
        "code_seed": (-1, 0.5, None),
        "gamma": (0, -1.0, "wide", None),
        "trainable": (1, "yes", None),
        "weights_options": MULTIPLIERS_BROKEN,
    },
    changes={
        "units": 3,
        "codes": "random",
        "code_seed": With(1, codes="random"),
        "gamma": 0.5,
        "trainable": True,
        "weights_options": {"learning_rate_multiplier": 2.0},
    },
    dead={"weights_options": "it acts on the optimiser's rates: tests/optim/test_sgd.py"},
    refused_shapes=[((80,), "takes 84 inputs"), ((7, 12, 2), "found 168")],
)
