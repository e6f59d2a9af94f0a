"""An event: the named, numbered fact that an appointment changed."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.core.appointment import Appointment
from notifier.core.change import FieldChange, Kind

LATE = timedelta(minutes=15)
"""What is told later than this after it was due is told by what time it is; by then a seldom sweep has read twice."""


@dataclass(frozen=True, slots=True)
class Firing:
    """What made an event that no change made: the watch of a rule, at its moment."""

    #: The one that asks, and the only one that is asked.
    rule: str
    #: When the stay began; None where a channel may not see what tells it.
    began_at: datetime | None
    due_at: datetime
    #: 0 for the first message about the stay, then that of the reminder.
    number: int
    #: Whether it tells others that the stay goes on.
    escalation: bool = False


def base_of(due_at: datetime, now: datetime) -> datetime:
    """Returns from when on is counted what follows a message: when it was due, or now if that is too long ago."""
    return due_at if now - due_at <= LATE else now


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
    #: What made it, where that is no change; `before` and `after` are then the same.
    firing: Firing | None = None

    @property
    def occurred_at(self) -> datetime:
        """When the source says that it happened; of what the clock made, when it was due."""
        return self.after.updated_at if self.firing is None else self.firing.due_at

    @property
    def lasted(self) -> timedelta | None:
        """How long the stay had lasted by then; None for a change."""
        if self.firing is None or self.firing.began_at is None:
            return None
        return base_of(self.firing.due_at, self.detected_at) - self.firing.began_at

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


def firing_id(source: str, appointment: str, kind: Kind, firing: Firing) -> str:
    """Returns the id of an event that the clock made: the same for the same message about the same stay."""
    began = "" if firing.began_at is None else firing.began_at.isoformat()
    what = "escalation" if firing.escalation else str(firing.number)
    text = f"{source}\0{appointment}\0{kind.value}\0{firing.rule}\0{began}\0{what}"
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
