"""The resolved config: complete, in order, and read back to the same bits."""

import struct

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.config.dump import dump
from dlcli.config.load import from_text
from tests.config.conftest import GOOD

RICH = (
    GOOD.replace("0.1", "1e-05")
    + "  momentum: {type: inverse, initial: 0.5, gamma: 1e-10, power: 3}\n"
    + "pretrain: {method: autoencoder, layers: [hidden1], ε: 0.3}\n".replace(
        "ε: 0.3", "sgd: {ε: 0.3, schedule: constant}"
    )
    + "output: {directory: 'no'}\n"
)


@pytest.mark.parametrize("text", [GOOD, RICH])
def test_round_trip(text):
    experiment = from_text(text, "f")
    written = dump(experiment)
    assert from_text(written, "f") == experiment
    assert dump(from_text(written, "f")) == written


def test_every_default_is_written_and_types_come_first():
    written = dump(from_text(GOOD, "f"))
    plain = yaml.safe_load(written)
    assert list(plain) == [
        *("name", "seed", "data", "network", "loss", "losses"),
        *("pretrain", "optimiser", "freeze", "training", "output"),
    ]
    assert plain["training"]["epochs"] == 20
    assert plain["pretrain"] is None
    assert [next(iter(part)) for part in (*plain["network"], plain["loss"], plain["optimiser"])] == ["type"] * 5


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False))
def test_floats_keep_their_bits(rate):
    experiment = from_text(GOOD, "f")
    changed = experiment.model_copy(
        update={"optimiser": experiment.optimiser.model_copy(update={"learning_rate": rate})}
    )
    written = dump(changed)
    ours, pyyaml = (
        from_text(written, "f").optimiser.learning_rate,
        yaml.safe_load(written)["optimiser"]["learning_rate"],
    )
    assert struct.pack("d", ours) == struct.pack("d", pyyaml) == struct.pack("d", rate)


@pytest.mark.parametrize(
    "text", ["1e-3", "010", "08", "no", "1:30", "0o7", "null", "~", "", "a: b", "é\n", "1_0", ".5", "0x1F"]
)
def test_text_that_looks_like_something_else_stays_text(text):
    experiment = from_text(GOOD, "f")
    output = experiment.output.model_copy(update={"directory": text})
    written = dump(experiment.model_copy(update={"output": output}))
    assert from_text(written, "f").output.directory == yaml.safe_load(written)["output"]["directory"] == text
