"""What a fault makes of the rows of an answer: a copy, in which some or all of them are not as documented."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

import orjson

from notifier.engage.simulated.faults import FaultKind

ID_PREFIX: Final = "apt_"
NEW_WORD: Final = "NEVER_HEARD_OF"
ONE_IN: Final = 10  # rows, and at least one, are struck by faults that strike some

LONGEST_NUMBER: Final = 15  # digits that any reader of JSON keeps

# What may stand where a row should: everything else that JSON has.
_NO_ROWS: Final[tuple[Any, ...]] = (None, True, 7, "row", [])
_NEVER_NULL: Final = (
    "id",
    "subject",
    "office",
    "appointmentParticipants",
    "answers",
    "meetingType",
    "status",
    "createdAt",
    "updatedAt",
)
_LISTED: Final = ("status", "meetingType", "createdByType", "createdFrom", "updatedByType", "updatedFrom")


def broken_rows(kind: FaultKind, body: bytes, draws: Random) -> bytes | None:
    """The text of an answer with its rows broken; None if it has none, or none that the fault changes."""
    document = orjson.loads(body)
    data = document.get("data") if isinstance(document, dict) else None
    if isinstance(data, list) and data:
        document["data"] = _break_list(kind, data, document["meta"]["limit"], draws)
    elif isinstance(data, dict) and kind in _BREAKS:
        document["data"] = _BREAKS[kind](data, draws)
    made = orjson.dumps(document)
    return None if made == orjson.dumps(orjson.loads(body)) else made


def _break_list(kind: FaultKind, rows: list[Any], limit: int, draws: Random) -> list[Any]:
    some = set(draws.sample(range(len(rows)), max(1, len(rows) // ONE_IN)))
    if kind is FaultKind.DUPLICATES:
        # As a join does that a query forgot about: the page stays within its limit.
        twice = [copy for number, row in enumerate(rows) for copy in ((row, row) if number in some else (row,))]
        return twice[:limit]
    make = _BREAKS[kind]
    struck = range(len(rows)) if kind is FaultKind.NEW_IDS else some
    return [make(row, draws) if number in struck else row for number, row in enumerate(rows)]


def _with_null(row: Any, draws: Random) -> Any:
    """Needs a row that is an object; one that was put by hand may lack the field, which then is there as null."""
    return row | {draws.choice(_NEVER_NULL): None}


def _with_new_word(row: Any, draws: Random) -> Any:
    return row | {draws.choice(_LISTED): NEW_WORD}


def _with_new_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _new_id(one) if name == "id" else _with_new_ids(one) for name, one in value.items()}
    return [_with_new_ids(one) for one in value] if isinstance(value, list) else value


def _new_id(value: Any) -> Any:
    return ID_PREFIX + value if isinstance(value, str) else value


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    """The value with each of its leaves changed."""
    if isinstance(value, dict):
        return {name: _each(one, change) for name, one in value.items()}
    return [_each(one, change) for one in value] if isinstance(value, list) else change(value)


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _as_number(value: Any) -> Any:
    digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= LONGEST_NUMBER
    return int(value) if digits else value


_BREAKS: Final[Mapping[FaultKind, Callable[[Any, Random], Any]]] = {
    FaultKind.NOT_OBJECTS: lambda _, draws: draws.choice(_NO_ROWS),
    FaultKind.NULLS: _with_null,
    FaultKind.NUMBERS_AS_TEXT: lambda row, _: _each(row, _as_text),
    FaultKind.TEXT_AS_NUMBERS: lambda row, _: _each(row, _as_number),
    FaultKind.NEW_WORDS: _with_new_word,
    FaultKind.NEW_IDS: lambda row, _: _with_new_ids(row),
}
