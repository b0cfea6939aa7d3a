"""An experiment → the YAML of its config, every default written out."""

from typing import Any

import yaml

from dlcli.config.experiment import Experiment
from dlcli.config.nodes import FLOAT, INTEGER


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.1 or 1.2 would read as something else, so that both read the same."""


for _tag, _pattern in (("int", INTEGER), ("float", FLOAT)):
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, list("-+.0123456789"))


def dump(experiment: Experiment) -> str:
    """The resolved config: `dlcli.config.load.from_text` makes an equal experiment of it."""
    return yaml.dump(
        _type_first(experiment.model_dump(mode="json")), Dumper=_Dumper, sort_keys=False, allow_unicode=True,
        default_flow_style=None, width=110,
    )  # fmt: skip


def _type_first(value: Any) -> Any:
    """The value with each mapping's `type` in front, where a reader looks for it."""
    if isinstance(value, list):
        return [_type_first(item) for item in value]
    if not isinstance(value, dict):
        return value
    first = {"type": value["type"]} if "type" in value else {}
    return {key: _type_first(item) for key, item in (first | value).items()}
