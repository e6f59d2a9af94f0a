"""What was really the case: an enterprise that remembers all that every appointment ever was.

Moments are numbered by changes, not by time, since several of them may happen at one reading of a clock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from notifier.core.appointment import Appointment
from notifier.engage.payload import RecordRejected, read_appointment
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.row import EPOCH

HONEST = timedelta(seconds=1)
"""How far `updatedAt` may lie from the change: the source cuts it to milliseconds."""


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch during which an appointment was one and the same thing."""

    #: The number of the change that began it.
    since: int
    #: When that was, by the source's clock.
    at: datetime
    #: The record; None while the source did not have the appointment.
    content: bytes | None


_NEVER = Spell(0, EPOCH, None)


class Truth(Enterprise):
    """An enterprise with its whole past."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self.moment = 0
        self.past: dict[str, list[Spell]] = {}
        self._changed: list[str] = []
        self._now = clock
        self._read: dict[bytes, Appointment | None] = {}

    def remove(self, appointment_id: str) -> str:
        """Erase an appointment, and remember when."""
        removed = super().remove(appointment_id)
        self._note(removed, None)
        return removed

    def _keep(self, raw: Mapping[str, Any], key: str) -> str:
        kept = super()._keep(raw, key)
        self._note(kept, self._rows[kept].body)
        return kept

    def _note(self, name: str, content: bytes | None) -> None:
        self.moment += 1
        self._changed.append(name)
        self.past.setdefault(name, []).append(Spell(self.moment, self._now(), content))

    def concerned(self, first: int) -> set[str]:
        """Returns the appointments that are there, or were there at some moment since."""
        return {*self._rows, *self._changed[first:]}

    def during(self, name: str, first: int, last: int) -> list[Spell]:
        """Returns what an appointment was at some moment between two, both included, oldest first."""
        spells = [_NEVER, *self.past.get(name, ())]
        ends = [*(later.since for later in spells[1:]), last + 1]
        return [one for one, end in zip(spells, ends, strict=True) if one.since <= last and end > first]

    def appointment(self, content: bytes, key: bytes) -> Appointment | None:
        """Returns what a record says, personal text hashed with the key; None where it can't be read."""
        if content not in self._read:
            try:
                self._read[content] = read_appointment(content, key).appointment
            except RecordRejected:
                self._read[content] = None
        return self._read[content]
