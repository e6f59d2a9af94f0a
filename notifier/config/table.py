"""Tables of a TOML file, checked by pydantic, with every mistake explained to people and put on its line.

A table is a subclass of `Table`; its fields are the keys that it may have. The types here read what TOML has no type
for. Validators raise what `wrong` and its kin return; everything else that pydantic finds is translated below. No text
shows a value unless its key is known to hold no secret, and none shows what a reference brought in.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from types import UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from notifier.config.reference import Expansion
from notifier.config.spelling import choices
from notifier.config.toml_file import Location, TomlFile
from notifier.core.duration import parse_duration
from notifier.errors import Problem

LONGEST = timedelta(days=366)
"""What a duration may be at most; beyond lie only typing errors."""


class Table(BaseModel):
    """One table of a file: knows its keys and takes no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def wrong(text: str) -> PydanticCustomError:
    """Returns the error for a value that is not shown; the text goes on after the key, as in `must be even`."""
    return PydanticCustomError("wrong", "{text}", {"text": text})


def wrong_value(text: str) -> PydanticCustomError:
    """Returns the error for a value that is shown behind the text, and therefore is never a secret."""
    return PydanticCustomError("wrong_value", "{text}", {"text": text})


def wrong_lines(problems: list[tuple[int, str]]) -> PydanticCustomError:
    """Returns the error for a text with mistakes of its own, each with its line in the text."""
    return PydanticCustomError("wrong_lines", "has mistakes", {"problems": problems})


@dataclass(frozen=True, slots=True)
class Among:
    """Checks that a text is one of those that are known."""

    noun: str
    names: tuple[str, ...]

    def __call__(self, value: str) -> str:
        """Returns the text."""
        return known_name(value, self.noun, self.names)


def among(noun: str, known: Iterable[str]) -> AfterValidator:
    """The text must be one of these."""
    return AfterValidator(Among(noun, tuple(known)))


def among_context(noun: str, key: str) -> AfterValidator:
    """The text must be one of those that the validation's context holds under the key."""

    def check(value: str, info: ValidationInfo) -> str:
        return known_name(value, noun, tuple(info.context[key]) if info.context else ())

    return AfterValidator(check)


def known_name(value: str, noun: str, names: tuple[str, ...]) -> str:
    """Returns the text if it is one of the names; else it raises that there is no such thing."""
    if value in names:
        return value
    raise PydanticCustomError("unknown", "unknown", {"noun": noun, "names": names})


def no_twins(values: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the values, each of which stands there once, as a validator."""
    twins = [value for index, value in enumerate(values) if value in values[:index]]
    if twins:
        raise wrong(f"names `{twins[0]}` twice")
    return values


def as_tuple(value: object) -> object:
    """Returns a list as a tuple, and a single text as a tuple of one; anything else is left for pydantic to refuse."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def numbers_as_tuple(value: object) -> object:
    """Returns what `as_tuple` does, of whole numbers in place of texts."""
    return (value,) if isinstance(value, int) else tuple(value) if isinstance(value, list) else value


def _duration(value: object) -> timedelta:
    try:
        if isinstance(value, str):
            return parse_duration(value)
    except (ValueError, OverflowError):
        pass
    raise wrong_value("must be a duration like 90s, 5m, 2h or 7d")


def _positive(value: timedelta) -> timedelta:
    if not timedelta(0) < value <= LONGEST:
        raise wrong_value("must be from 1s to 366d")
    return value


def _secret_line(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]+", value.get_secret_value()):
        raise wrong("must be one word without spaces; for a token, without `Bearer` in front of it")
    return value


def as_text(**keywords: object) -> WithJsonSchema:
    """Says to editors what the text in the file must be like, where a validator reads it."""
    return WithJsonSchema({"type": "string", **keywords})


Text = Annotated[str, Field(min_length=1)]
SecretLine = Annotated[SecretStr, AfterValidator(_secret_line)]
Offset = Annotated[
    timedelta,
    BeforeValidator(_duration),
    as_text(pattern=r"^\s*[+-]?[0-9]{1,10}[smhdw]\s*$"),
]
"""A duration that may go back, like -1d."""
Duration = Annotated[
    Offset,
    AfterValidator(_positive),
    as_text(pattern=r"^\s*\+?0*[1-9][0-9]{0,9}[smhdw]\s*$"),
]

AnyTable = TypeVar("AnyTable", bound=Table)


def read_table(
    table: type[AnyTable],
    file: TomlFile,
    expansion: Expansion | None = None,
    context: Mapping[str, object] | None = None,
) -> tuple[AnyTable | None, list[Problem]]:
    """Returns what the file says, or None with everything that is wrong with it."""
    expansion = expansion or Expansion(file.data)
    problems = [file.problem(location, text) for location, text in expansion.broken]
    try:
        value = table.model_validate(expansion.data, context=context)
    except ValidationError as error:
        broken = {location for location, _ in expansion.broken}
        for details in error.errors(include_url=False):
            # A reference that leads nowhere has its complaint; what its text would be as a value says nothing.
            if not any(prefix in broken for prefix in _prefixes(details["loc"])):
                problems += (
                    Problem(file.file, file.text_line(mistake.location, mistake.line), mistake.text)
                    for mistake in _explain(table, details, expansion.written)
                )
        return None, problems
    return (None if problems else value), problems


class _Mistake(NamedTuple):
    location: Location
    text: str
    #: The line inside the text that stands at the location.
    line: int = 1


_TEXT = "must be text in quotes"
_LIST = "must be text in quotes, or a list of such texts"
_NUMBERS = "must be a whole number, or a list of such numbers"
_TABLE = "must be a table with keys of its own"
_TYPES = {
    "string_type": _TEXT,
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "datetime_type": "must be a date and time like 2026-11-24T08:00:00",
    "tuple_type": _LIST,
    "dict_type": _TABLE,
    "model_type": _TABLE,
}
_TEXTS = {
    "missing": "is missing",
    "too_short": "must not be empty",
    "too_long": "must be a list of at most {max_length}",
    "string_too_short": "must not be empty",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than_equal": "must be {le:g} or less",
}
_SHOW_VALUE = {"wrong_value", "greater_than_equal", "less_than_equal"}
_LONGEST_VALUE = 60
_WORDS: tuple[tuple[type, str], ...] = (
    (str, "text"),
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number with a point"),
    (list, "a list"),
    (tuple, "a list"),
    (dict, "a table"),
    (date, "a date"),
    (time, "a time"),
)


def _explain(table: type[Table], details: ErrorDetails, written: Mapping[Location, str]) -> Iterator[_Mistake]:
    """Says in plain words what pydantic found."""
    location, kind = details["loc"], details["type"]
    context: dict[str, Any] = details.get("ctx", {})
    if location[-1:] == ("[key]",):
        # The name of a table is wrong, not what it holds.
        yield _Mistake(location[:-1], f"the name `{location[-2]}` {context['text']}")
    elif kind == "extra_forbidden":
        yield _Mistake(location, _unknown_key(table, location))
    elif kind == "unknown":
        hint = "" if _is_reference(location, written) else choices(str(details["input"]), context["names"])
        shown = _shown(location, details["input"], written)
        yield _Mistake(location, f"`{_key(location)}`: there is no {context['noun']} {shown}{hint}")
    elif kind == "wrong_lines":
        yield from (_Mistake(location, f"`{_key(location)}`: {text}", line) for line, text in context["problems"])
    else:
        yield _Mistake(location, f"`{_key(location)}` {_complaint(table, details, written)}")


def _complaint(table: type[Table], details: ErrorDetails, written: Mapping[Location, str]) -> str:
    location, value, kind = details["loc"], details["input"], details["type"]
    if kind in _TYPES:
        return _wrong_type(table, location, _TYPES[kind], value)
    text = _TEXTS.get(kind, "{text}").format(**details.get("ctx", {}))
    return f"{text}, not {_shown(location, value, written)}" if kind in _SHOW_VALUE else text


def _wrong_type(table: type[Table], location: Location, wanted: str, value: object) -> str:
    """Never shows the value: whatever has the wrong type may be a secret in the wrong place."""
    item = _item_type(_type_at(table, location))
    if isinstance(value, dict) and wanted == _LIST and _is_table(item):
        name = ".".join(part for part in location if isinstance(part, str))
        return f"must be written with two brackets: [[{name}]]"
    if wanted == _LIST and item is int:
        wanted = _NUMBERS
    given = next((word for type_, word in _WORDS if isinstance(value, type_)), "this")
    return f"{wanted}, not {given}"


def _unknown_key(table: type[Table], location: Location) -> str:
    key = str(location[-1])
    if len(location) > 1 and key in _keys(table):
        return f"unknown key `{key}`: it belongs to the top of the file, above the first [table]"
    here = _type_at(table, location[:-1])
    return f"unknown key `{key}`{choices(key, _keys(here) if _is_table(here) else ())}"


def _key(location: Location) -> str:
    return next((part for part in reversed(location) if isinstance(part, str)), "this file")


def _prefixes(location: Location) -> Iterator[Location]:
    return (location[:length] for length in range(len(location) + 1))


def _is_reference(location: Location, written: Mapping[Location, str]) -> bool:
    return any(prefix in written for prefix in _prefixes(location))


def _shown(location: Location, value: object, written: Mapping[Location, str]) -> str:
    """Returns the value as its author wrote it, on one line."""
    text = next((written[prefix] for prefix in _prefixes(location) if prefix in written), None)
    if text is None:
        text = str(value).lower() if isinstance(value, bool) else str(value)
    text = " ".join(text.split())
    return f"`{text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + '…'}`"


def _keys(table: type[Table]) -> list[str]:
    return [field.alias or name for name, field in table.model_fields.items()]


def _type_at(table: type[Table], location: Location) -> Any:
    """Returns the type that the tables declare for what stands at the location."""
    here: Any = table
    for part in location:
        if _is_table(here):
            here = next(
                (field.annotation for name, field in here.model_fields.items() if (field.alias or name) == part), None
            )
        else:
            here = _item_type(here)
        here = _unwrapped(here)
    return here


def _item_type(container: Any) -> Any:
    """Returns the type of the items of a tuple or of the values of a dict."""
    arguments = get_args(container)
    if not arguments:
        return None
    return _unwrapped(arguments[1] if get_origin(container) is dict else arguments[0])


def _unwrapped(annotation: Any) -> Any:
    while get_origin(annotation) in {Annotated, Union, UnionType}:
        annotation = get_args(annotation)[0]
    return annotation


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Table)
