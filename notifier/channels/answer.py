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
from dataclasses import dataclass
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


_heard: ContextVar[list[Answer] | None] = ContextVar("heard", default=None)


@contextmanager
def hearing() -> Iterator[list[Answer]]:
    """Yields the list that fills with the answers to what this thread sends."""
    answers: list[Answer] = []
    token = _heard.set(answers)
    try:
        yield answers
    finally:
        _heard.reset(token)


def heard() -> Sequence[Answer] | None:
    """Returns the answers of the current send so far; None outside of a send."""
    return _heard.get()


def note(answer: Answer) -> None:
    """Adds an answer to those of the current send."""
    answers = _heard.get()
    if answers is not None:
        answers.append(answer)


def unheard(act: Callable[Given, Back]) -> Callable[Given, Back]:
    """Returns the function so that nothing is noted while it runs."""

    @wraps(act)
    def quiet(*args: Given.args, **options: Given.kwargs) -> Back:
        token = _heard.set(None)
        try:
            return act(*args, **options)
        finally:
            _heard.reset(token)

    return quiet


def outcome_of(*, delivered: bool, answers: Sequence[Answer], now: datetime) -> Outcome:
    """Decides what a send came to, from Apprise's yes or no and the answers that were heard.

    One answer that may be better later keeps the delivery alive, since a send may have several receivers.
    """
    if delivered:
        return Outcome(Result.DELIVERED, Reason.OK, answers[-1].status if answers else None)
    verdicts = [(verdict, answer) for answer in answers if (verdict := _verdict(answer)) is not None]
    if not verdicts:
        return _unexplained(answers)
    alive = [(verdict, answer) for verdict, answer in verdicts if verdict[0] is Result.RETRY]
    (result, reason), answer = (alive or verdicts)[-1]
    waits = [wait for _, one in alive if (wait := _wait(one.retry_after, now)) is not None]
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
