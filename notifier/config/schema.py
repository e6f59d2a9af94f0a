"""JSON Schema of the files that people write, made from the tables that read them; editors complete and check by it.

It is draft 7, which all editors know. It says less than the loader: that a channel exists, that a template holds, that
two keys go together is for `notifier check`. What it refuses, the loader refuses.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, JsonSchemaWarningKind
from pydantic_core import core_schema

from notifier.config.calendar_section import named_calendar
from notifier.config.case_table import CaseFileTable
from notifier.config.config_table import ConfigTable
from notifier.config.rule_table import RuleFileTable
from notifier.config.table import Among, Table, as_tuple, numbers_as_tuple

DIALECT = "http://json-schema.org/draft-07/schema#"

_REFERENCE: JsonSchemaValue = {"type": "string", "pattern": r"\$\{"}
"""A text with a reference, which may stand for anything."""


def config_schema() -> JsonSchemaValue:
    """Returns the schema of `config.toml`."""
    return _schema(ConfigTable, "The configuration of notifier", _or_reference)


def rules_schema() -> JsonSchemaValue:
    """Returns the schema of `rules/*.toml`."""
    return _schema(RuleFileTable, "Rules of notifier", _as_it_is)


def cases_schema() -> JsonSchemaValue:
    """Returns the schema of `rules/*.test.toml`."""
    return _schema(CaseFileTable, "Cases for rules of notifier", _as_it_is, _TablesAlone)


def _schema(
    table: type[Table],
    title: str,
    text: Callable[[JsonSchemaValue], JsonSchemaValue],
    generator: type[GenerateJsonSchema] | None = None,
) -> JsonSchemaValue:
    made = generator or _Generator
    raw = table.model_json_schema(schema_generator=made, ref_template="#/definitions/{model}", mode="validation")
    definitions = {name: _written(part, text) for name, part in raw.pop("$defs", {}).items()}
    return {"$schema": DIALECT, **_written(raw, text), "title": title, "definitions": definitions}


class _Generator(GenerateJsonSchema):
    """Knows what our validators take; pydantic knows only the types behind them."""

    #: Whether a table may stand for a list of one, as in `sent = { ... }`.
    tables_alone = False

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """Says nothing: what pydantic can't write is a default, and defaults are left out."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """Returns one value or a list of such where `as_tuple` makes a list of one."""
        made = super().function_before_schema(schema)
        if schema["function"]["function"] is named_calendar:
            return {"anyOf": [{"type": "string"}, made]}
        if schema["function"]["function"] not in {as_tuple, numbers_as_tuple}:
            return made
        # An editor that offers `[rule]` for `[[rule]]` leads astray.
        return made if "$ref" in made["items"] and not self.tables_alone else {"anyOf": [made["items"], made]}

    def function_after_schema(self, schema: core_schema.AfterValidatorFunctionSchema) -> JsonSchemaValue:
        """Returns the values from which one must be chosen."""
        function = schema["function"]["function"]
        made = super().function_after_schema(schema)
        return made | {"enum": list(function.names)} if isinstance(function, Among) else made

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Returns the table with what stands beside its keys in our code."""
        made = super().model_schema(schema)
        notes = _notes(schema["cls"])
        for name, key in made.get("properties", {}).items():
            if note := notes.get(name):
                key["description"] = note
        return made


class _TablesAlone(_Generator):
    tables_alone = True


def _notes(table: type[Any]) -> Mapping[str, str]:
    """Returns the notes on the fields of a table, by key."""
    fields = table.model_fields
    sources = "\n".join(inspect.getsource(one) for one in reversed(table.__mro__) if issubclass(one, Table))
    found = re.findall(r"((?:^ +#: .*\n)+) +(\w+):", sources, re.MULTILINE)
    return {
        fields[name].alias or name: " ".join(line.strip().removeprefix("#: ") for line in lines.splitlines())
        for lines, name in found
        if name in fields
    }


def _as_it_is(text: JsonSchemaValue) -> JsonSchemaValue:
    return text


def _or_reference(text: JsonSchemaValue) -> JsonSchemaValue:
    """Returns the schema of a text that may hold a reference instead."""
    if not {"enum", "pattern"} & text.keys():
        return text
    notes = {key: text.pop(key) for key in ("description",) if key in text}
    return {"anyOf": [text, _REFERENCE], **notes}


def _written(part: Any, text: Callable[[JsonSchemaValue], JsonSchemaValue]) -> Any:
    """Returns the schema of what TOML can say: nothing is null there, and a default is for the loader to know."""
    if isinstance(part, list):
        return [_written(one, text) for one in part]
    if not isinstance(part, dict):
        return part
    made = {key: _inner(key, value, text) for key, value in part.items() if key not in _LEFT_OUT}
    made = _without_null(made)
    if "patternProperties" in made:
        made["additionalProperties"] = False
    if "$ref" in made and len(made) > 1:
        # Beside a reference everything else is passed over.
        made["allOf"] = [{"$ref": made.pop("$ref")}]
    return _bounded(text(made) if made.get("type") == "string" else made)


_LEFT_OUT = frozenset({"title", "default", "format", "writeOnly"})


def _inner(key: str, value: Any, text: Callable[[JsonSchemaValue], JsonSchemaValue]) -> Any:
    if key == "properties":
        return {name: _written(one, text) for name, one in value.items()}
    return value if key in {"enum", "required"} else _written(value, text)


def _without_null(part: JsonSchemaValue) -> JsonSchemaValue:
    choices: list[JsonSchemaValue] = [one for one in part.get("anyOf", ()) if one != {"type": "null"}]
    if len(choices) == 1:
        return {key: value for key, value in part.items() if key != "anyOf"} | choices[0]
    return part | {"anyOf": choices} if choices else part


def _bounded(part: JsonSchemaValue) -> JsonSchemaValue:
    """Returns the schema with the limits of a list where they belong; pydantic knows the list only behind its check."""
    lists = [one for one in (part, *part.get("anyOf", ())) if one.get("type") == "array"]
    for ours, theirs in (("minItems", "minLength"), ("maxItems", "maxLength")):
        if lists and theirs in part:
            lists[0][ours] = part.pop(theirs)
    return part
