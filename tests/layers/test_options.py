"""The common layer test, points 1 to 3 and 6: options, shapes and parameters of every registered layer."""

from collections.abc import Iterator
from math import prod

import numpy as np
import pytest
from pydantic import ValidationError

from dlcli.errors import MisfitError
from dlcli.graph import Graph
from dlcli.layers.base import Layer, ShapeError
from tests.layers.case import Case, Variant, With, cases
from tests.layers.harness import Driven, batch, driven, layer_of

CASES = cases()
VARIANTS = [
    pytest.param(case, variant, id=f"{case.type}-{place}")
    for case in CASES.values()
    for place, variant in enumerate(case.variants)
]
OF_ALL = {"name": ("1st", "a b", "a/b", "", "x" * 65, 3), "inputs": ("a", 3, [1], []), "share": (3, ["a"])}
every_variant = pytest.mark.parametrize(("case", "variant"), VARIANTS)
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def own_options(case: Case) -> set[str]:
    return set(Layer.members()[case.type].model_fields) - {"type", *Layer.model_fields}


def test_every_layer_has_a_case_and_every_case_a_layer():
    assert set(CASES) == set(Layer.members())


@every_case
def test_every_option_stands_in_the_case(case: Case):
    assert set(case.broken) == own_options(case)
    assert set(case.changes) == own_options(case)
    assert set(case.dead) <= own_options(case)


@every_case
def test_every_option_is_described(case: Case):
    member = Layer.members()[case.type]
    assert member.__doc__
    undescribed = [name for name, field in member.model_fields.items() if name != "type" and not field.description]
    assert not undescribed


@every_variant
def test_options_survive_yaml(case: Case, variant: Variant):
    layer = layer_of(variant.options)
    again = layer_of(layer.model_dump(mode="json"))
    assert again == layer
    assert type(again) is Layer.members()[case.type]
    assert again.model_dump(mode="json") == layer.model_dump(mode="json")
    assert layer.model_fields_set >= set(variant.options)


@every_case
def test_a_broken_bound_is_refused_with_its_path(case: Case):
    for option, values in {**OF_ALL, **case.broken}.items():
        for value in values:
            with pytest.raises(ValidationError) as failure:
                layer_of({**case.variants[0].options, option: value})
            for mistake in failure.value.errors():
                assert mistake["loc"][:3] == ("layer", case.type, option), f"{option}: {value!r}"


@every_case
def test_unknown_options_are_refused(case: Case):
    with pytest.raises(ValidationError) as failure:
        layer_of({**case.variants[0].options, "colour": 1})
    assert failure.value.errors()[0]["loc"] == ("layer", case.type, "colour")


@every_variant
def test_output_shape_is_the_real_one(case: Case, variant: Variant):
    layer = layer_of(variant.options)
    shape = layer.output_shape(variant.shapes)
    own = driven(variant)
    for samples in (1, 3):
        real = case.naive(batch(variant, samples), own.parameters, layer.model_dump(), None, *own.more())
        assert real.shape == (samples, *shape)


@every_case
def test_one_input_is_taken(case: Case):
    """Or, of a layer that takes several, at least one."""
    shape, several = case.variants[0].shape, case.variants[0].several
    if several:
        with pytest.raises(ShapeError, match="takes .* inputs?.*, found 0"):
            layer_of(case.variants[0].options).output_shape([])
        return
    for inputs in ([], [shape, shape]):
        with pytest.raises(ShapeError, match=f"takes one input, found {len(inputs)}"):
            layer_of(case.variants[0].options).output_shape(inputs)


@every_case
def test_what_does_not_fit_is_refused_by_the_layers_name(case: Case):
    for shape, message in case.refused_shapes:
        layer = layer_of({**case.variants[0].options, "name": "culprit"})
        if shape and isinstance(shape[0], tuple):  # several inputs
            with pytest.raises(ShapeError, match=message):
                layer.output_shape(shape)
            continue
        with pytest.raises(MisfitError, match=f"layer culprit.*{message}") as failure:
            Graph.build([layer], shape)
        assert failure.value.path == ("network", 0)


def graph_of(case: Case, variant: Variant) -> Graph:
    """The layer after those that it needs; they take inputs of 4 values."""
    layers = [*map(layer_of, variant.before or case.before), layer_of(variant.options)]
    if variant.several:
        return Graph.build([*_branches(variant.several, layers[0])], (1,))
    if not case.before:
        return Graph.build(layers, variant.shapes[0])
    return Graph.build(layers, (4,))


def _branches(shapes, layer: Layer) -> Iterator[Layer]:
    """Layers with outputs of these shapes, and the one that takes them all."""
    for index, shape in enumerate(shapes):
        yield layer_of({"type": "dense", "units": prod(shape), "inputs": ["input"]})
        yield layer_of({"type": "reshape", "name": f"input{index}", "shape": list(shape)})
    yield layer.model_copy(update={"inputs": tuple(f"input{index}" for index in range(len(shapes)))})


@every_variant
def test_parameters_are_those_declared_and_counted(case: Case, variant: Variant):
    node = graph_of(case, variant).nodes[-1]
    assert node.parameter_count == variant.parameters
    owned = [array for name, array in driven(variant).parameters.items() if node.parameters[name].owner is None]
    assert sum(array.size for array in owned) == variant.parameters
    for spec in node.parameters.values():
        assert spec.fan_in >= 1
        assert spec.fan_out >= 1


@every_variant
def test_multiply_adds_are_those_of_the_naive_loops(case: Case, variant: Variant):
    layer = layer_of(variant.options)
    specs = layer.parameters(variant.shapes)
    outputs = prod(layer.output_shape(variant.shapes))
    expected = outputs * specs["weights"].fan_in if "weights" in specs else 0
    expected = expected if variant.multiply_adds is None else variant.multiply_adds
    assert layer.multiply_adds(variant.shapes) == expected


@every_case
def test_every_option_is_alive(case: Case):
    base = case.variants[0]
    for option, change in case.changes.items():
        change = change if isinstance(change, With) else With(change)
        before = {**base.options, **change.companions}
        results = []
        for options in (before, {**before, option: change.value}):
            layer = Driven(layer_of(options), base.shapes)
            output = layer.forward(batch(base, 3), training=True)
            results.append((output, layer.penalty()))
        (one, one_penalty), (other, other_penalty) = results
        assert np.isfinite(one).all()
        moved = one.shape != other.shape or np.abs(one - other).max() > 1e-3 or abs(one_penalty - other_penalty) > 1e-3
        if option in case.dead:
            assert not moved, f"{option} moves the output; it stands in the case as dead: {case.dead[option]}"
        else:
            assert moved, f"changing {option} to {change.value!r} moves nothing"
