"""Writes docs/config.md from the options themselves. Run ``python docs/make_reference.py`` after changing an option."""

import inspect
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from dlcli.config.experiment import Experiment
from dlcli.data.options import DataOptions, Source, Tail, Transform
from dlcli.initialisers.base import Initialiser
from dlcli.layers.base import Block, Layer, MultiplierOptions
from dlcli.layers.sparsity import SparsityOptions
from dlcli.losses.base import Loss
from dlcli.optim.base import Optimiser
from dlcli.optim.schedules.base import Schedule, WarmUp
from dlcli.options import Family, Options
from dlcli.pretrain.base import Method
from dlcli.pretrain.options import PretrainOptions
from dlcli.training.options import Interval, OutputOptions, StopEarly, TrainingOptions

PAGE = Path(__file__).parent / "config.md"
INTRODUCTION = """# The config file

Made from the options themselves by `docs/make_reference.py`. Sizes may be one number or `[height, width]`. Where
something is chosen by its `type`, the bare name will do if no option needs a value: `loss: softmax_cross_entropy`.
"""
SECTIONS: list[tuple[str, type[Options], list[type[Options]]]] = [
    ("The file", Experiment, []),
    ("data", DataOptions, [Tail]),
    ("data.source", Source, []),
    ("data.transform", Transform, []),
    ("network", Layer, [MultiplierOptions]),
    ("network: blocks", Block, []),
    ("initialiser, bias_initialiser", Initialiser, []),
    ("loss", Loss, []),
    ("sgd", Optimiser, []),
    ("sgd.schedule", Schedule, [WarmUp]),
    ("pretrain", PretrainOptions, []),
    ("pretrain.method", Method, [SparsityOptions]),
    ("training", TrainingOptions, [StopEarly]),
    ("output", OutputOptions, [Interval]),
]


def page() -> str:
    """The whole of docs/config.md."""
    parts = [INTRODUCTION]
    for title, options, others in SECTIONS:
        parts.append(f"## {title}\n")
        members = list(options.members().values()) if issubclass(options, Family) else [options]
        if issubclass(options, Family):
            parts.append(_text(options) + "\n")
        for member in [*members, *others]:
            if member is not options:
                parts.append(f"### {_kind(member)}\n")
            parts.append(_text(member) + "\n")
            parts.append(_table(member))
    return "\n".join(part for part in parts if part)


def _kind(options: type[Options]) -> str:
    field = options.model_fields.get("type")
    return f"`{field.default}`" if field else options.__name__


def _text(options: type[Options]) -> str:
    return inspect.cleandoc(options.__doc__ or "")


def _table(options: type[Options]) -> str:
    spellings = options.spellings()
    lines = []
    for name, field in options.model_fields.items():
        if name == "type":
            continue
        names = ", ".join(f"`{each}`" for each in (name, *(o for o, n in spellings.items() if n == name)))
        description = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| {names} | {_default(field.default)} | {description} |")
    return "\n".join(["| option | default | |", "|---|---|---|", *lines, ""]) if lines else ""


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return ""
    if isinstance(value, Options):
        own = value.model_dump(mode="json", exclude_defaults=True)
        kind = getattr(value, "type", None)
        return f"`{kind}`" if kind else (f"`{own}`" if own else "")
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
