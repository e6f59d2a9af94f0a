"""What an answer means for a delivery."""

import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from notifier.channels.answer import (
    DETAIL_LIMIT,
    LONGEST_WAIT,
    Answer,
    cause,
    heard,
    hearing,
    note,
    outcome_of,
    unheard,
)
from notifier.core.delivery import Outcome, Reason, Result

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

HTTP = [
    (301, Result.DEAD, Reason.REDIRECTED),
    (302, Result.DEAD, Reason.REDIRECTED),
    (308, Result.DEAD, Reason.REDIRECTED),
    (400, Result.DEAD, Reason.REJECTED),
    (401, Result.DEAD, Reason.REFUSED),
    (403, Result.DEAD, Reason.REFUSED),
    (404, Result.DEAD, Reason.NOT_FOUND),
    (405, Result.DEAD, Reason.REJECTED),
    (407, Result.DEAD, Reason.REFUSED),
    (408, Result.RETRY, Reason.TIMEOUT),
    (410, Result.DEAD, Reason.GONE),
    (413, Result.DEAD, Reason.TOO_LARGE),
    (422, Result.DEAD, Reason.REJECTED),
    (425, Result.RETRY, Reason.UNAVAILABLE),
    (429, Result.RETRY, Reason.RATE_LIMITED),
    (500, Result.RETRY, Reason.UNAVAILABLE),
    (503, Result.RETRY, Reason.UNAVAILABLE),
    (599, Result.RETRY, Reason.UNAVAILABLE),
    (999, Result.RETRY, Reason.UNAVAILABLE),
]

SMTP = [
    (421, Result.RETRY, Reason.UNAVAILABLE),
    (450, Result.RETRY, Reason.UNAVAILABLE),
    (535, Result.DEAD, Reason.REFUSED),
    (550, Result.DEAD, Reason.REJECTED),
    (-1, Result.RETRY, Reason.UNAVAILABLE),
]

FAILURES = [
    (Reason.UNREACHABLE, Result.RETRY),
    (Reason.TIMEOUT, Result.RETRY),
    (Reason.UNCERTAIN, Result.UNCERTAIN),
    (Reason.UNAVAILABLE, Result.RETRY),
    (Reason.REJECTED, Result.DEAD),
]

WAITS = [
    ("7", timedelta(seconds=7)),
    ("0.65", timedelta(seconds=0.65)),
    ("0", timedelta(0)),
    ("999999999", LONGEST_WAIT),
    ("Mon, 02 Mar 2026 09:00:30 GMT", timedelta(seconds=30)),
    ("Mon, 02 Mar 2026 08:00:00 GMT", timedelta(0)),
    ("Mon, 02 Mar 2099 08:00:00 GMT", LONGEST_WAIT),
    ("soon", None),
    ("-5", None),
    ("9" * 400, None),
    ("", None),
    (None, None),
]


def outcome(*answers: Answer) -> Outcome:
    return outcome_of(delivered=False, answers=answers, now=NOW)


@pytest.mark.parametrize(("status", "result", "reason"), HTTP)
def test_http_status(status: int, result: Result, reason: Reason) -> None:
    """Every HTTP status that is no success has one result and one reason."""
    said = outcome(Answer(status))
    assert (said.result, said.reason, said.status) == (result, reason, status)
    assert said.detail.startswith(f"HTTP {status}")


@pytest.mark.parametrize(("status", "result", "reason"), SMTP)
def test_smtp_status(status: int, result: Result, reason: Reason) -> None:
    """SMTP's 4xx may pass, its 5xx do not, and refused credentials are told apart."""
    said = outcome(Answer(status, smtp=True, words="5.1.1"))
    assert (said.result, said.reason, said.detail) == (result, reason, f"SMTP {status}: 5.1.1")


@pytest.mark.parametrize(("failure", "result"), FAILURES)
def test_failure_without_status(failure: Reason, result: Result) -> None:
    """A failure below HTTP keeps its reason; what may have arrived is told apart from what did not."""
    said = outcome(Answer(failure=failure, words="Connection refused"))
    assert said == Outcome(result, failure, None, None, "Connection refused")


@pytest.mark.parametrize(("header", "wait"), WAITS)
def test_retry_after(header: str | None, wait: timedelta | None) -> None:
    """Retry-After is read as seconds or as a date, never below zero or above a day, and nonsense is no wait."""
    assert outcome(Answer(429, retry_after=header)).retry_after == wait


def test_delivered() -> None:
    """A send that worked is delivered, whatever was answered on the way."""
    said = outcome_of(delivered=True, answers=[Answer(404), Answer(202)], now=NOW)
    assert said == Outcome(Result.DELIVERED, Reason.OK, 202)


def test_nothing_known() -> None:
    """A failure that nothing explains is tried again."""
    assert (outcome().result, outcome().reason) == (Result.RETRY, Reason.UNAVAILABLE)


def test_a_success_that_was_not_taken_for_one() -> None:
    """A good status that the service's plugin did not accept is tried again, and says so."""
    said = outcome(Answer(202))
    assert (said.result, said.reason, said.status) == (Result.RETRY, Reason.UNAVAILABLE, 202)
    assert said.detail.startswith("HTTP 202 Accepted: ")


def test_one_receiver_of_several_that_may_take_it_later() -> None:
    """With several receivers, one that may take the message later keeps the delivery alive."""
    said = outcome(Answer(503, retry_after="9"), Answer(200), Answer(404))
    assert (said.reason, said.retry_after) == (Reason.UNAVAILABLE, timedelta(seconds=9))


def test_refused_by_all() -> None:
    """When nobody may take it later, the last refusal is the reason."""
    assert outcome(Answer(404), Answer(200), Answer(410)).reason is Reason.GONE


def test_one_receiver_of_several_that_may_have_it() -> None:
    """With several receivers, one that may have got the message is what it came to, whatever followed."""
    said = outcome(Answer(failure=Reason.UNCERTAIN), Answer(503, retry_after="9"), Answer(404))
    assert (said.result, said.reason, said.retry_after) == (Result.UNCERTAIN, Reason.UNCERTAIN, timedelta(seconds=9))


def test_a_refusal_may_ask_for_time() -> None:
    """Its Retry-After is kept, since the channel's policy may retry what others give up."""
    said = outcome(Answer(403, retry_after="9"))
    assert (said.result, said.retry_after) == (Result.DEAD, timedelta(seconds=9))


def test_detail_is_short() -> None:
    """A detail has a limited length."""
    assert len(outcome(Answer(400, words="x" * 1000)).detail) == DETAIL_LIMIT


def test_nothing_is_heard_outside_of_a_send() -> None:
    """Answers belong to a send, and a part of it can be left out."""
    note(Answer(500))
    with hearing() as answers:
        unheard(note)(Answer(500))
        note(Answer(200))
        assert heard() == answers == [Answer(200)]
    assert heard() is None


def test_cause() -> None:
    """The cause of a network error is what the system said, not the text that holds the address."""
    causes = [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (TimeoutError("https://hooks.example.com/secret"), "timed out"),
        (ConnectionResetError(), "the connection was closed without an answer"),
        (ssl.SSLCertVerificationError(), "certificate not accepted: "),
        (RuntimeError("https://hooks.example.com/secret"), "RuntimeError"),
    ]
    for error, said in causes:
        wrapped = OSError("https://hooks.example.com/secret")
        wrapped.__cause__ = error
        if isinstance(error, ssl.SSLCertVerificationError):
            error.verify_message = ""
        assert cause(wrapped) == (said if said != "RuntimeError" else "OSError")
