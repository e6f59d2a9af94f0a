"""Webhooks, against a receiver on this machine."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import standardwebhooks

from notifier.channels.channel import Channel, ChannelError, Parcel, open_channel
from notifier.core.delivery import Outcome, Reason, Result
from notifier.core.escape import Target
from notifier.core.message import Message
from tests.fake_receiver import DRIP, HANG, RESET, Reply, free_port, receiving

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
WAIT, SHORT = timedelta(seconds=30), timedelta(seconds=0.6)
SECRET = "whsec_" + b64encode(b"0123456789abcdef0123456789abcdef").decode()
DOCUMENT = {
    "specversion": "1.0",
    "id": "event-1",
    "type": "notifier.appointment.status_changed",
    "data": {
        "rule": "late",
        "appointment": {"id": "appointment-77", "office": {"id": "office-12"}},
        "kinds": ["zoë-x"],
    },
}


def parcel(delivery_id: str = "delivery-1", now: datetime = NOW) -> Parcel:
    return Parcel(delivery_id, Message("Cancelled", "When: Tuesday", Target.TEXT), DOCUMENT, now)


@contextmanager
def opened(url: str, secret: str | None = None, timeout: timedelta = WAIT) -> Iterator[Channel]:
    channel = open_channel("crm", url, [secret] if secret else [], timeout)
    try:
        yield channel
    finally:
        channel.close()


def sent_to(url: str, timeout: timedelta = WAIT) -> Outcome:
    with opened(url, timeout=timeout) as channel:
        return channel.send(parcel())


def test_what_is_posted() -> None:
    """The receiver gets the document as it is, with the delivery's id and the time of the try."""
    with receiving() as receiver, opened(f"{receiver.url}/hooks/a?b=c&retry=3") as channel:
        outcome = channel.send(parcel())
        (request,) = receiver.requests
    assert outcome == Outcome(Result.DELIVERED, Reason.OK, 200)
    assert json.loads(request.body) == DOCUMENT
    assert request.path == "/hooks/a?b=c&retry=3"
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert request.headers["webhook-id"] == "delivery-1"
    assert request.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert "webhook-signature" not in request.headers
    assert request.headers["user-agent"].startswith("notifier/")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Brussels"])
def test_signature(zone: str) -> None:
    """A receiver that uses the library of the standard accepts the signature, whatever zone the time came in."""
    with receiving() as receiver, opened(receiver.url, SECRET) as channel:
        # The verifier reads the clock of this machine, and takes nothing that is older than five minutes.
        channel.send(parcel(now=datetime.now(ZoneInfo(zone))))  # noqa: TID251 - for the same reason
        (request,) = receiver.requests
    assert standardwebhooks.Webhook(SECRET).verify(request.body, dict(request.headers)) == DOCUMENT


def test_every_try_has_the_same_id() -> None:
    """A second try has the id of the first and a signature of its own time, and is judged by its own answer."""
    with receiving(Reply(500), Reply(204)) as receiver, opened(receiver.url, SECRET) as channel:
        outcomes = [channel.send(parcel(now=NOW + timedelta(seconds=wait))).reason for wait in (0, 60)]
        first, second = receiver.requests
    assert outcomes == [Reason.UNAVAILABLE, Reason.OK]
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


ANSWERS = [
    (200, Result.DELIVERED, Reason.OK),
    (202, Result.DELIVERED, Reason.OK),
    (204, Result.DELIVERED, Reason.OK),
    (302, Result.DEAD, Reason.REDIRECTED),
    (400, Result.DEAD, Reason.REJECTED),
    (401, Result.DEAD, Reason.REFUSED),
    (404, Result.DEAD, Reason.NOT_FOUND),
    (410, Result.DEAD, Reason.GONE),
    (413, Result.DEAD, Reason.TOO_LARGE),
    (429, Result.RETRY, Reason.RATE_LIMITED),
    (500, Result.RETRY, Reason.UNAVAILABLE),
]


@pytest.mark.parametrize(("status", "result", "reason"), ANSWERS)
def test_answers(status: int, result: Result, reason: Reason) -> None:
    """The receiver's status decides what becomes of the delivery."""
    with receiving(Reply(status)) as receiver:
        outcome = sent_to(receiver.url)
    assert (outcome.result, outcome.reason, outcome.status) == (result, reason, status)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    """Where a redirect points to, nothing arrives."""
    with receiving() as elsewhere, receiving(Reply(status, {"Location": elsewhere.url})) as receiver:
        assert sent_to(receiver.url).reason is Reason.REDIRECTED
        assert (len(receiver.requests), elsewhere.requests) == (1, [])


def test_retry_after() -> None:
    """A plea to wait arrives with the outcome."""
    with receiving(Reply(429, {"Retry-After": "17"})) as receiver:
        assert sent_to(receiver.url).retry_after == timedelta(seconds=17)


@pytest.mark.parametrize("end", [RESET, HANG])
def test_no_answer(end: str) -> None:
    """When the document went out and no answer came, it may have arrived."""
    with receiving(end) as receiver:
        outcome = sent_to(receiver.url, SHORT)
        assert len(receiver.requests) == 1
    assert (outcome.result, outcome.reason, outcome.status) == (Result.UNCERTAIN, Reason.UNCERTAIN, None)


def test_a_slow_body_does_not_change_the_status() -> None:
    """The status counts once it came, even if the body never ends."""
    with receiving(DRIP) as receiver:
        assert sent_to(receiver.url, SHORT).status == 400


def test_nobody_listens() -> None:
    """A receiver that is not there is unreachable, and the system's word says why."""
    outcome = sent_to(f"http://127.0.0.1:{free_port()}/hooks/secret-token")
    assert (outcome.result, outcome.reason, outcome.detail) == (Result.RETRY, Reason.UNREACHABLE, "Connection refused")


def test_the_connection_is_kept() -> None:
    """Deliveries to one receiver share a connection."""
    with receiving(Reply(200, body=b"thanks")) as receiver, opened(receiver.url) as channel:
        for number in range(3):
            channel.send(parcel(f"delivery-{number}"))
        assert len({request.port for request in receiver.requests}) == 1


def test_basic_credentials_of_the_address() -> None:
    """User and password in the address are sent as credentials."""
    with receiving() as receiver:
        sent_to(receiver.url.replace("//", "//crm:p%40ss@"))
        (request,) = receiver.requests
    assert request.headers["authorization"] == "Basic " + b64encode(b"crm:p@ss").decode()


def test_the_words_of_a_refusal() -> None:
    """An operator reads why the receiver refused, on one line and cut."""
    body = b'{"error":\r\n\t"unknown tenant"}\x00\x1b[31m' + b" and so on" * 100_000
    with receiving(Reply(400, body=body)) as receiver:
        detail = sent_to(receiver.url).detail
    assert detail.startswith('HTTP 400 Bad Request: {"error": "unknown tenant"} [31m and so on')
    assert len(detail) < 200
    assert detail.isprintable()


ECHOES = [
    json.dumps(DOCUMENT),
    "no appointment appointment-77",
    json.dumps({"kinds": ["zoë-x"]}, ensure_ascii=False),
    "no such path: /hooks/tok-123456",
    "key k-654321 is not known",
    "user crm-user may not",
    "password p@ssw0rd is wrong",
    "<html><title>400 crm</title>",
]


@pytest.mark.parametrize("echo", ECHOES)
def test_an_echo_is_not_recorded(echo: str) -> None:
    """A refusal that repeats the document or parts of the address leaves no words."""
    with receiving(Reply(400, body=echo.encode())) as receiver:
        address = receiver.url.replace("//", "//crm-user:p%40ssw0rd@") + "/hooks/tok-123456?key=k-654321"
        assert sent_to(address).detail == "HTTP 400 Bad Request"


def test_the_address_is_not_shown() -> None:
    """Of a webhook's address only the host is shown."""
    with opened("https://user:password@crm.example.com:8443/hooks/token?key=value", SECRET) as channel:
        assert channel.shown == "https://crm.example.com/***"
        assert "password" not in repr(channel)
        assert "token" not in repr(channel)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "not base64 at all, is it?", "whsec_ö"])
def test_a_useless_secret(secret: str) -> None:
    """A signing secret that is none is refused at once, and not repeated."""
    with pytest.raises(ChannelError) as raised:
        open_channel("crm", "https://crm.example.com", [secret])
    assert "signing_secret must be" in str(raised.value)
    assert not secret.removeprefix("whsec_") or secret not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["https://", "https:///path", "http://[::1", "https://crm.example.com:port", "https://crm.exa mple.com/"]
)
def test_a_malformed_address(url: str) -> None:
    """An address without a usable host is refused at once."""
    with pytest.raises(ChannelError, match="malformed"):
        open_channel("crm", url)
