"""The list operation's query string: what is legal in it, what it asks for, and which rows answer it.

Nothing here knows of HTTP or of a store. `parse` turns the text behind the question mark into a `Query` or refuses it;
`select` is the one place that decides which rows are found.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

from notifier.engage.simulated.document import MEETING_TYPES, STATUSES
from notifier.engage.simulated.row import Row, instant

# The API does not say what `from` and `to` mean; a client has to work with each of these: what takes part of the time
# between them, begins in it, ends in it, or does both.
Span = Literal["overlap", "start", "end", "contained"]
# Nor whether these two moments themselves belong to it. "usual": the first one does, and the other one only where an
# appointment may end.
Edges = Literal["usual", "inclusive", "exclusive"]

DEFAULT_LIMIT: Final = 25
LONGEST_EXTERNAL_ID: Final = 255

_ONE_ID: Final = {
    "id": "id",
    "external-id": "external_id",
    "meeting-type": "meeting_type",
    "status": "status",
    "callback-request-id": "callback_request",
    "listing-id": "listing",
    "lead-segment-id": "lead_segment",
    "subject-id": "subject",
    "office-id": "office",
}
_MANY_IDS: Final = {"customer-id": "customers", "employee-id": "employees"}
_ARRAYS: Final = _ONE_ID | _MANY_IDS
_ENUMS: Final = {"meeting-type": MEETING_TYPES, "status": STATUSES}
_SCALARS: Final = frozenset({"from", "to", "offset", "limit"})

_OFFSET: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_LIMIT: Final = re.compile(r"[1-9][0-9]{0,2}|1000", re.ASCII)
# RFC 3339 with the API's two limits: only a capital T separates, and the unknown offset -00:00 is refused.
_DATE_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|z|(?!-00:00)[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


class QueryError(ValueError):
    """The query string breaks a documented rule."""

    def __init__(self, message: str, code: str = "QUERY_PARAMETER_INVALID") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows a query asks for, whatever page of them."""

    among: tuple[tuple[str, frozenset[str]], ...] = ()  # field of Row and its wanted values; all must hold
    since: int | None = None  # `from`, in microseconds since 1970
    until: int | None = None  # `to`
    span: Span = "overlap"
    edges: Edges = "usual"
    updated_since: int | None = None  # of a gateway's own parameter

    @property
    def ids(self) -> frozenset[str] | None:
        """The ids asked for, if any were."""
        return dict(self.among).get("id")

    @property
    def statuses(self) -> frozenset[str] | None:
        """The statuses asked for, if any were."""
        return dict(self.among).get("status")


@dataclass(frozen=True, slots=True)
class Query:
    """A legal query string."""

    wanted: Wanted
    offset: int = 0
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a server takes what is not documented."""

    span: Span = "overlap"
    edges: Edges = "usual"
    default_limit: int = DEFAULT_LIMIT
    # The name that a gateway gives to a parameter of its own, `updatedAt` at that moment or later; None: it has none.
    updated_since: str | None = None


def parse(text: str, dialect: Dialect = Dialect()) -> Query:
    """Read a query string as the API documents it, or raise QueryError."""
    arrays: dict[str, set[str]] = {}
    scalars: dict[str, str] = {}
    for name, value in _pairs(text):
        if name.removesuffix("[]") in _ARRAYS:
            arrays.setdefault(_array_name(name), set()).add(_item(name, value))
        elif name in _SCALARS or name == dialect.updated_since:
            _set_once(scalars, name, value)
        else:
            raise QueryError(f"unknown query parameter {name!r}", "QUERY_PARAMETER_UNKNOWN")
    among = tuple((_ARRAYS[name], frozenset(values)) for name, values in sorted(arrays.items()))
    since, until = _moment(scalars, "from"), _moment(scalars, "to")
    updated_since = None if dialect.updated_since is None else _moment(scalars, dialect.updated_since)
    wanted = Wanted(among, since, until, dialect.span, dialect.edges, updated_since)
    limit = _number(scalars, "limit", _LIMIT, dialect.default_limit)
    return Query(wanted, _number(scalars, "offset", _OFFSET, 0), limit)


def select(rows: Iterable[Row], wanted: Wanted) -> tuple[Row, ...]:
    """The rows that answer a query, in the order in which they came."""
    found = rows
    if wanted.since is not None or wanted.until is not None:
        found = _dated(found, wanted)
    if wanted.updated_since is not None:
        since = wanted.updated_since
        found = [row for row in found if row.updated is not None and row.updated >= since]
    for field, values in wanted.among:
        found = _among(found, field, values)
    return tuple(found)


def _among(rows: Iterable[Row], field: str, values: frozenset[str]) -> list[Row]:
    get: Callable[[Row], Any] = attrgetter(field)
    if field in _MANY_IDS.values():
        return [row for row in rows if not values.isdisjoint(get(row))]
    return [row for row in rows if get(row) in values]


def _dated(rows: Iterable[Row], wanted: Wanted) -> list[Row]:
    """The rows within `from` and `to`; a row without a start is never within."""
    since = -(1 << 63) if wanted.since is None else wanted.since
    until = 1 << 63 if wanted.until is None else wanted.until
    # Times are whole microseconds: to leave a moment out is to begin one later, or to end one earlier.
    first = since + (wanted.edges == "exclusive")
    last = until - (wanted.edges != "inclusive")
    if wanted.span == "start":
        return [row for row in rows if row.start is not None and first <= row.start <= last]
    dated = ((row, row.start, row.end) for row in rows if row.start is not None and row.end is not None)
    if wanted.span == "end":
        return [row for row, _, end in dated if first <= end <= last]
    if wanted.span == "contained":
        last = until - (wanted.edges == "exclusive")
        return [row for row, start, end in dated if first <= start and end <= last]
    # What is over when the time begins is not within, unless the edges say so, or it takes no time at all.
    over = since + (wanted.edges != "inclusive")
    return [row for row, start, end in dated if start <= last and (end >= over or start >= first)]


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise QueryError("the query string is not UTF-8") from error


def _array_name(name: str) -> str:
    if not name.endswith("[]"):
        raise QueryError(f"query parameter {name!r} is an array: write {name + '[]'!r}")
    return name.removesuffix("[]")


def _item(name: str, value: str) -> str:
    array = name.removesuffix("[]")
    _not_empty(name, value)
    if array in _ENUMS and value not in _ENUMS[array]:
        raise QueryError(f"query parameter {name!r} must be one of {', '.join(sorted(_ENUMS[array]))}")
    if array == "external-id" and len(value) > LONGEST_EXTERNAL_ID:
        raise QueryError(f"query parameter {name!r} is longer than {LONGEST_EXTERNAL_ID} characters")
    return value


def _set_once(scalars: dict[str, str], name: str, value: str) -> None:
    if name in scalars:
        raise QueryError(f"query parameter {name!r} is given more than once")
    scalars[name] = _not_empty(name, value)


def _not_empty(name: str, value: str) -> str:
    if not value:
        raise QueryError(f"query parameter {name!r} is empty")
    return value


def _number(scalars: dict[str, str], name: str, pattern: re.Pattern[str], default: int) -> int:
    if name not in scalars:
        return default
    if not pattern.fullmatch(scalars[name]):
        raise QueryError(f"query parameter {name!r} must match {pattern.pattern}")
    return int(scalars[name])


def _moment(scalars: dict[str, str], name: str) -> int | None:
    if name not in scalars:
        return None
    try:
        if _DATE_TIME.fullmatch(scalars[name]):
            return instant(datetime.fromisoformat(scalars[name].upper()))
    except ValueError:
        pass  # a thirteenth month and its like: right in form, wrong all the same
    raise QueryError(f"query parameter {name!r} must be an RFC 3339 date-time with an offset")
