import json

import numpy as np

from dlcli.cli import shipped
from dlcli.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from tests.cli.conftest import run

NAMES = ["hidden/weights", "hidden/bias", "output/weights", "output/bias", "input"]


def test_a_right_gradient_passes(config):
    result = run("gradcheck", config, "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["passed"]) == (0, True)
    assert [array["name"] for array in found["arrays"]] == NAMES
    assert all(array["error"] < 1e-8 and array["checked"] > 0 for array in found["arrays"])


INCEPTION = {"conv1x1": 4, "reduce3x3": 3, "conv3x3": 5, "reduce5x5": 2, "conv5x5": 3, "project": 3}


def test_googlenet_of_32_pixels_and_few_filters_passes():
    """All of its layers, three heads and nine modules: a wrong path or sum anywhere shows."""
    changes = [
        "data.source={type: synthetic, shape: [32, 32, 3], classes: 10, samples: 2, test_samples: 2}",
        *("network.conv1.stride=1", "network.conv1.filters=8", "network.reduce2.filters=8", "network.conv2.filters=12"),
        *(f"network.{name}.units=10" for name in ("output", "auxiliary1", "auxiliary2")),
    ]
    for head in ("auxiliary1", "auxiliary2"):
        changes += [f"network.hidden_{head}.units=8", f"network.conv_{head}.filters=8", f"network.pool_{head}.size=3"]
    for module in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        changes += [f"network.inception_{module}.{key}={value}" for key, value in INCEPTION.items()]
    words = [word for change in changes for word in ("--set", change)]
    path = str(shipped.folder() / "googlenet.yaml")
    result = run("gradcheck", path, "--json", "--components", "1", *words)
    found = json.loads(result.stdout)
    assert (result.exit_code, found["passed"]) == (0, True), result.stderr
    assert len(found["arrays"]) == 129
    assert sum(array["kinks"] for array in found["arrays"]) < 20


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
