"""Options of layer-wise pretraining."""

from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field, model_validator

from dlcli.optim.base import Optimiser
from dlcli.options import Also, Count, Family, Listed, Options, Positive
from dlcli.pretrain.base import Joint, Method


class LayerOptions(Options):
    """A layer to pretrain, with what differs from the other layers; its bare name where nothing does."""

    name: str
    """Name of the layer."""
    method: Method | None = None
    """How this layer is pretrained; keys not given come from `pretrain.method`, if the type is the same."""
    epochs: Annotated[int, Field(ge=0)] | None = None
    """Passes over the training set for this layer."""
    batch_size: Count | None = None
    """Samples in a mini-batch of this layer."""
    optimiser: Annotated[Optimiser | None, Also("optimizer", "sgd")] = None
    """The optimiser for this layer; keys not given come from that of `pretrain`."""


def _layer(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class PretrainOptions(Options):
    """Greedy layer-wise pretraining, from the input up (survey, section 3.2)."""

    method: Method
    """How layers are pretrained."""
    layers: (
        Annotated[
            tuple[Annotated[LayerOptions, BeforeValidator(_layer, json_schema_input_type=str | LayerOptions)], ...],
            Listed,
            Field(min_length=1),
        ]
        | None
    ) = None
    """The layers to pretrain, from the input up: names, or mappings with a name and what differs for this layer
    (`{name: hidden2, epochs: 20, method: {corruption: 0.2}}`); by default every layer with weights that can be
    folded back, but the output layer."""
    epochs: Annotated[int, Field(ge=0)] = 10
    """Passes over the training set for each layer."""
    batch_size: Count | None = None
    """Samples in a mini-batch; by default that of `data`."""
    memory_limit: Positive = 4000.0
    """Megabytes that a layer's outputs over a data set may take in memory while the next layer learns from them; larger
    ones stand in a file of the run's directory that is mapped into memory, and gone when the run ends. The result does
    not depend on it."""
    optimiser: Annotated[Optimiser, Also("optimizer", "sgd")]
    """The optimiser while pretraining; keys not given come from the top-level one."""

    @model_validator(mode="before")
    @classmethod
    def _layers_inherit(cls, value: Any) -> Any:
        """Give what a layer overrides, and the stage for all of them, the keys that they leave out."""
        if not isinstance(value, dict):
            return value
        if isinstance(value.get("method"), dict):
            value = value | {"method": _joint_inheriting(value["method"], value)}
        if not isinstance(value.get("layers"), list | tuple):
            return value
        return value | {"layers": [_inheriting(layer, value) for layer in value["layers"]]}

    def of(self, name: str) -> "Own":
        """What holds for a layer."""
        found = [(place, layer) for place, layer in enumerate(self.layers or ()) if layer.name == name]
        place, own = found[0] if found else (None, LayerOptions(name=name))
        return Own(
            path=() if place is None else ("pretrain", "layers", place),
            method=own.method or self.method,
            epochs=self.epochs if own.epochs is None else own.epochs,
            batch_size=own.batch_size or self.batch_size,
            optimiser=own.optimiser or self.optimiser,
        )


class Own(NamedTuple):
    """A layer's options, its own and those that it shares; only the batch size may be left open.

    ``path`` leads to what the config says of it, if it names it.
    """

    path: tuple[str | int, ...]
    method: Method
    epochs: int
    batch_size: int | None
    optimiser: Optimiser


def joints() -> list[type[Joint]]:
    """The kinds of stages for all layers together."""
    Method.members()  # imports them
    return Joint.__subclasses__()


def inherit(family: type[Family], outer: Any, inner: Any, kind: str | None = None) -> Any:
    """The mapping ``inner`` with the keys of ``outer`` that it lacks, where both are of one type.

    ``kind`` is the type of a mapping that names none: by default, the outer one's.
    """
    outer, inner = ({"type": given} if isinstance(given, str) else given for given in (outer, inner))
    if not isinstance(outer, dict) or not isinstance(inner, dict):
        return inner
    outer_kind = outer.get("type", family.default_type)
    known = isinstance(outer_kind, str) and outer_kind in family.members()
    own = _spell(family, outer_kind, inner)
    own_kind = inner.get("type", kind if kind and known else outer_kind)
    if own_kind != outer_kind or len(own) < len(inner):  # another's keys, or one given twice
        return inner
    return _spell(family, outer_kind, outer) | own


def key_of(options: type[Options], mapping: dict[str, Any], name: str) -> str:
    """The spelling under which a mapping gives an option; the option's own name where it does not."""
    spelt = {name, *(other for other, own in options.spellings().items() if own == name)}
    return next((key for key in mapping if key in spelt), name)


def _joint_inheriting(method: dict[str, Any], pretrain: dict[str, Any]) -> dict[str, Any]:
    """The method, whose joint stage, if it is given, has the optimiser's keys that it leaves out."""
    outer = pretrain.get(key_of(PretrainOptions, pretrain, "optimiser"))
    for option in (kind.option for kind in joints()):
        joint = method.get(option)
        if isinstance(joint, dict):
            key = key_of(Joint, joint, "optimiser")
            own = inherit(Optimiser, outer, joint.get(key, {}), "sgd" if key == "sgd" else None)
            method = method | {option: joint | {key: own}}
    return method


def _inheriting(layer: Any, pretrain: dict[str, Any]) -> Any:
    if not isinstance(layer, dict):
        return layer
    result = dict(layer)
    if layer.get("method") is not None:
        result["method"] = inherit(Method, pretrain.get("method"), layer["method"])
    key = key_of(LayerOptions, layer, "optimiser")
    if layer.get(key) is not None:
        outer = pretrain.get(key_of(PretrainOptions, pretrain, "optimiser"))
        result[key] = inherit(Optimiser, outer, layer[key], "sgd" if key == "sgd" else None)
    return result


def _spell(family: type[Family], kind: Any, mapping: dict[str, Any]) -> dict[str, Any]:
    """The mapping with its type's own spelling of each key, so that two mappings can be merged."""
    member = family.members().get(kind) if isinstance(kind, str) else None
    spellings = member.spellings() if member else {}
    return {spellings.get(key, key): item for key, item in mapping.items()}
