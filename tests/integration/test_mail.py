"""Mail channels, against a mail server on this machine."""

import smtplib
from datetime import UTC, datetime

import pytest
from aiosmtpd.smtp import AuthResult

from notifier.channels.channel import Parcel, open_channel
from notifier.core.delivery import Outcome, Reason, Result
from notifier.core.escape import Target, as_html, plain
from notifier.core.message import Message
from tests.fake_mailbox import mail_url, mailbox
from tests.fake_receiver import free_port

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

HOSTILE = "<!channel> @everyone <b>x</b> <script>x</script> & a_b"
"""What somebody may have typed into a field of an appointment."""


def parcel() -> Parcel:
    body = as_html(f"When: 2026-03-02 10:00\nWho: {plain(HOSTILE)}")
    return Parcel("delivery-1", Message(f"Cancelled: {plain(HOSTILE)}", body, Target.HTML), {}, NOW)


def send(url: str) -> Outcome:
    return open_channel("desk", url).send(parcel())


def test_a_mail_has_two_parts() -> None:
    """A mail arrives as HTML and as plain text, in both of which a value is text."""
    with mailbox() as (box, server):
        assert send(mail_url(server)) == Outcome(Result.DELIVERED, Reason.OK, 250)
    (mail,) = box.mails
    text, html = (str(part.get_content()) for part in mail.iter_parts())
    assert text.rstrip().endswith(f"Who: {HOSTILE}")
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
    assert (outcome.result, outcome.reason) == (Result.UNCERTAIN, Reason.UNCERTAIN)


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
