"""The condition of a rule's `if`: an expression in CEL (https://cel.dev), for what the other keys can't say.

It comes with the extra `cel`. Names and types are checked when a rule is loaded, so that a misspelt field or a status
compared with a number is found by `check` and not by a missed message. A condition may use:

    kinds          what happened, as in `"rescheduled" in kinds`
    changed        the fields that differ
    source         the name of the source
    status         the status after
    before_status  the status before; an empty text if it is unknown
    lead_time      from the change to the start, as in `lead_time < duration("24h")`; null without a start
    appointment.X  every field of the appointment after, as in `appointment.office == "12"`; null where it has none
    before.X       the same of the appointment before; null (or an empty list) if it is unknown

CEL knows hours, minutes and seconds: a day is `duration("24h")`. What can't be computed for an event, like a null that
is compared by `<`, is no match, and the verdict says why. How long a condition takes is bounded by `condition_cost.py`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, get_type_hints

from notifier.config.condition_cost import cost_problems, too_big
from notifier.config.spelling import did_you_mean, nearest
from notifier.core.appointment import APPOINTMENT_FIELDS, Appointment
from notifier.core.duration import say_duration
from notifier.core.event import Event

try:
    from cel_expr_python import cel
except ImportError:  # the extra is not installed
    cel = None

Condition = Callable[[Event], tuple[bool, str]]
"""Says whether an event meets it, and what it saw, for people."""

MISSING_EXTRA = 'needs the extra "cel": pip install cel-expr-python'

_PLAIN_TYPES = {
    "kinds": "list<string>",
    "changed": "list<string>",
    "source": "string",
    "status": "string",
    "before_status": "string",
    "lead_time": "google.protobuf.Duration",
}
#: The wrappers are CEL's types for a value that may be null; times may be null in any case.
_FIELD_TYPES: Mapping[object, str] = {
    str: "google.protobuf.StringValue",
    str | None: "google.protobuf.StringValue",
    bool | None: "google.protobuf.BoolValue",
    int | None: "google.protobuf.Int64Value",
    datetime: "google.protobuf.Timestamp",
    datetime | None: "google.protobuf.Timestamp",
    tuple[str, ...]: "list<string>",
}


class ConditionError(ValueError):
    """A condition does not make sense."""

    def __init__(self, problems: list[tuple[int, str]]) -> None:
        #: What is wrong, each with its line in the condition, from 1.
        self.problems = problems
        super().__init__("; ".join(text for _, text in problems))


def compile_condition(text: str) -> Condition:
    """Returns the condition that the text says.

    Raises:
        ConditionError: it has a mistake, or the extra `cel` is not installed.
    """
    if cel is None:
        raise ConditionError([(1, MISSING_EXTRA)])
    _check(text)
    used = _used(text)

    @cache
    def expression(nulls: frozenset[str]) -> Any:
        return _loose(nulls).compile(text)

    def evaluate(event: Event) -> tuple[bool, str]:
        values = {name: _value(event, name) for name in used}
        if big := too_big(values):
            return False, f"no answer ({big})"
        nulls = frozenset(name for name in used if values[name] is None and name in _times())
        try:
            answer = expression(nulls).eval(data=values)
        except RuntimeError as error:  # the budget of iterations is used up
            return False, _saw(f"no answer ({_bare(str(error))})", values)
        # An error comes as a value that is a text, and so true in Python.
        if answer.type() == cel.Type.ERROR:
            return False, _saw(f"no answer ({_bare(answer.value())})", values)
        return answer.value() is True, _saw("true" if answer.value() is True else "false", values)

    return evaluate


@cache
def _types() -> dict[str, str]:
    """Returns every variable with its type."""
    hints = get_type_hints(Appointment)
    fields = {
        f"{state}.{name}": _FIELD_TYPES[hints[name]]
        for state in ("appointment", "before")
        for name in APPOINTMENT_FIELDS
    }
    return _PLAIN_TYPES | fields


@cache
def _times() -> frozenset[str]:
    times = ("google.protobuf.Duration", "google.protobuf.Timestamp")
    return frozenset(name for name, type_name in _types().items() if type_name in times)


@cache
def _strict() -> Any:
    """Returns the environment that checks names and types; the engine can't fill its wrapper types from Python."""
    return cel.NewEnv(variables={name: cel.Type(type_name) for name, type_name in _types().items()})


@cache
def _loose(nulls: frozenset[str]) -> Any:
    """Returns the environment that computes: untyped, since only so it takes a null, but it takes times only typed."""
    typed = _times() - nulls
    return cel.NewEnv(
        variables={
            name: cel.Type(type_name) if name in typed else cel.Type.DYN for name, type_name in _types().items()
        },
    )


def _used(text: str) -> tuple[str, ...]:
    """Returns the variables that may occur in the text; one too many does no harm."""
    text = re.sub(r"\s*\.\s*", ".", text)
    return tuple(name for name in _types() if re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text))


def _value(event: Event, name: str) -> object:
    state, _, field = name.partition(".")
    if not field:
        return _plain_value(event, name)
    appointment = event.after if state == "appointment" else event.before
    value = getattr(appointment, field, None)
    if _types()[name] == "list<string>":
        return list(value or ())
    return value


def _plain_value(event: Event, name: str) -> object:
    values: Mapping[str, object] = {
        "kinds": [str(kind) for kind in event.kinds],
        "changed": [change.field for change in event.changes],
        "source": event.source,
        "status": event.after.status,
        "before_status": "" if event.before is None else event.before.status,
        "lead_time": event.lead_time,
    }
    return values[name]


def _saw(answer: str, values: Mapping[str, object]) -> str:
    return f"{answer} with {', '.join(f'{name} {_say(value)}' for name, value in values.items())}" if values else answer


def _say(value: object) -> str:
    match value:
        case None:
            return "none"
        case timedelta():
            return ("-" if value < timedelta(0) else "") + say_duration(value)
        case datetime():
            return value.isoformat()
        case list():
            return f"[{', '.join(value)}]"
        case bool():
            return str(value).lower()
        case _:
            return f'"{value}"' if isinstance(value, str) else str(value)


def _check(text: str) -> None:
    if costly := list(cost_problems(text)):
        raise ConditionError(costly)
    try:
        result = _strict().compile(text).return_type()
    except RuntimeError as error:
        raise ConditionError(list(_explain(str(error), text))) from error
    if result not in (cel.Type.BOOL, cel.Type("google.protobuf.BoolValue")):
        raise ConditionError([(1, 'must come out as true or false, like `status == "CANCELLED"`')])
    problems = list(_check_literals(text))
    if problems:
        raise ConditionError(problems)


_LITERAL = r"""r?(?:"[^"\\]*"|'[^'\\]*')"""
_LITERAL_CALL = re.compile(
    rf"\b(?P<call>(?:duration|timestamp)\(\s*{_LITERAL}\s*\))|\.matches\(\s*(?P<pattern>{_LITERAL})\s*\)"
)


def _check_literals(text: str) -> Iterator[tuple[int, str]]:
    """Tries the constants that would otherwise fail at every event: CEL has no days, which is easily forgotten."""
    for match in _LITERAL_CALL.finditer(text):
        call = match["call"] or f"''.matches({match['pattern']})"
        answer = _strict().compile(call).eval(data={})
        if answer.type() != cel.Type.ERROR:
            continue
        line = text.count("\n", 0, match.start()) + 1
        hint = '; CEL knows h, m and s only, so a day is duration("24h")' if call.startswith("duration") else ""
        yield line, f"`{match[0].lstrip('.')}` can't be read: {_bare(answer.value())}{hint}"


_MISTAKE = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '([^']*)'")


def _explain(message: str, text: str) -> Iterator[tuple[int, str]]:
    """Translates what the engine says; each mistake has a line of its own there."""
    mistakes = _MISTAKE.findall(message)
    if not mistakes:
        yield 1, _bare(message)
    for line, column, mistake in mistakes:
        if unknown := _UNDECLARED.match(mistake):
            yield int(line), _unknown(unknown[1])
        elif overload := _OVERLOAD.match(mistake):
            operator = overload[1].strip("_@")
            operands = re.sub(r"wrapper\((\w+)\)", r"\1", overload[2]).replace("google.protobuf.", "")
            yield int(line), f"`{operator}` does not go with {operands} (column {column})"
        else:
            yield int(line), f"{_bare(mistake)} (column {column}){_syntax_hint(text)}"
            # What follows a syntax error is its echo.
            return


def _unknown(name: str) -> str:
    near = nearest(name, _types())
    if near is None and (field := nearest(name, APPOINTMENT_FIELDS)):
        near = f"appointment.{field}"
    return f"there is no `{name}`{did_you_mean(near)}"


def _syntax_hint(text: str) -> str:
    if re.search(r"\s(?:and|or|not)\s", f" {text}"):
        return "; write && for and, || for or, ! for not"
    return "; write == to compare" if re.search(r"[^=!<>]=[^=]", text) else ""


def _bare(message: str) -> str:
    """Returns the first line of what the engine says, without its codes and its long list of what it expected."""
    first = message.partition("\n")[0]
    return re.sub(r"^[A-Z_]+: | \[[A-Z_]+\]$| expecting \{.*", "", first)
