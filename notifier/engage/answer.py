"""What an answer of the API means: a page, a failure that passes, or a refusal with its likely cause."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import orjson
from pydantic import BaseModel, Field, ValidationError

from notifier.errors import SourceRefused, SourceUnavailable

_OK = 200
_BAD_REQUEST = 400
_TRANSIENT = frozenset({408, 425, 429})

_LIKELY_CAUSES = {
    400: "the query was not understood: look at the filters of this sweep and at page_size",
    401: "the token is wrong, expired or for another enterprise: look at token or [oauth] of the source",
    403: "the token is valid but may not read appointments: it needs the scope engage:appointments:readOnly, "
    "or the organisation's settings forbid it",
    404: "there is no such enterprise at this address: look at base_url and enterprise of the source",
    405: "this address is not the appointments API: look at base_url of the source",
}


class _Meta(BaseModel):
    offset: int = Field(ge=0)
    limit: int = Field(ge=1)
    total_count: int = Field(ge=0, alias="totalCount")


class Page(BaseModel):
    """One page of the list: its raw records and where it stands in the whole."""

    records: list[object] = Field(alias="data")
    meta: _Meta


def page_of(body: bytes) -> Page:
    """Returns the page in a body.

    Raises:
        SourceUnavailable: the body is cut, no JSON, or no list; a gateway's error page with status 200 is one.
    """
    try:
        return Page.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError:
        raise SourceUnavailable("the answer is no JSON") from None
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])
        raise SourceUnavailable(f"the answer is no list of appointments (at {where or 'the top'})") from None


def check_status(status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """Returns when the status is that of a page.

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
    cause = _LIKELY_CAUSES.get(status)
    kind = QueryRefused if status == _BAD_REQUEST else SourceRefused
    raise kind(f"{said}; {cause}" if cause else said)


class QueryRefused(SourceRefused):
    """The source does not understand what it is asked."""


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
