"""One epoch of scikit-learn's BernoulliRBM: everything that `fit` does, in float32."""

from typing import Any

import sklearn
from sklearn.neural_network import BernoulliRBM
from threadpoolctl import threadpool_limits

from bench.pretraining import BATCH, RATE, SAMPLES, UNITS
from bench.workers.data import digits
from bench.workers.serve import Made


def prepare(threads: int) -> dict[str, Any]:
    threadpool_limits(threads)
    return {"versions": {"scikit-learn": sklearn.__version__}}


def make(job: dict[str, Any]) -> Made:
    """An epoch of persistent contrastive divergence."""
    x, _ = digits(SAMPLES)

    def work() -> None:
        BernoulliRBM(UNITS, learning_rate=RATE, batch_size=BATCH, n_iter=1, random_state=1).fit(x)

    return Made({"scikit-learn": work}, {})
