"""``--set``: which values it reaches, and what it says where it reaches none."""

import pytest

from tests.config.conftest import GOOD


@pytest.mark.parametrize(
    ("override", "value_of", "expected"),
    [
        ("network.hidden1.units=300", lambda e: e.network[0].units, 300),
        ("network.0.units=300", lambda e: e.network[0].units, 300),
        ("network.dense_2.units=300", lambda e: e.network[1].units, 300),
        ("sgd.ε=1e-3", lambda e: e.optimiser.learning_rate, 0.001),
        ("optimizer.epsilon=2", lambda e: e.optimiser.learning_rate, 2.0),
        ("optimiser.alpha=0.5", lambda e: e.optimiser.momentum, 0.5),
        ("training.stop_early.patience=3", lambda e: e.training.stop_early.patience, 3),
        ("loss=mean_squared_error", lambda e: e.loss.type, "mean_squared_error"),
        ("loss.type=mean_squared_error", lambda e: e.loss.type, "mean_squared_error"),
        ("data.source={type: idx, root: here}", lambda e: e.data.source.root, "here"),
        ("network.1={type: dropout, rate: 0.2}", lambda e: e.network[1].rate, 0.2),
        ("name=no", lambda e: e.name, "no"),
        ('name="1"', lambda e: e.name, "1"),
        ("name=a=b", lambda e: e.name, None),
        ("network.0.name= null", lambda e: e.network[0].name, None),
        ("network.0.name=", lambda e: e.network[0].name, None),
    ],
)
def test_reaches(loaded, refused, override, value_of, expected):
    if override == "name=a=b":  # the first equals sign ends the key
        assert refused(GOOD, override)[0].message.startswith("found `a=b`")
    else:
        assert value_of(loaded(GOOD, override).experiment) == expected


def test_the_last_one_wins_and_null_removes(loaded):
    pretrain = "pretrain={method: autoencoder, epochs: 2}"
    assert loaded(GOOD, pretrain, "pretrain.epochs=3").experiment.pretrain.epochs == 3
    assert loaded(GOOD, pretrain, "pretrain=null").experiment == loaded(GOOD).experiment


def test_an_aliased_value_changes_in_one_place_only(loaded):
    text = GOOD.replace("hidden1, units: 30", "hidden1, units: 30, weights_options: &w {decay_multiplier: 2}")
    text = text.replace("units: 20", "units: 20, weights_options: *w")
    first, second, _ = loaded(text, "network.0.weights_options.decay_multiplier=5").experiment.network
    assert (first.weights_options.decay_multiplier, second.weights_options.decay_multiplier) == (5, 2)


def test_seed_is_an_override(loaded, refused):
    assert loaded(GOOD, "seed=3", seed=4).experiment.seed == 4


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("network.hidden1.units=0", "--set:1:23: network.0.units: found `0`, expected a whole number of at least 1"),
        ("sgd.momentun=0.5", "--set:1:5: sgd.momentun: unknown key (did you mean `momentum`?)"),
        ("optimizer.ε=-1", "--set:1:13: sgd.learning_rate: found `-1`, expected a number above 0"),
        ("data.batch_size=", "--set:1:17: data.batch_size: found nothing, expected a whole number of at least 1"),
        (
            "network.hiden1.units=1",
            "--set:1:9: network.hiden1: found `hiden1`, expected an index or a layer's name (did",
        ),
        ("network.3.units=1", "--set:1:9: network.3: found the index `3`, expected at most 2"),
        ("network.-1.units=1", "--set:1:9: network.-1: found `-1`, expected an index or a layer's name"),
        (f"network.{'9' * 5000}.units=1", "--set:1:9: network."),
        ("data.batch_size.x=1", "--set:1:17: data.batch_size.x: found `10` on c.yaml:4, which has no keys of its own"),
        ("training={epochs: 1, epochs: 2}", "--set:1:22: training.epochs: duplicate key, given on line 1 already"),
        ("training=[", "--set:1:11: training: not valid YAML"),
        ("training=!x {}", "--set:1:10: training: found the tag `!x`, expected none"),
        ("training=" + "[" * 1000, "--set:1:60: training: found more than 50 levels of nesting"),
        ("network.0.name=output", "c.yaml:8:25: network.2.name: found `output`, network.0 has this name already"),
        ("name=a\0b", "--set:1:7: name: found the character U+0000"),
        ("epochs", "--set:1:1: found `epochs`, expected KEY=VALUE, such as"),
        ("=3", "--set:1:1: found `=3`, expected KEY=VALUE"),
        ("data..x=3", "--set:1:1: found `data..x=3`, expected KEY=VALUE"),
    ],
)
def test_refused(refused, override, expected):
    (mistake,) = refused(GOOD, override)
    assert str(mistake).startswith(expected)


def test_mistakes_of_file_and_overrides_come_together_the_files_first(refused):
    text = GOOD.replace("batch_size: 10", "batch_size: 0")
    found = refused(text, "seed=x", "nonsense", "name=[1, {]", "sgd.momentum=2")
    assert [(m.file, m.column) for m in found] == [
        ("c.yaml", 15),
        ("--set", 1),
        ("--set", 6),
        ("--set", 11),
        ("--set", 14),
    ]
