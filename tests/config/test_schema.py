"""The JSON Schema: what the reader takes, it takes too."""

import json
from typing import Any

import pytest
from pydantic import create_model

from dlcli.config.dump import dump
from dlcli.config.load import from_text
from dlcli.config.reader import read
from dlcli.config.schema import Generator, schema
from dlcli.options import Options
from tests.config.conftest import GOOD
from tests.config.pets.base import Pet

SCHEMA = json.loads(json.dumps(schema()))
KINDS = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
    "null": type(None),
}  # fmt: skip
ANNOTATIONS = {"$schema", "$defs", "title", "description", "default", "pattern"}


def valid(value: Any, rule: dict[str, Any]) -> bool:
    """Whether a value passes a schema; as much of the standard as ours uses, other keywords are refused."""
    return all(passes(value, keyword, rule) for keyword in rule if keyword not in ANNOTATIONS)


def passes(value: Any, keyword: str, rule: dict[str, Any]) -> bool:
    wanted = rule[keyword]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    mapping, items = value if isinstance(value, dict) else {}, value if isinstance(value, list) else []
    match keyword:
        case "$ref":
            return valid(value, SCHEMA["$defs"][wanted.removeprefix("#/$defs/")])
        case "type":
            return isinstance(value, KINDS[wanted]) and (wanted == "boolean" or not isinstance(value, bool))
        case "const" | "enum":
            return value in (wanted if keyword == "enum" else [wanted])
        case "anyOf" | "oneOf" | "allOf":
            count = sum(valid(value, each) for each in wanted)
            return {"anyOf": count > 0, "oneOf": count == 1, "allOf": count == len(wanted)}[keyword]
        case "required":
            return all(key in mapping for key in wanted)
        case "properties":
            return all(valid(item, wanted[key]) for key, item in mapping.items() if key in wanted)
        case "additionalProperties":
            return wanted is not False or all(key in rule["properties"] for key in mapping)
        case "items":
            return all(valid(item, wanted) for item in items)
        case "minItems":
            return not isinstance(value, list) or len(items) >= wanted
        case "minimum" | "exclusiveMinimum":
            return not number or (value >= wanted if keyword == "minimum" else value > wanted)
        case "maximum" | "exclusiveMaximum":
            return not number or (value <= wanted if keyword == "maximum" else value < wanted)
    raise AssertionError(f"the schema uses {keyword}, which this test does not know")


def plain(text: str) -> Any:
    return read(text, "f")[0].plain()


LAYER = "{type: dense, units: 20}"
ACCEPTED = {
    "as it is": GOOD,
    "resolved": dump(from_text(GOOD + "pretrain: {method: autoencoder}\n", "f")),
    "ε": GOOD.replace("learning_rate", "ε"),
    "optimiser": GOOD.replace("sgd", "optimiser"),
    "optimizer": GOOD.replace("sgd:", "optimizer:\n  type: sgd"),
    "American": GOOD.replace("units: 20", "units: 20, initializer: he"),
    "bare and written-out types": GOOD.replace(LAYER, "flatten").replace(
        "softmax_cross_entropy", "{type: mean_squared_error}"
    ),
    "one number for two": GOOD.replace(LAYER, "{type: max_pool2d, size: 2, stride: [1, 2], padding: same}"),
    "numbers for padding": GOOD.replace(LAYER, "{type: max_pool2d, size: [2, 2], padding: 1}"),
    "a schedule for momentum": GOOD + "  α: {type: inverse, initial: 0.5, gamma: 1, power: 1}\n",
    "a bare schedule": GOOD + "  schedule: constant\n",
    "a tail": GOOD.replace("batch_size: 10", "validation: {tail: 10}"),
    "a count": GOOD.replace("batch_size: 10", "validation: 10"),
    "another optimiser": GOOD.replace("sgd:", "optimiser:\n  type: adam\n  beta_1: 0.8"),
    "a bare optimiser": GOOD.split("sgd")[0] + "optimiser: lbfgs\npretrain: {method: autoencoder, optimizer: lbfgs}\n",
    "class weights": GOOD.replace("softmax_cross_entropy", "{type: hinge, norm: l2, class_weights: [1, 2, 0.5]}"),
    "inherited": GOOD + "pretrain: {method: {type: autoencoder}, sgd: {alpha: 0.5}}\n",
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_read_is_accepted(text):
    from_text(text, "f")
    assert valid(plain(text), SCHEMA)


REFUSED = {
    "unknown key": GOOD + "trainig: {}\n",
    "unknown type": GOOD.replace("softmax_cross_entropy", "softmax"),
    "no type": GOOD.replace(LAYER, "{units: 20}"),
    "bare type with options": GOOD.replace(LAYER, "dense"),
    "no layer": GOOD.split("network")[0] + "network: []\nloss: mean_squared_error\nsgd: {ε: 1}\n",
    "no optimiser": GOOD.split("sgd")[0],
    "two optimisers": GOOD + "optimizer: {ε: 1}\n",
    "no rate": GOOD.replace("learning_rate", "momentum"),
    "bound": GOOD.replace("0.1", "0"),
    "not a number": GOOD.replace("0.1", "x"),
    "another optimiser's key": GOOD.replace("sgd:", "optimiser:\n  type: adam\n  momentum: 0.8"),
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_plain_mistakes_are_refused(text):
    assert not valid(plain(text), SCHEMA)


def test_other_names_of_types_are_accepted():
    pets = create_model("Home", __base__=Options, pet=(Pet, ...)).model_json_schema(schema_generator=Generator)
    assert pets["properties"]["pet"]["oneOf"][-1] == {"enum": ["cat", "kitten"]}
    assert pets["$defs"]["Cat"]["properties"]["type"] == {"enum": ["cat", "kitten"]}
    assert ("required" in pets["$defs"]["Cat"], pets["$defs"]["Dog"]["required"]) == (False, ["type"])


def test_it_says_which_draft_it_is_and_describes_every_option():
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    mappings = [SCHEMA, *SCHEMA["$defs"].values()]
    bare = [
        (m.get("title"), key) for m in mappings for key, rule in m["properties"].items() if "description" not in rule
    ]
    assert {key for _, key in bare} <= {"type"}
    assert len(mappings) > 20
