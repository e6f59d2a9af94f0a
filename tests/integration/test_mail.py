"""Mail channels, against a mail server on this machine."""

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message as Mail
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from notifier.channels.channel import Parcel, open_channel
from notifier.core.delivery import Outcome, Reason, Result
from notifier.core.escape import Target, as_html, plain
from notifier.core.message import Message
from tests.fake_receiver import free_port

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

HOSTILE = "<!channel> @everyone <b>x</b> <script>x</script> & a_b"
"""What somebody may have typed into a field of an appointment."""


def parcel() -> Parcel:
    body = as_html(f"When: 2026-03-02 10:00\nWho: {plain(HOSTILE)}")
    return Parcel("delivery-1", Message(f"Cancelled: {plain(HOSTILE)}", body, Target.HTML), {}, NOW)


def send(url: str) -> Outcome:
    return open_channel("desk", url).send(parcel())


class Mailbox:
    """Answers like a mail server; each hook may be replaced by a list of replies, used up in order."""

    def __init__(self, rcpt: list[str], data: list[str], hang: bool) -> None:
        self.mails: list[Mail] = []
        self._rcpt = rcpt
        self._data = data
        self._hang = hang

    async def handle_RCPT(self, _: object, __: object, envelope: Any, to: str, ___: object) -> str:  # noqa: N802
        reply = self._rcpt.pop(0) if self._rcpt else "250 OK"
        if reply.startswith("250"):
            envelope.rcpt_tos.append(to)
        return reply

    async def handle_DATA(self, server: Any, __: object, envelope: Any) -> str:  # noqa: N802
        if self._hang:
            server.transport.abort()
        reply = self._data.pop(0) if self._data else "250 OK"
        if reply.startswith("250"):
            self.mails.append(message_from_bytes(envelope.content, policy=default))
        return reply


@contextmanager
def mailbox(
    rcpt: tuple[str, ...] = (), data: tuple[str, ...] = (), hang: bool = False, **options: Any
) -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox(list(rcpt), list(data), hang)
    controller = Controller(box, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield box, f"127.0.0.1:{controller.port}"
    finally:
        controller.stop()


def mail_url(server: str, rest: str = "") -> str:
    return f"mailto://{server}/?from=notifier@example.com&to=desk@example.com{rest}"


def test_a_mail_has_two_parts() -> None:
    """A mail arrives as HTML and as plain text, in both of which a value is text."""
    with mailbox() as (box, server):
        assert send(mail_url(server)) == Outcome(Result.DELIVERED, Reason.OK, 250)
    (mail,) = box.mails
    text, html = (part.get_payload(decode=True).decode() for part in mail.iter_parts())  # type: ignore[attr-defined]
    assert text.endswith(f"Who: {HOSTILE}")
    assert text.startswith("When: 2026-03-02 10:00\r\nWho: <!channel>")
    assert "&lt;script&gt;x&lt;/script&gt; &amp; a_b" in html
    assert "<script>" not in html
    assert mail["Subject"].startswith("Cancelled: <!channel>")
    assert mail["From"] == "notifier@example.com"
    assert mail["X-Application"] == "notifier"


def test_mail_is_tried_again_after_450() -> None:
    """A mail server that says 450 gets the mail again, and takes it."""
    with mailbox(rcpt=("450 4.2.0 <desk@example.com>: greylisted",)) as (box, server):
        channel = open_channel("desk", mail_url(server))
        outcomes = [channel.send(parcel()) for _ in range(2)]
    assert [(one.result, one.reason, one.status) for one in outcomes] == [
        (Result.RETRY, Reason.UNAVAILABLE, 450),
        (Result.DELIVERED, Reason.OK, 250),
    ]
    assert outcomes[0].detail == "SMTP 450: 4.2.0"
    assert len(box.mails) == 1


@pytest.mark.parametrize("stage", ["rcpt", "data"])
def test_mail_is_dead_after_550(stage: str) -> None:
    """A mail that the server does not want is not tried again, and the address is not repeated."""
    reply = ("550 5.1.1 <desk@example.com>: no such user",)
    with mailbox(rcpt=reply) if stage == "rcpt" else mailbox(data=reply) as (_, server):
        outcome = send(mail_url(server))
    assert outcome == Outcome(Result.DEAD, Reason.REJECTED, 550, None, "SMTP 550: 5.1.1")


def test_wrong_mail_password() -> None:
    """A mail server that does not accept the password refuses us, whatever mechanism was tried."""

    def refuse(*_: object) -> AuthResult:
        return AuthResult(success=False, handled=False)

    with mailbox(authenticator=refuse, auth_require_tls=False) as (_, server):
        outcome = send(mail_url(f"user:secret@{server}"))
    assert (outcome.result, outcome.reason, outcome.status) == (Result.DEAD, Reason.REFUSED, 535)
    assert "secret" not in outcome.detail


def test_a_mail_server_that_dies_after_the_mail() -> None:
    """When the mail went out and the server was gone before it answered, the mail may have arrived."""
    with mailbox(hang=True) as (_, server):
        outcome = send(mail_url(server))
    assert (outcome.result, outcome.reason) == (Result.RETRY, Reason.UNCERTAIN)


def test_a_mail_server_without_tls() -> None:
    """A mail is not sent in the clear where the address asks for TLS."""
    with mailbox() as (box, server):
        outcome = send(mail_url(server, "&mode=starttls"))
    assert (outcome.result, outcome.reason, box.mails) == (Result.RETRY, Reason.UNAVAILABLE, [])
    assert outcome.detail == "STARTTLS extension not supported by server."


def test_no_mail_server() -> None:
    """A mail server that is not there is unreachable."""
    outcome = send(mail_url(f"127.0.0.1:{free_port()}"))
    assert (outcome.result, outcome.reason, outcome.detail) == (Result.RETRY, Reason.UNREACHABLE, "Connection refused")


def test_other_mails_of_the_process_are_left_alone() -> None:
    """The mail library works as before for others."""
    with mailbox() as (_, server):
        host, _, port = server.partition(":")
        with smtplib.SMTP(host, int(port)) as client:
            assert client.noop()[0] == 250
