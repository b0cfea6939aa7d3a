"""The end of every weight gradient: store it, add it, or update the parameter by eq. (4) at once.

A sink is four arguments: ``kind`` (see `dlcli.layers.base.Sink`), ``target``, ``velocity`` and ``constants``
= (ε, α, λ). Settling a row while it is still in cache saves writing the gradient and reading it back.
"""

from numba import njit, prange

STORE, ADD, UPDATE = 0, 1, 2


@njit(cache=True)
def settle(kind, gradient, target, velocity, constants):
    """Send one row of a gradient to its sink; all arrays are 1-D and of one length."""
    if kind == STORE:
        for i in range(gradient.size):
            target[i] = gradient[i]
    elif kind == ADD:
        for i in range(gradient.size):
            target[i] += gradient[i]
    else:
        rate, momentum, decay = constants[0], constants[1], constants[2]
        for i in range(gradient.size):
            change = momentum * velocity[i] - rate * (gradient[i] + decay * target[i])
            velocity[i] = change
            target[i] += change


@njit(cache=True, parallel=True)
def update(gradient, weights, velocity, constants):
    """Eq. (4) with a stored gradient; all arrays are (rows, columns)."""
    for row in prange(gradient.shape[0]):
        settle(UPDATE, gradient[row], weights[row], velocity[row], constants)


@njit(cache=True)
def column_sums(d, kind, target, velocity, constants):
    """A bias's gradient: the sum of d (rows, columns) over its rows, in order, sent to a sink of (columns,)."""
    total = d[0].copy()
    for row in range(1, d.shape[0]):
        for column in range(d.shape[1]):
            total[column] += d[row, column]
    settle(kind, total, target, velocity, constants)


@njit(cache=True)
def sum_of_squares(x):
    """Σ x² of a 1-D array, in float64, in order."""
    total = 0.0
    for i in range(x.size):
        total += float(x[i]) * float(x[i])
    return total
