"""Overhears what Apprise's plugins are answered.

Their return value is a bare yes or no. Nearly all of them speak through requests, and the mail plugin through
smtplib, so wrappers around one method of the first and a few of the second note what the plugins throw away:
statuses, Retry-After, errors. Outside of a send the wrappers only pass on.
"""

import json
import logging
import re
import smtplib
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

from notifier.channels.answer import Answer, cause, has_asked, heard, note, note_asked, timed_out, unheard
from notifier.core.delivery import Reason

Given = ParamSpec("Given")
Back = TypeVar("Back")


@cache
def overhear() -> None:
    """Puts the wrappers in place, once, and keeps addresses and messages out of the logs of the libraries."""
    HTTPAdapter.send = _http(HTTPAdapter.send)  # type: ignore[method-assign]
    HTTPConnection.getresponse = _asking(HTTPConnection.getresponse)  # type: ignore[method-assign]
    smtplib.SMTP.getreply = _reply(smtplib.SMTP.getreply)  # type: ignore[method-assign]
    for name in ("send", "connect", "starttls", "login"):
        setattr(smtplib.SMTP, name, _step(getattr(smtplib.SMTP, name)))
    # What is answered to a goodbye says nothing about the message.
    for name in ("quit", "rset"):
        setattr(smtplib.SMTP, name, unheard(getattr(smtplib.SMTP, name)))
    # Apprise writes whole messages at DEBUG; the others write addresses, and so the tokens in them.
    logging.getLogger("apprise").propagate = False
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    for name in ("urllib3", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _http(send: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
    @wraps(send)
    def overheard(self: HTTPAdapter, *args: Any, **options: Any) -> requests.Response:
        if heard() is None:
            return send(self, *args, **options)
        _stop_if_told_to()
        note_asked(asked=False)
        try:
            response = send(self, *args, **options)
            body = _body(response, stream=bool(options.get("stream")))
        except requests.RequestException as error:
            note(Answer(failure=_http_failure(error), words=cause(error)))
            raise
        note(_http_answer(response, body))
        return response

    return overheard


def _asking(getresponse: Callable[Given, Back]) -> Callable[Given, Back]:
    @wraps(getresponse)
    def overheard(*args: Given.args, **options: Given.kwargs) -> Back:
        note_asked(asked=True)
        return getresponse(*args, **options)

    return overheard


def _body(response: requests.Response, *, stream: bool) -> bytes:
    """Returns the body of an answer, which requests reads next in any case; where a refusal breaks off, nothing."""
    try:
        return b"" if stream else response.content
    except requests.RequestException:
        if response.ok:
            # What it says may be that the message was not taken.
            raise
        return b""


def _stop_if_told_to() -> None:
    """Raises where the answer before was a redirect or a plea to wait.

    The Discord plugin repeats a request that was answered 429 without end and without a pause. When to try again
    is for the outbox to say.
    """
    answers = heard()
    status = answers[-1].status if answers and not answers[-1].smtp else None
    if status is not None and (status == requests.codes.too_many_requests or status // 100 == _REDIRECTS):
        raise requests.ConnectionError(f"not sent, since the answer before was {status}")


_REDIRECTS = 3


def _http_failure(error: requests.RequestException) -> Reason:
    if has_asked():
        return Reason.UNCERTAIN
    return Reason.TIMEOUT if isinstance(error, requests.Timeout) or timed_out(error) else Reason.UNREACHABLE


_CODE = re.compile(r"[a-z]+(_[a-z]+)+")
"""An error code, as in `channel_not_found`; nothing else from a body is safe to show."""

_PASSING = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "rate_limited"})


def _http_answer(response: requests.Response, body: bytes) -> Answer:
    code, refused = _error_code(body)
    failure = None
    if response.ok and refused:
        # Slack answers 200 to what it does not take.
        failure = Reason.UNAVAILABLE if code in _PASSING else Reason.REJECTED
    return Answer(response.status_code, failure=failure, retry_after=response.headers.get("Retry-After"), words=code)


def _error_code(body: bytes) -> tuple[str, bool]:
    """Returns the error code in a body, if any, and whether the body says no in Slack's way."""
    text = body[:4096].decode(errors="replace").strip()
    try:
        document = json.loads(text)
    except ValueError:
        document = {"error": text}
    if not isinstance(document, dict):
        return "", False
    code = document.get("error")
    known = isinstance(code, str) and _CODE.fullmatch(code[:60]) is not None
    return (str(code)[:60] if known else ""), document.get("ok") is False


def _reply(getreply: Callable[..., tuple[int, bytes]]) -> Callable[..., tuple[int, bytes]]:
    @wraps(getreply)
    def overheard(self: smtplib.SMTP) -> tuple[int, bytes]:
        answers = heard()
        body_out = bool(answers) and answers is not None and answers[-1].status == _GO_AHEAD
        try:
            status, text = getreply(self)
        except OSError as error:
            failure = Reason.UNCERTAIN if body_out else _smtp_failure(error)
            note(Answer(smtp=True, failure=failure, words=cause(error)))
            raise
        note(Answer(status, smtp=True, words=_enhanced_code(text)))
        if status == _GO_AHEAD:
            note_asked(asked=True)
        return status, text

    return overheard


_GO_AHEAD = 354
"""The reply to DATA: what is not answered after it may have arrived."""


def _step(act: Callable[Given, Back]) -> Callable[Given, Back]:
    @wraps(act)
    def overheard(*args: Given.args, **options: Given.kwargs) -> Back:
        if act.__name__ == "connect":
            note_asked(asked=False)
        try:
            return act(*args, **options)
        except smtplib.SMTPResponseException:
            # Its status was noted with the reply.
            raise
        except smtplib.SMTPServerDisconnected as error:
            if act.__name__ == "send":
                note(Answer(smtp=True, failure=_smtp_failure(error), words=cause(error)))
            raise
        except smtplib.SMTPException as error:
            note(Answer(smtp=True, failure=Reason.UNAVAILABLE, words=str(error)))
            raise
        except OSError as error:
            note(Answer(smtp=True, failure=_smtp_failure(error), words=cause(error)))
            raise

    return overheard


def _smtp_failure(error: OSError) -> Reason:
    return Reason.TIMEOUT if timed_out(error) else Reason.UNREACHABLE


def _enhanced_code(text: bytes) -> str:
    """Returns the code like 5.1.1 that many replies begin with; their words may hold addresses."""
    match = re.match(rb"[245]\.\d{1,3}\.\d{1,3}\b", text)
    return match.group().decode() if match else ""
