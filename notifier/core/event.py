"""An event: the named, numbered fact that an appointment changed."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.core.appointment import Appointment
from notifier.core.change import FieldChange, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One changed appointment in one poll, with everything that a rule or a message may ask of it."""

    #: The same for the same step of the same appointment, however often a poll finds it (see `event_id`).
    id: str
    source: str
    #: The sweep that found it.
    sweep: str
    #: All that happened at once, most telling first; never empty.
    kinds: tuple[Kind, ...]
    changes: tuple[FieldChange, ...]
    #: The state before, or None for an appointment that was not known.
    before: Appointment | None
    after: Appointment
    detected_at: datetime

    @property
    def occurred_at(self) -> datetime:
        """When the source says that it happened."""
        return self.after.updated_at

    @property
    def lead_time(self) -> timedelta | None:
        """The time from the change to the start, negative once it has begun; None without a start."""
        return None if self.after.start is None else self.after.start - self.occurred_at

    @property
    def order_key(self) -> str:
        """Events with one key are told in order."""
        return f"{self.source}/{self.after.id}"


def event_id(source: str, appointment: str, revision: int, digest: bytes) -> str:
    """Returns the id of a step: 20 hex digits from which appointment, how many changes before, and the new record.

    The revision tells A, B, A, B apart; the digest makes a poll that is repeated after a crash, or shown by
    `plan` first, name the same step the same.
    """
    text = f"{source}\0{appointment}\0{revision}\0".encode() + digest
    return hashlib.blake2b(text, digest_size=10).hexdigest()
