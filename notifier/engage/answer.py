"""What an answer of the API means: a page, a failure that passes, or a refusal with its likely cause."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec
import orjson
from pydantic import BaseModel, Field, ValidationError

from notifier.errors import SourceRefused, SourceUnavailable

_OK = 200
_TRANSIENT = frozenset({408, 425, 429})

_LIKELY_CAUSES = {
    400: "the query was not understood: look at the filters of this sweep and at page_size",
    401: "the token is wrong, expired or for another enterprise: look at token or [oauth] of the source",
    403: "the token is valid but may not read appointments: it needs the scope engage:appointments:readOnly, "
    "or the organisation's settings forbid it",
    404: "there is no such enterprise at this address: look at base_url and enterprise of the source",
    405: "this address is not the appointments API: look at base_url of the source",
}


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record of a page, not read yet; there are too many of them for anything that costs more."""

    #: None where it has none to be known by.
    id: str | None
    #: Its JSON, byte for byte. Keeping it keeps its whole page in memory.
    content: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list."""

    records: tuple[Record, ...]
    #: How many appointments the whole list holds.
    total: int
    #: How many the source gives at once, as it says.
    limit: int


class _Framed(msgspec.Struct, gc=False):
    """A body whose records are left as they are: what did not change need not be read."""

    data: list[msgspec.Raw]
    meta: msgspec.Raw


class _Named(msgspec.Struct, gc=False):
    id: str | int


class _Names(msgspec.Struct, gc=False):
    data: list[_Named]


class _Meta(BaseModel):
    offset: int = Field(ge=0)
    limit: int = Field(ge=1)
    total_count: int = Field(ge=0, alias="totalCount")


class _Body(BaseModel):
    """A body in full, to say what is wrong with it."""

    data: list[object]
    meta: _Meta


_read_frame = msgspec.json.Decoder(_Framed).decode
_read_names = msgspec.json.Decoder(_Names).decode
_read_name = msgspec.json.Decoder(_Named).decode


def page_of(body: bytes) -> Page:
    """Returns the page in a body.

    Raises:
        SourceUnavailable: the body is cut, no JSON, or no list; a gateway's error page with status 200 is one.
    """
    try:
        framed = _read_frame(body)
        meta = _Meta.model_validate_json(bytes(framed.meta))
    except (msgspec.MsgspecError, ValidationError, RecursionError):
        raise SourceUnavailable(_what_is_wrong(body)) from None
    records = tuple(map(Record, _ids_in(body, framed), framed.data))
    return Page(records, meta.total_count, meta.limit)


def _what_is_wrong(body: bytes) -> str:
    try:
        _Body.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError:
        return "the answer is no JSON"
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])
        return f"the answer is no list of appointments (at {where or 'the top'})"
    return "the answer is no list of appointments that can be read"


def _ids_in(body: bytes, framed: _Framed) -> list[str | None]:
    """Returns the ids of the records of a body, all at once unless one of them is odd."""
    try:
        return [str(one.id) or None for one in _read_names(body).data]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return [_id_of(content) for content in framed.data]


def _id_of(content: msgspec.Raw) -> str | None:
    """Returns the id of a record, or None where it has none to be known by: no text and no whole number."""
    try:
        return str(_read_name(content).id) or None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _id_of_odd(bytes(content))


def _id_of_odd(content: bytes) -> str | None:
    """Returns the same for a record that is no object, or whose id comes twice or in bytes that are no text."""
    try:
        record = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    name = record.get("id") if isinstance(record, dict) else None
    return str(name) or None if isinstance(name, str | int) and not isinstance(name, bool) else None


def check_status(
    status: int, body: bytes, headers: Mapping[str, str], causes: Mapping[int, str] = _LIKELY_CAUSES
) -> None:
    """Returns when the status is that of a page; `causes` say what is likely behind the others.

    Raises:
        SourceUnavailable: it may pass (429, 5xx and kin); `retry_after` says when, if the answer does.
        SourceRefused: it will not pass by itself; the message names the likely cause.
    """
    if status == _OK:
        return
    said = f"the API answered {status}{_explanation(body)}"
    if status in _TRANSIENT or status >= 500:  # noqa: PLR2004 - the class of server errors
        raise SourceBusy(said, retry_after(headers.get("Retry-After"), headers.get("Date")))
    if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects
        raise SourceRefused(f"{said}: a redirect, which is not followed: look at base_url of the source")
    cause = causes.get(status)
    kind = _KINDS.get(status, SourceRefused)
    raise kind(f"{said}; {cause}" if cause else said)


class QueryRefused(SourceRefused):
    """The source does not understand what it is asked."""


class NotGiven(SourceRefused):
    """The source does not give what it is asked for: we may not have it, or it is not there."""


_KINDS: Mapping[int, type[SourceRefused]] = {400: QueryRefused, 403: NotGiven, 404: NotGiven}


class SourceBusy(SourceUnavailable):
    """The source asks to be left alone for a while."""

    def __init__(self, message: str, retry_after: timedelta | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def retry_after(value: str | None, date: str | None) -> timedelta | None:
    """Returns the wait that a Retry-After header asks for, given as seconds or as a date; None for nonsense.

    A date is measured against the answer's own Date header: the other side's clock may differ from ours.
    """
    if value is None:
        return None
    if re.fullmatch(r"\s*[0-9]{1,9}\s*", value):
        return timedelta(seconds=int(value))
    until, at = http_date(value), http_date(date)
    return max(until - at, timedelta(0)) if until and at else None


def http_date(value: str | None) -> datetime | None:
    """Returns the moment that an HTTP date names, in UTC; None for nonsense."""
    try:
        return parsedate_to_datetime(value).astimezone(UTC) if value else None
    except (ValueError, OverflowError):
        return None


class _ApiError(BaseModel):
    message: str = ""
    code: str = ""


class _ErrorDocument(BaseModel):
    errors: list[_ApiError]


def _explanation(body: bytes) -> str:
    """Returns what the API's error document says, as ` (CODE: message)`; empty when there is none."""
    try:
        errors = _ErrorDocument.model_validate_json(body).errors
    except ValidationError:
        return ""
    told = "; ".join(f"{error.code}: {error.message}".strip(": ") for error in errors)
    return f" ({' '.join(told.split())[:300]})" if told else ""
