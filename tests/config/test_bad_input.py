"""RELIABILITY's list for configs: each mistake is refused in under 2 seconds, at its place, in words."""

import time

import pytest

from dlcli.config.load import load
from dlcli.errors import ConfigError, Exit
from tests.config.conftest import GOOD

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)
MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12)
)
TALL_ALIASES = "a0: &a0 x\n" + "".join(f"a{i}: &a{i} [[[[*a{i - 1}]]]]\n" for i in range(1, 1000))


def edited(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


LAYER = "units: 20}"
CASES = {
    "empty": ("", "c.yaml:1:1: found nothing, expected a mapping"),
    "only a comment": ("# nothing\n", "c.yaml:1:1: found nothing, expected a mapping"),
    "null": ("---\n", "c.yaml:1:1: found nothing, expected a mapping"),
    "list at the top": ("- a\n- b\n", "c.yaml:1:1: found a list of 2, expected a mapping"),
    "scalar at the top": ("hello\n", "c.yaml:1:1: found `hello`, expected a mapping"),
    "two documents": (GOOD + "---\na: 1\n", "c.yaml:12:1: found a second document, expected one"),
    "tab indent": ("data:\n\tbatch_size: 1\n", "c.yaml:2:1: found a tab, expected spaces"),
    "NUL": ("name: a\0b\n", "c.yaml:1:8: found the character U+0000"),
    "bad UTF-8": (b"name: ok\nseed: \xff\n", "c.yaml:2:7: found the byte 0xff, expected text in UTF-8"),
    "UTF-16": (GOOD.encode("utf-16"), "c.yaml:1:1: found the byte 0xff, expected text in UTF-8"),
    "unclosed bracket": ("name: [a\n", "c.yaml:2:1: not valid YAML: expected ',' or ']'"),
    "escape beyond Unicode": (r'name: "\UFFFFFFFF"', "not valid YAML"),
    "duplicate key": (
        GOOD + "loss: mean_squared_error\n",
        "c.yaml:12:1: loss: duplicate key, given on line 9 already",
    ),
    "misspelt key": (
        edited("batch_size", "bacth_size"),
        "c.yaml:4:3: data.bacth_size: unknown key (did you mean `batch_size`?)",
    ),
    "misspelt top-level key": (GOOD + "trainig: {}\n", "c.yaml:12:1: trainig: unknown key (did you mean `training`?)"),
    "key like no other": (GOOD + "qqq: 1\n", "c.yaml:12:1: qqq: unknown key; expected `name`, `seed`, `data`"),
    "misspelt key of a layer": (
        edited(LAYER, "untis: 20}"),
        "c.yaml:7:19: network.1.untis: unknown key (did you mean `units`?)",
    ),
    "misspelt `type`": (
        edited("{type: dense, units", "{typ: dense, units"),
        "c.yaml:7:6: network.1.typ: unknown key (did you mean `type`?)",
    ),
    "no type": (
        edited("{type: dense, units", "{units"),
        "c.yaml:7:5: network.1.type: missing; expected one of the types",
    ),
    "misspelt choice": (
        edited("sigmoid", "sigmoi"),
        "c.yaml:6:57: network.0.activation: found `sigmoi`, expected `linear`, `sigmoid`",
    ),
    "misspelt bare type": (
        edited("softmax_cross_entropy", "softmax"),
        "c.yaml:9:7: loss: found `softmax`, expected one of the types `hinge`",
    ),
    "no for a choice": (
        edited("activation: sigmoid", "activation: no"),
        "network.0.activation: found `no`, expected `lin",
    ),
    "no for a boolean": (
        GOOD + "training: {diagnostics: no}\n",
        "c.yaml:12:25: training.diagnostics: found `no`, expected true or false",
    ),
    "true for a count": (GOOD + "training: {epochs: true}\n", "found `true`, expected a whole number of at least 0"),
    ".nan": (edited("0.1", ".nan"), "c.yaml:11:18: sgd.learning_rate: found `.nan`, expected a finite number above 0"),
    ".inf": (edited("0.1", ".inf"), "found `.inf`, expected a finite number above 0"),
    "1e999": (edited("0.1", "1e999"), "found `1e999`, expected a finite number above 0"),
    "sexagesimal": (edited("0.1", "1:30"), "found `1:30`, expected a number above 0"),
    "date": (edited("0.1", "2020-01-01"), "found `2020-01-01`, expected a number above 0"),
    "batch 0": (
        edited(": 10\n", ": 0\n"),
        "c.yaml:4:15: data.batch_size: found `0`, expected a whole number of at least 1",
    ),
    "batch -1": (edited(": 10\n", ": -1\n"), "data.batch_size: found `-1`, expected a whole number of at least 1"),
    "batch 32.5": (
        edited(": 10\n", ": 32.5\n"),
        "data.batch_size: found `32.5`, expected a whole number of at least 1",
    ),
    "quoted number": (edited(": 10\n", ': "10"\n'), 'data.batch_size: found `"10"`, expected a whole number'),
    "no value": (edited(": 10\n", ":\n"), "c.yaml:4:14: data.batch_size: found nothing, expected a whole number"),
    "huge number": (edited(": 10\n", f": {'1' * 5000}\n"), "data.batch_size: found `111111"),
    "mapping for a number": (
        edited(": 10\n", ": {a: 1}\n"),
        "data.batch_size: found a mapping, expected a whole number",
    ),
    "missing key": (edited("units: 20", "bias: true"), "c.yaml:7:5: network.1.units: missing; expected a whole number"),
    "missing rate": (
        edited("learning_rate: 0.1", "momentum: 0.5"),
        "c.yaml:11:3: sgd.learning_rate: missing (also spelt `ε`",
    ),
    "missing section": (
        edited("loss: softmax_cross_entropy\n", ""),
        "c.yaml:1:1: loss: missing; expected one of the types",
    ),
    "key given in two spellings": (GOOD + "  ε: 0.2\n", "c.yaml:12:3: sgd.ε: ε and learning_rate are one option"),
    "network no list": (GOOD.split("network")[0] + "network: dense\n", "network: found `dense`, expected a list"),
    "network empty": (GOOD.split("network")[0] + "network: []\n", "found an empty list, expected a list of at least 1"),
    "no layer to pretrain": (
        GOOD + "pretrain: {method: autoencoder, layers: []}\n",
        "c.yaml:12:41: pretrain.layers: found an empty list, expected a list of at least 1, or null",
    ),
    "repeated layer name": (edited("output", "hidden1"), "c.yaml:8:25: network.2.name: found `hidden1`, network.0 has"),
    "reserved layer name": (
        edited("output", "dense_7"),
        "c.yaml:8:25: network.2.name: found `dense_7`, a pattern reserved",
    ),
    "an input that no layer has": (
        edited(LAYER, "units: 20, inputs: [hiden1]}"),
        "c.yaml:7:39: network.1.inputs.0: found `hiden1`, expected the name of a layer (did you mean `hidden1`?)",
    ),
    "a cycle": (
        edited(LAYER, "units: 20, inputs: [output]}"),
        "network.1.inputs: found a cycle, `dense_2` → `output` → `dense_2`; expected none",
    ),
    "a layer named as the input": (edited("output", "input"), "network.2.name: found `input`, which stands for"),
    "no inputs": (edited(LAYER, "units: 20, inputs: []}"), "network.1.inputs: found an empty list, expected a list"),
    "an input in a block that only its surroundings have": (
        edited(LAYER, "units: 20}\n  - {type: repeat, times: 2, layers: [{type: dense, units: 3, inputs: [hidden1]}]}"),
        "network.2.layers.0.inputs.0: found `hidden1`, expected the name of a layer: `dense_1`",
    ),
    "a mistake in a block": (
        edited(LAYER, "units: 20}\n  - {type: repeat, times: 2, layers: [{type: dense, units: 0}]}"),
        "c.yaml:8:60: network.2.layers.0.units: found `0`, expected a whole number of at least 1",
    ),
    "parameters of nobody": (edited(LAYER, "units: 20, share: hiden1}"), "network.1.share: found `hiden1`"),
    "a loss of nobody": (
        edited("loss: softmax_cross_entropy", "loss: {type: softmax_cross_entropy, input: out}"),
        "loss.input: found `out`, expected the name of a layer",
    ),
    "two kinds of losses": (
        edited("loss: softmax_cross_entropy", "loss: softmax_cross_entropy\nlosses: [softmax_cross_entropy]"),
        "losses: found beside `loss`; expected one of them",
    ),
    "python object": (
        "name: !!python/object/apply:os.system [ls]\n",
        "c.yaml:1:7: name: found the tag `!!python/object/apply:os.system`, expected none",
    ),
    "python name": ("name: !!python/name:os.system\n", "c.yaml:1:7: name: found the tag `!!python/name:os.system`"),
    "unknown tag": (edited("0.1", "!rate 0.1"), "c.yaml:11:18: sgd.learning_rate: found the tag `!rate`"),
    "known tag": (edited("0.1", "!!float 0.1"), "c.yaml:11:18: sgd.learning_rate: found the tag `!!float`"),
    "alias of nothing": (edited("0.1", "*rate"), "c.yaml:11:18: found the alias `*rate`, expected `&rate` before it"),
    "alias of itself": (edited("0.1", "&rate [*rate]"), "found the alias `*rate`"),
    "alias bomb": (BOMB, "c.yaml:5:10: found more than 10,000 values, aliases counted in full"),
    "merge-key bomb": (MERGE_BOMB, "found more than 10,000 values, aliases counted in full"),
    "merge key": ("a: &a {x: 1}\nb: {<<: *a}\n", "c.yaml:2:5: b.<<: merge keys are not read"),
    "aliases stacked deep": (TALL_ALIASES, "found more than 50 levels of nesting"),
    "200 KB of [": ("[" * 200_000, "c.yaml:1:51: found more than 50 levels of nesting"),
    "200 KB of {": ("{a: " * 50_000, "found more than 50 levels of nesting"),
    "indented deep": ("".join(" " * i + "a:\n" for i in range(500)), "found more than 50 levels of nesting"),
    "many values": ("[" + "1, " * 150_000 + "]", "found more than 10,000 values"),
    "a key that is a list": ("? [a, b]\n: 1\n", "c.yaml:1:3: found a key that is a list"),
    "over 1 MB": ("#" * 1_000_001, "c.yaml:1:1: found more than 500,000 bytes"),
    "text without end": ("name: " + "x " * 240_000, "c.yaml:1:7: name: found `x x x"),
    "../../x": (edited("name: good", "name: ../../x"), "c.yaml:1:7: name: found `../../x`, expected text that matches"),
    "a name with a terminal's escapes": (edited("name: good", r'name: "\e[2J"'), r'found `"\x1b[2J"`'),
    "type: os.system": (
        edited("softmax_cross_entropy", "{type: os.system}"),
        "c.yaml:9:14: loss.type: found `os.system`",
    ),
    "a type that is a list": (
        edited("softmax_cross_entropy", "{type: [a]}"),
        "c.yaml:9:14: loss.type: found a list of 1",
    ),
}


@pytest.mark.parametrize(("text", "message"), CASES.values(), ids=CASES)
def test_bad_input(refused, text, message):
    start = time.process_time()
    mistakes = refused(text)
    assert time.process_time() - start < 2
    assert message in "\n".join(map(str, mistakes))


ALONE = ["duplicate key", "misspelt key of a layer", "batch 0", "two documents", "a cycle", "known tag", "missing rate"]


@pytest.mark.parametrize("case", ALONE)
def test_one_mistake_is_one_message(refused, case):
    assert len(refused(CASES[case][0])) == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [("none.yaml", "no such file"), (".", "found a directory, expected a config file"), ("c.yaml/x", "cannot be read")],
)
def test_no_file_to_read(loaded, path, message):
    loaded()
    with pytest.raises(ConfigError, match=message) as caught:
        load(path)
    assert caught.value.exit_code == Exit.USAGE
    assert str(caught.value).startswith(f"{path}:1:1: ")


@pytest.mark.parametrize(
    "content",
    [
        GOOD.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + GOOD.encode(),
        f"---\n{GOOD}...\n".encode(),
        GOOD.replace("0.1", "1e-1").encode(),
        GOOD.replace(": 10\n", ": 010\n").encode(),
        GOOD.replace("learning_rate", "ε").replace("sgd", "optimizer").encode(),
        GOOD.replace("batch_size: 10", "batch_size: &ten 10").replace("units: 10", "units: *ten").encode(),
    ],
    ids=["CRLF", "BOM", "markers", "1e-1", "010", "spellings", "alias"],
)
def test_accepted(loaded, content):
    assert loaded(content).experiment == loaded(GOOD).experiment
