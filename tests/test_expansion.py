"""Blocks taken apart, and references resolved."""

import re

import pytest

from dlcli.errors import MisfitError
from dlcli.expansion import expand, output_of
from dlcli.layers.base import Element
from dlcli.options import Options


class Written(Options):
    element: Element


def elements(*written: dict) -> list[Element]:
    return [Written.model_validate({"element": element}).element for element in written]


def dense(units: int, **options) -> dict:
    return {"type": "dense", "units": units, **options}


def wiring(*written: dict) -> dict[str, tuple[str, ...]]:
    """Each layer's inputs by its full name, in the graph's order."""
    return {placed.name: placed.inputs for placed in expand(elements(*written))}


def test_a_list_is_a_chain_unless_inputs_say_otherwise():
    assert wiring(dense(2, name="a"), dense(3), {"type": "flatten", "inputs": ["a"]}) == {
        "a": ("input",),
        "dense_2": ("a",),
        "flatten_1": ("a",),
    }


def test_layers_may_stand_before_those_whose_outputs_they_take():
    found = wiring({"type": "add", "name": "sum", "inputs": ["a", "b"]}, dense(2, name="b", inputs=["a"]),
                   dense(2, name="a", inputs=["input"]))  # fmt: skip
    assert list(found) == ["a", "b", "sum"]


def test_repetitions_have_names_of_their_own():
    found = wiring(
        {"type": "repeat", "name": "stage", "times": 2, "layers": [dense(3), dense(4, name="wide")]}, dense(1)
    )
    assert found == {
        "stage/1/dense_1": ("input",),
        "stage/1/wide": ("stage/1/dense_1",),
        "stage/2/dense_1": ("stage/1/wide",),
        "stage/2/wide": ("stage/2/dense_1",),
        "dense_1": ("stage/2/wide",),
    }


def test_a_block_in_a_block():
    block = {"type": "residual", "layers": [dense(3)], "shortcut": [dense(3, bias=False)], "activation": "relu"}
    found = wiring(dense(2), {"type": "repeat", "times": 2, "layers": [block]})
    assert found["repeat_1/2/residual_1/main/dense_1"] == ("repeat_1/1/residual_1/add",)
    assert found["repeat_1/2/residual_1/shortcut/dense_1"] == ("repeat_1/1/residual_1/add",)
    assert found["repeat_1/2/residual_1/add"] == (
        "repeat_1/2/residual_1/main/dense_1",
        "repeat_1/2/residual_1/shortcut/dense_1",
    )


def test_a_block_without_a_shortcut_adds_its_input():
    found = wiring(dense(3, name="below"), {"type": "residual", "name": "r", "layers": [dense(3)]})
    assert found["r/add"] == ("r/main/dense_1", "below")


def test_an_inception_module_has_four_paths():
    sizes = {"conv1x1": 1, "reduce3x3": 2, "conv3x3": 3, "reduce5x5": 4, "conv5x5": 5, "project": 6}
    block = {"type": "inception", "name": "i", **sizes}
    found = wiring(block, dense(1))
    assert found["i/concat"] == ("i/conv1x1", "i/conv3x3", "i/conv5x5", "i/project")
    assert found["i/conv5x5"] == ("i/reduce5x5",)
    assert found["i/project"] == ("i/pool",)
    assert found["dense_1"] == ("i/concat",)
    assert output_of(elements(block), "i") == output_of(elements(block)) == "i/concat"


def test_where_a_layer_came_from_is_known():
    block = {"type": "residual", "layers": [dense(3), dense(4)], "shortcut": [dense(4)]}
    places = {placed.name: placed.path for placed in expand(elements(dense(1), block))}
    assert places == {
        "dense_1": ("network", 0),
        "residual_1/main/dense_1": ("network", 1, "layers", 0),
        "residual_1/main/dense_2": ("network", 1, "layers", 1),
        "residual_1/shortcut/dense_1": ("network", 1, "shortcut", 0),
        "residual_1/add": ("network", 1),
    }


def test_names_inside_are_known_inside_alone():
    inner = dense(3, name="inner")
    found = expand(elements(dense(2, name="outer"), {"type": "repeat", "times": 1, "layers": [inner]}))
    assert found[1].known["outer"] == "outer"
    assert found[1].known["inner"] == "repeat_1/1/inner"
    assert "inner" not in found[0].known


@pytest.mark.parametrize(
    ("written", "path", "message"),
    [
        ([dense(2, inputs=["nobody"])], ("network", 0, "inputs"), "found 'nobody'"),
        ([dense(2, name="a", inputs=["b"]), dense(2, name="b")], ("network", 0, "inputs"), "waits for its own output"),
        (
            [
                dense(2),
                dense(2),
                {"type": "repeat", "times": 2, "layers": [dense(1)], "inputs": ["dense_1", "dense_2"]},
            ],
            ("network", 2, "inputs"),
            "found 2 inputs, expected one",
        ),
        (
            [{"type": "repeat", "times": 1000, "layers": [{"type": "repeat", "times": 1000, "layers": [dense(1)]}]}],
            ("network",),
            "found more than 10,000 layers",
        ),
    ],
)
def test_what_cannot_be_resolved_is_refused_where_it_stands(written, path, message):
    with pytest.raises(MisfitError, match=re.escape(message)) as failure:
        expand(elements(*written))
    assert failure.value.path == path
