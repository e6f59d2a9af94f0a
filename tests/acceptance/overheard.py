"""What all receivers of a test got: who was not granted personal text must not have any."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.canary import PERSONAL, SECRETS, Search
from tests.fake_mailbox import Mailbox
from tests.fake_receiver import Receiver, Reply, Request

OWN = frozenset(SECRETS) - {"token", "client secret", "signing key", "signing key, raw"}
"""What stands in an address, and so in a request's first line and headers."""


class Overheard:
    """What came, with whom it came to."""

    def __init__(self) -> None:
        self.requests: list[tuple[Receiver, Request]] = []
        self.mails: list[bytes] = []
        self._granted: list[Receiver] = []

    def grant(self, receiver: Receiver) -> None:
        """Lets a receiver have personal text."""
        self._granted.append(receiver)

    def search(self) -> Search:
        """Searches all that came."""
        search = Search()
        for receiver, request in self.requests:
            personal = PERSONAL if receiver in self._granted else ()
            head = "\n".join((request.path, *request.headers.values())).encode()
            search.look("message", f"the head of a request to {receiver.url}", head, allowed=OWN)
            search.look("message", f"the body of a request to {receiver.url}", request.body, allowed=personal)
        for mail in self.mails:
            search.look("message", "a mail", mail, allowed={"header of a channel"})
        return search


@contextmanager
def overhearing() -> Iterator[Overheard]:
    """Overhears all receivers and mailboxes of this process."""
    heard, take, handle = Overheard(), Receiver.take, Mailbox.handle_DATA

    def overheard_take(self: Receiver, request: Request) -> Reply | str:
        heard.requests.append((self, request))
        return take(self, request)

    async def overheard_mail(self: Mailbox, server: Any, session: object, envelope: Any) -> str:
        heard.mails.append(bytes(envelope.content))
        return await handle(self, server, session, envelope)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Receiver, "take", overheard_take)
        patch.setattr(Mailbox, "handle_DATA", overheard_mail)
        yield heard
