"""What the other side answered during one send, and what that means for the delivery.

Apprise reports only whether a send worked. What was answered is noted here while the send goes on, by whoever
speaks to the network in the same thread (`wire` for Apprise's own plugins, `webhook` for ours), and `outcome_of` turns
the notes into an outcome.
"""

import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import wraps
from http import HTTPStatus
from typing import ParamSpec, TypeVar

from notifier.core.delivery import Outcome, Reason, Result

Given = ParamSpec("Given")
Back = TypeVar("Back")

DETAIL_LIMIT = 200

LONGEST_WAIT = timedelta(days=1)
"""No answer may silence a channel for longer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request, or one SMTP command, came to."""

    #: The HTTP or SMTP status; None where none came.
    status: int | None = None
    smtp: bool = False
    #: What went wrong, where the status does not say it.
    failure: Reason | None = None
    #: The header Retry-After as it came.
    retry_after: str | None = None
    #: What else is known; without secrets and without text of the message.
    words: str = ""


@dataclass(slots=True)
class Hearing:
    """What is known of a send that is under way: filled by the thread that sends, and read by one that waits for it."""

    answers: list[Answer] = field(default_factory=list)
    #: Whether the request in hand went out, so that nothing but its answer is missing; None where nobody tells.
    asked: bool | None = None


_hearing: ContextVar[Hearing | None] = ContextVar("hearing", default=None)


@contextmanager
def hearing(known: Hearing | None = None) -> Iterator[list[Answer]]:
    """Yields the list that fills with the answers to what this thread sends."""
    known = known or Hearing()
    token = _hearing.set(known)
    try:
        yield known.answers
    finally:
        _hearing.reset(token)


def heard() -> Sequence[Answer] | None:
    """Returns the answers of the current send so far; None outside of a send."""
    known = _hearing.get()
    return None if known is None else known.answers


def note(answer: Answer) -> None:
    """Adds an answer to those of the current send."""
    if (known := _hearing.get()) is not None:
        known.answers.append(answer)


def note_asked(*, asked: bool) -> None:
    """Takes note that a request of the current send begins, or that it went out."""
    if (known := _hearing.get()) is not None:
        known.asked = asked


def has_asked() -> bool:
    """Whether the request in hand went out, so that nothing but its answer is missing."""
    known = _hearing.get()
    return known is not None and known.asked is True


def given_up(known: Hearing, after: timedelta) -> Outcome:
    """Decides what a send came to that did not end in time."""
    when = f"given up after {after.total_seconds():g} s"
    if known.asked is False:
        return Outcome(Result.RETRY, Reason.TIMEOUT, detail=f"{when}; nothing had gone out")
    return Outcome(Result.UNCERTAIN, Reason.UNCERTAIN, detail=f"{when} without an answer")


def unheard(act: Callable[Given, Back]) -> Callable[Given, Back]:
    """Returns the function so that nothing is noted while it runs."""

    @wraps(act)
    def quiet(*args: Given.args, **options: Given.kwargs) -> Back:
        token = _hearing.set(None)
        try:
            return act(*args, **options)
        finally:
            _hearing.reset(token)

    return quiet


def outcome_of(*, delivered: bool, answers: Sequence[Answer], now: datetime) -> Outcome:
    """Decides what a send came to, from Apprise's yes or no and the answers that were heard.

    A send may have several receivers: one answer that may be better later keeps the delivery alive, and if one of them
    may have got the message, that is what it came to.
    """
    if delivered:
        return Outcome(Result.DELIVERED, Reason.OK, answers[-1].status if answers else None)
    verdicts = [(verdict, answer) for answer in answers if (verdict := _verdict(answer)) is not None]
    if not verdicts:
        return _unexplained(answers)
    by_result = {verdict[0]: (verdict, answer) for verdict, answer in verdicts}
    found = next(by_result[one] for one in (Result.UNCERTAIN, Result.RETRY, Result.DEAD) if one in by_result)
    (result, reason), answer = found
    waits = [wait for _, one in verdicts if (wait := _wait(one.retry_after, now)) is not None]
    return Outcome(result, reason, answer.status, max(waits, default=None), _detail(answer))


def _unexplained(answers: Sequence[Answer]) -> Outcome:
    if not answers:
        return Outcome(Result.RETRY, Reason.UNAVAILABLE, detail="the send failed and nothing says why")
    detail = f"{_detail(answers[-1])}: an answer, but not the one that means yes"
    return Outcome(Result.RETRY, Reason.UNAVAILABLE, answers[-1].status, detail=detail[:DETAIL_LIMIT])


_FINAL = frozenset({Reason.REJECTED, Reason.REFUSED, Reason.NOT_FOUND, Reason.GONE, Reason.TOO_LARGE})

_HTTP = {
    401: Reason.REFUSED,
    403: Reason.REFUSED,
    404: Reason.NOT_FOUND,
    407: Reason.REFUSED,
    408: Reason.TIMEOUT,
    410: Reason.GONE,
    413: Reason.TOO_LARGE,
    425: Reason.UNAVAILABLE,
    429: Reason.RATE_LIMITED,
}
"""The statuses that mean something else than their hundred."""

_HUNDREDS = {2: None, 3: Reason.REDIRECTED, 4: Reason.REJECTED, 5: Reason.UNAVAILABLE}

_SMTP_CREDENTIALS = frozenset({530, 534, 535, 538})


def _verdict(answer: Answer) -> tuple[Result, Reason] | None:
    """Returns what an answer means by itself; None for a good one."""
    reason = answer.failure or (_smtp(answer.status) if answer.smtp else _http(answer.status))
    if reason is None:
        return None
    if reason is Reason.UNCERTAIN:
        return Result.UNCERTAIN, reason
    final = reason in _FINAL or reason is Reason.REDIRECTED
    return (Result.DEAD if final else Result.RETRY), reason


def _http(status: int | None) -> Reason | None:
    if status is None:
        return Reason.UNAVAILABLE
    return _HTTP.get(status) or _HUNDREDS.get(status // 100, Reason.UNAVAILABLE)


def _smtp(status: int | None) -> Reason | None:
    if status in _SMTP_CREDENTIALS:
        return Reason.REFUSED
    hundred = (status or 0) // 100
    return {2: None, 3: None, 5: Reason.REJECTED}.get(hundred, Reason.UNAVAILABLE)


def _wait(header: str | None, now: datetime) -> timedelta | None:
    """Returns the time that a Retry-After asks for, in seconds or as a date; None for none that makes sense."""
    if header is None:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d*)?", header.strip()):
        return min(timedelta(seconds=float(header)), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta(0)), LONGEST_WAIT)


def _detail(answer: Answer) -> str:
    return ": ".join(part for part in (_status_line(answer), answer.words) if part)[:DETAIL_LIMIT]


def _status_line(answer: Answer) -> str:
    if answer.status is None:
        return ""
    if answer.smtp:
        return f"SMTP {answer.status}"
    try:
        return f"HTTP {answer.status} {HTTPStatus(answer.status).phrase}"
    except ValueError:
        return f"HTTP {answer.status}"


def cause(error: BaseException) -> str:
    """Returns what lies at the bottom of a network error, without the address: that may hold secrets."""
    for one in _chain(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"certificate not accepted: {one.verify_message}"
        if isinstance(one, OSError) and one.strerror:
            return one.strerror
        if isinstance(one, TimeoutError):
            return "timed out"
        if isinstance(one, ConnectionResetError):
            return "the connection was closed without an answer"
    return type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields the error and what it was raised from, outermost first."""
    one: BaseException | None = error
    seen: set[int] = set()
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def timed_out(error: BaseException) -> bool:
    """Says whether a time-out lies at the bottom of a network error."""
    return any(isinstance(one, TimeoutError) for one in _chain(error))
