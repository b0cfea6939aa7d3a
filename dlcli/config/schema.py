"""JSON Schema of a config file, for editors: it accepts every spelling that the reader accepts."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from dlcli.config.experiment import Experiment
from dlcli.options import Family, Options
from dlcli.pretrain.options import LayerOptions, PretrainOptions, joints


def schema() -> dict[str, Any]:
    """The schema, draft 2020-12, every option with its description.

    It is a little wider than the reader, to which bounds inside a Pair and what names refer to are left.
    """
    result = Experiment.model_json_schema(schema_generator=Generator)
    _inherit(result["$defs"])
    _count_items(result)
    result["anyOf"] = [{"required": ["loss"]}, {"required": ["losses"]}]
    return {"$schema": Generator.schema_dialect, "title": "dlcli config", **result}


class Generator(GenerateJsonSchema):
    """Writes the schema of any options or family; `schema` is that of a whole config."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False  # it would only repeat the key

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        result = super().model_schema(schema)
        options = schema["cls"]
        if issubclass(options, Options):
            _describe(options, result)
        if issubclass(options, Family):
            _name_type(options, result)
        if issubclass(options, Options):
            _respell(options, result)
        return result

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        result = super().function_before_schema(schema)
        family = getattr(schema["function"]["function"], "__self__", None)
        if "discriminator" in result and isinstance(family, type) and issubclass(family, Family):
            del result["discriminator"]  # OpenAPI's word
            if names := _bare_names(family):
                result["oneOf"].append({"enum": names})
        return result


def _describe(options: type[Options], result: JsonSchemaValue) -> None:
    """Give every option its description."""
    for name, field in options.model_fields.items():
        if field.description is not None:
            result["properties"][name]["description"] = field.description


def _bare_names(family: type[Family]) -> list[str]:
    """Types that may stand without a mapping, since they need no option."""
    return [
        name
        for kind, member in family.members().items()
        if not any(field.is_required() for key, field in member.model_fields.items() if key != "type")
        for name in (kind, *member.also_called)
    ]


def _name_type(member: type[Family], result: JsonSchemaValue) -> None:
    """Require the type, unless it is the family's default, under any of its names."""
    kind = result["properties"]["type"]["const"]
    result["properties"]["type"] = {"enum": [kind, *member.also_called]}
    if kind != member.default_type:
        result["required"] = sorted({"type", *result.get("required", [])})


def _respell(options: type[Options], result: JsonSchemaValue) -> None:
    """Offer the other spellings of keys; of a required key, exactly one."""
    properties, required = result.get("properties", {}), result.get("required", [])
    by_name: dict[str, list[str]] = {}
    for other, name in options.spellings().items():
        properties[other] = properties[name]
        by_name.setdefault(name, [name]).append(other)
    for name in [name for name in required if name in by_name]:
        required.remove(name)
        result.setdefault("allOf", []).append({"oneOf": [{"required": [key]} for key in by_name[name]]})


def _count_items(schema: Any) -> None:
    """Bound lists by their items: pydantic does not see that `Listed` makes a list, and bounds a length."""
    for bound in ("min", "max"):
        if isinstance(schema, dict) and schema.get("type") == "array" and f"{bound}Length" in schema:
            schema[f"{bound}Items"] = schema.pop(f"{bound}Length")
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _count_items(part)


def _inherit(definitions: dict[str, Any]) -> None:
    """Let mappings leave out what they take from others: optimisers of stages and layers, a layer's method."""
    inheriting: list[type[Options]] = [PretrainOptions, LayerOptions, *joints()]
    for options in inheriting:
        if options.__name__ in definitions:
            _inherit_option(definitions, options, "optimiser")
    _inherit_option(definitions, LayerOptions, "method")


def _inherit_option(definitions: dict[str, Any], options: type[Options], name: str) -> None:
    """Make a family's option optional, and every option of its members."""
    own = definitions[options.__name__]
    rules = [rule for rule in own.pop("allOf", []) if {"required": [name]} not in rule["oneOf"]]
    if rules:
        own["allOf"] = rules
    if name in own.get("required", []):
        own["required"].remove(name)
    family = own["properties"][name]
    choices = [item for part in family.get("anyOf", [family]) for item in part.get("oneOf", [part])]
    members = [definitions[item["$ref"].rpartition("/")[2]] for item in choices if "$ref" in item]
    partial = [{key: member[key] for key in member if key not in ("required", "allOf")} for member in members]
    partial += [item for item in choices if "$ref" not in item]  # bare names, null
    for key in [name, *(key for key, spelt in options.spellings().items() if spelt == name)]:
        own["properties"][key] = {"description": family["description"], "anyOf": partial}
