import json

import numpy as np

from dlcli.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from tests.cli.conftest import run

NAMES = ["hidden/weights", "hidden/bias", "output/weights", "output/bias", "input"]


def test_a_right_gradient_passes(config):
    result = run("gradcheck", config, "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["passed"]) == (0, True)
    assert [array["name"] for array in found["arrays"]] == NAMES
    assert all(array["error"] < 1e-8 and array["checked"] > 0 for array in found["arrays"])


def test_a_wrong_gradient_fails_with_1(config, monkeypatch):
    right = SoftmaxCrossEntropy.evaluate

    def wrong(self, outputs, targets, per_sample, gradient=None):
        right(self, outputs, targets, per_sample, gradient)
        if gradient is not None:
            np.multiply(gradient, 1.01, out=gradient)

    monkeypatch.setattr(SoftmaxCrossEntropy, "evaluate", wrong)
    result = run("gradcheck", config)
    assert result.exit_code == 1
    assert "output/bias     FAILED" in result.stdout
