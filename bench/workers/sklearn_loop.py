"""One epoch of scikit-learn's MLPClassifier: everything that `fit` does."""

import time
import warnings
from typing import Any

import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from bench.nets import CLASSES, DECAY, HIDDEN, INPUTS, LOOP_BATCH, LOOP_RATE, MOMENTUM
from bench.workers.data import classified
from bench.workers.serve import Made


def prepare(threads: int) -> dict[str, Any]:
    threadpool_limits(threads)
    warnings.simplefilter("ignore", ConvergenceWarning)  # after one epoch
    return {"versions": {"scikit-learn": sklearn.__version__}}


def make(job: dict[str, Any]) -> Made:
    """An epoch over the job's number of ``samples``; the work returns its seconds."""
    x, y = classified(job["samples"], INPUTS, CLASSES)

    def work() -> float:
        model = MLPClassifier(
            (HIDDEN,), solver="sgd", batch_size=LOOP_BATCH, learning_rate_init=LOOP_RATE, momentum=MOMENTUM,
            nesterovs_momentum=False, alpha=DECAY, max_iter=1, random_state=1,
        )  # fmt: skip
        began = time.perf_counter()
        model.fit(x, y)
        return time.perf_counter() - began

    return Made({"scikit-learn": work}, {})
