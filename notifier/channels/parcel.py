"""What is handed to a channel to send, in every shape that a channel may need."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from notifier.core.message import Message


@dataclass(frozen=True, slots=True)
class Parcel:
    """One try of one delivery."""

    #: The same on every try; a webhook's receiver dedupes by it.
    delivery_id: str
    #: For people.
    message: Message
    #: For machines: the CloudEvents document.
    document: Mapping[str, object]
    #: When the try begins; what a webhook is signed with.
    now: datetime


_carried: ContextVar[Parcel] = ContextVar("carried")


@contextmanager
def carrying(parcel: Parcel) -> Iterator[None]:
    """Lets a plugin of ours see the whole parcel during a send, where Apprise hands on a title and a body only."""
    token = _carried.set(parcel)
    try:
        yield
    finally:
        _carried.reset(token)


def carried() -> Parcel:
    """Returns the parcel of the send that this thread is in."""
    return _carried.get()
