"""A mail server on this machine that answers as a test tells it to, and keeps the mails that it took."""

from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from threading import Condition
from typing import Any

from aiosmtpd.controller import Controller

from tests.fake_receiver import free_port

ABORT = "abort"
"""In place of a reply to a mail: the connection breaks."""


class Mailbox:
    """Answers like a mail server; each hook may be replaced by a list of replies, used up in order."""

    def __init__(self, rcpt: list[str], data: list[str], hang: bool) -> None:
        #: What it took, and whatever came to it.
        self.mails: list[EmailMessage] = []
        self.bodies: list[EmailMessage] = []
        self._rcpt = rcpt
        self._data = data
        self._hang = hang
        self._came = Condition()

    def wait_for(self, count: int, timeout: float) -> bool:
        """Waits until so many mails have come, at most so many seconds; tells whether they have."""
        with self._came:
            return self._came.wait_for(lambda: len(self.mails) >= count, timeout)

    async def handle_RCPT(self, _: object, __: object, envelope: Any, to: str, ___: object) -> str:  # noqa: N802
        reply = self._rcpt.pop(0) if self._rcpt else "250 OK"
        if reply.startswith("250"):
            envelope.rcpt_tos.append(to)
        return reply

    async def handle_DATA(self, server: Any, __: object, envelope: Any) -> str:  # noqa: N802
        reply = self._data.pop(0) if self._data else "250 OK"
        mail = message_from_bytes(envelope.content, policy=default)
        with self._came:
            self.bodies.append(mail)
            if reply.startswith("250"):
                self.mails.append(mail)
                self._came.notify_all()
        if self._hang or reply == ABORT:
            server.transport.abort()
        return reply


@contextmanager
def mailbox(
    rcpt: tuple[str, ...] = (), data: tuple[str, ...] = (), hang: bool = False, **options: Any
) -> Iterator[tuple[Mailbox, str]]:
    """Runs a mail server for the length of the block; gives it, and where it listens."""
    box = Mailbox(list(rcpt), list(data), hang)
    controller = Controller(box, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield box, f"127.0.0.1:{controller.port}"
    finally:
        controller.stop()


def mail_url(server: str, rest: str = "") -> str:
    """Returns the channel that sends to that server."""
    return f"mailto://{server}/?from=notifier@example.com&to=desk@example.com{rest}"
