"""A schedule that waits for a metric to stop falling."""

import math
from typing import Annotated, Literal

from pydantic import Field

from dlcli.errors import UsageError
from dlcli.optim.schedules.base import Clock, Metric, Schedule, power
from dlcli.options import Also, Count, NonNegative


class Plateau(Schedule):
    """Factor max(lower_bound, gamma^k), k being how often the metric has stopped falling; not in Caffe.

    After `patience` epochs in a row of which none brought the metric below its lowest value so far by more than
    `minimum_change`, k grows by one; the `cooldown` epochs that follow are not counted. This is a pure function of
    the metrics of the stage's finished epochs (``clock.history``), which a checkpoint keeps, so that a resumed run
    goes on as an uninterrupted one. Patience and cooldown are epochs, whatever the `unit`.
    """

    type: Literal["plateau"] = "plateau"
    gamma: Annotated[float, Field(gt=0, lt=1), Also("factor")] = 0.1
    """Factor at each plateau."""
    patience: Count = 5
    """Epochs without improvement that make a plateau."""
    metric: Metric = "validation_error"
    """What has to improve (fall)."""
    minimum_change: NonNegative = 0.0
    """A fall of no more than this is no improvement."""
    cooldown: Annotated[int, Field(ge=0)] = 0
    """Epochs after a change that are not counted as waiting."""
    lower_bound: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The factor falls no lower than this."""

    def needs(self) -> Metric:
        return self.metric

    def decay(self, clock: Clock) -> float:
        best, waited, resting, plateaus = math.inf, 0, 0, 0
        for row in clock.history:
            value = self._value(row)
            improved = value < best - self.minimum_change
            if improved:
                best = value
            if improved or resting:
                waited = 0
            else:
                waited += 1
            resting = max(resting - 1, 0)
            if waited >= self.patience:
                plateaus, waited, resting = plateaus + 1, 0, self.cooldown
        return max(self.lower_bound, power(self.gamma, plateaus))

    def _value(self, row: dict[str, object]) -> float:
        value = row.get(self.metric)
        if not isinstance(value, int | float):
            raise UsageError(
                f"schedule plateau: found no {self.metric} among the metrics of a finished epoch; expected one "
                "that this stage has (validation metrics need `data.validation`, errors need classes)"
            )
        return float(value)
