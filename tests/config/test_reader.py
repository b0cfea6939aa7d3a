"""What YAML's scalars mean, and where they stand."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.config.nodes import scalar
from dlcli.config.reader import MAX_DEPTH, MAX_NODES, read
from dlcli.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("2.", 2.0),
        ("-1.5e+2", -150.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("010", 10),
        ("-7", -7),
        ("+3", 3),
        ("0o17", 15),
        ("0xFF", 255),
        ("true", True),
        ("False", False),
        ("~", None),
        ("Null", None),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("OFF", "OFF"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("2020-01-01", "2020-01-01"),
        ("1e", "1e"),
        (".", "."),
        ("=", "="),
        ("tRUE", "tRUE"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    node, mistakes = read(f"a: {text}", "f")
    found = node.plain()["a"]
    assert (found, type(found), mistakes) == (value, type(value), [])


def test_not_a_number():
    assert math.isnan(scalar(".nan"))


@pytest.mark.parametrize("text", ['"1"', "'true'", '"null"', "|-\n  1", ">-\n  ~"])
def test_quoted_scalars_are_text(text):
    assert isinstance(read(f"a: {text}", "f")[0].plain()["a"], str)


def test_keys_are_text():
    assert read("{1: a, no: b, null: c, 2.0: d}", "f")[0].plain() == {"1": "a", "no": "b", "null": "c", "2.0": "d"}


def test_positions_of_keys_and_values():
    root, _ = read("a:\n  - {é: 1, b: [2, 3]}\n", "f", shift=100)
    item = root.value["a"].node.value[0]
    assert root.value["a"].at == ("f", 1, 101)
    assert item.at == ("f", 2, 5)
    assert item.value["b"].at == ("f", 2, 12)
    assert item.value["b"].node.value[1].at == ("f", 2, 19)


def test_all_duplicates_and_tags_are_found_and_the_first_value_stays():
    root, mistakes = read("a: 1\nb: {c: !x 1, c: 2}\na: 3\n", "f")
    assert root.plain() == {"a": 1, "b": {"c": 1}}
    assert [(m.line, m.column, m.key) for m in mistakes] == [(2, 8, "b.c"), (2, 14, "b.c"), (3, 1, "a")]


def test_caps_are_exact():
    read("[" * MAX_DEPTH + "]" * MAX_DEPTH, "f")
    read("[" + "1," * (MAX_NODES - 1) + "]", "f")
    with pytest.raises(ConfigError, match="levels of nesting"):
        read("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "f")
    with pytest.raises(ConfigError, match="values"):
        read("[" + "1," * MAX_NODES + "]", "f")


def test_an_alias_counts_for_all_it_stands_for():
    def text(aliases: int) -> str:
        return f"[&a [{'1,' * 99}], {'*a,' * aliases}]"

    assert len(read(text(98), "f")[0].plain()) == 99
    with pytest.raises(ConfigError, match="aliases counted in full"):
        read(text(99), "f")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([*"{}[]:,-?&*!|>'\"%#@` \n\tax1", "\r\n", "...", "---", "<<", "\\u"]), max_size=40))
def test_any_text_is_read_or_refused(pieces):
    try:
        root, mistakes = read("".join(pieces), "f")
    except ConfigError as error:
        root, mistakes = None, list(error.mistakes)
    assert root is None or root.height() <= MAX_DEPTH
    assert all(mistake.line >= 1 and mistake.column >= 1 for mistake in mistakes)
