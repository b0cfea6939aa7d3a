"""L-BFGS: a quasi-Newton method with limited memory."""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dlcli.kernels.flat import Combination, Product
from dlcli.kernels.sink import STORE
from dlcli.layers.base import Array, ParameterSpec, Sink
from dlcli.optim.base import Optimiser, Updater
from dlcli.optim.curvature import Curvature
from dlcli.optim.line_search import strong_wolfe
from dlcli.optim.schedules.base import Clock
from dlcli.options import Also, Count, NonNegative, Positive


class Lbfgs(Optimiser):
    """w(t+1) = w(t) − τ H g: H approximates the inverse Hessian by the last steps, and a line search finds τ.

    Nocedal and Wright, "Numerical optimization" (2006), algorithm 7.5, with a line search by the strong Wolfe
    conditions (algorithm 3.5). A step is one iteration on its mini-batch, of which it evaluates loss and gradient
    several times, with the same random numbers (dropout). Both gradients of a pair are of one mini-batch (Schraudolph,
    Yu and Günter 2007), but the method is made for `data.batch_size` that covers all samples. In the log, the learning
    rate is τ; where no τ makes the loss smaller, parameters stay, and H begins anew.
    """

    type: Literal["lbfgs"] = "lbfgs"
    history: Count = 10
    """Steps that H is made of."""
    learning_rate: Positive = 1.0
    """The τ that is tried first: 1 is Newton's step. Without a history, it is a gradient of length 1 at most."""
    weight_decay: Annotated[NonNegative, Also("λ", "lambda")] = 0.0
    """λ, the pull of every weight towards zero: ½ λ Σ w² is part of what the steps make small."""
    evaluations: Annotated[int, Field(ge=2)] = 20
    """The most evaluations of a mini-batch in one line search."""

    def memory(self) -> int:
        return 2 * self.history + 4

    def updater(
        self, parameters: Mapping[str, Array], specs: Mapping[str, ParameterSpec], stored: Collection[str] = ()
    ) -> "LbfgsUpdater":
        return LbfgsUpdater(self, parameters, specs)


class LbfgsUpdater(Updater):
    """All parameters as one vector, and what the method knows of it.

    A parameter's multiplier μ of the learning rate is a change of variables, w = √μ u: in u the method is as ever, and
    of w the first step along the gradient is μ times as long.
    """

    def __init__(self, options: Lbfgs, parameters: Mapping[str, Array], specs: Mapping[str, ParameterSpec]) -> None:
        self._options = options
        size = sum(array.size for array in parameters.values())
        dtype = next((array.dtype for array in parameters.values()), np.dtype(np.float32))
        self._start, self._gradient, self._before, self._direction = (np.zeros(size, dtype) for _ in range(4))
        self._curvature = Curvature(options.history, self._gradient, self._direction)
        self._slope = Product(self._gradient, self._direction)
        vectors = self._start, self._gradient, self._direction
        self._parts = _parts(parameters, specs, options.weight_decay, *vectors)
        self.gradients = {name: part.gradient for name, part in zip(parameters, self._parts, strict=True)}
        unused = np.zeros(3, dtype)
        self.sinks = {name: Sink(STORE, array, array, unused) for name, array in self.gradients.items()}
        self.state = {
            f"lbfgs/{name}": getattr(self._curvature, name) for name in ("steps", "changes", "products", "count")
        }
        self.learning_rate = options.learning_rate

    def begin(self, clock: Clock) -> None:
        """Nothing depends on time."""

    def finish(self, loss: float = 0.0, again: Callable[[], float] | None = None) -> None:
        if again is None:
            raise ValueError("expected a way to evaluate the loss again: a line search needs one")
        loss = self._complete(loss)
        np.copyto(self._before, self._gradient)
        for part in self._parts:
            part.keep()
        known = self._curvature.direct()
        slope = self._slope()
        if known and not slope < 0:  # rounding has made it no descent
            self._curvature.forget()
            known = self._curvature.direct()
            slope = self._slope()
        first = self._options.learning_rate * (1.0 if known or not slope < -1.0 else 1.0 / math.sqrt(-slope))
        if not math.isfinite(slope):  # an infinite gradient is to be met as divergence
            self._move(first)
        elif slope < 0 and first > 0:
            self._search(again, loss, slope, first)

    def _search(self, again: Callable[[], float], loss: float, slope: float, first: float) -> None:
        """Go along the direction as far as is good, and remember what that tells of the curvature."""
        last = [0.0]

        def evaluated(length: float) -> tuple[float, float]:
            last[0] = length
            self._move(length)
            value = again()
            return (self._complete(value), self._slope()) if math.isfinite(value) else (math.inf, math.nan)

        length = strong_wolfe(evaluated, loss, slope, first, self._options.evaluations)
        self.learning_rate = length
        if length == 0.0:
            for part in self._parts:
                part.go_back()
            self._curvature.forget()
            return
        if last[0] != length:
            evaluated(length)
        self._curvature.remember(length, self._before)

    def _move(self, length: float) -> None:
        """w ← start + length · √μ · direction."""
        for part in self._parts:
            part.move(length)

    def _complete(self, loss: float) -> float:
        """The loss with the decay's part in it; the gradients get theirs, and become those by u."""
        return loss + sum(part.complete() for part in self._parts)


class _Part:
    """One parameter's stretch of the vectors."""

    def __init__(
        self, parameter: Array, decay: float, scale: float, start: Array, gradient: Array, direction: Array
    ) -> None:
        self._parameter, self._start = parameter.reshape(-1), start
        self.gradient = gradient.reshape(parameter.shape)
        self._decay, self._scale = decay, scale
        self._go = Combination(self._parameter, start, direction)
        self._square = Product(self._parameter, self._parameter)
        self._pull = Combination(gradient, gradient, self._parameter)

    def keep(self) -> None:
        np.copyto(self._start, self._parameter)

    def go_back(self) -> None:
        np.copyto(self._parameter, self._start)

    def move(self, length: float) -> None:
        self._go(length * self._scale)

    def complete(self) -> float:
        """½ λ Σ w², whose gradient is added."""
        penalty = 0.0
        if self._decay:
            self._pull(self._decay)
            penalty = 0.5 * self._decay * self._square()
        if self._scale != 1.0:
            self.gradient *= self.gradient.dtype.type(self._scale)
        return penalty


def _parts(
    parameters: Mapping[str, Array], specs: Mapping[str, ParameterSpec], decay: float, *vectors: Array
) -> list[_Part]:
    result: list[_Part] = []
    done = 0
    for name, parameter in parameters.items():
        own, stretch = specs[name].multipliers, slice(done, done + parameter.size)
        scale = math.sqrt(own.learning_rate_multiplier)
        result.append(_Part(parameter, decay * own.decay_multiplier, scale, *(vector[stretch] for vector in vectors)))
        done = stretch.stop
    return result
