"""What differs between two states of one appointment, and what such a difference is called."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from notifier.core.appointment import ENDINGS, TEXT_FIELDS, Appointment, watched


class Kind(StrEnum):
    """The kinds of event, most telling first: the order that decides an event's headline and CloudEvents type."""

    STATUS_CHANGED = "status_changed"
    #: Start or end differ.
    RESCHEDULED = "rescheduled"
    #: The employees who take part differ.
    REASSIGNED = "reassigned"
    #: Office, meeting type, room or address differ.
    RELOCATED = "relocated"
    #: First seen, and created since the last look.
    CREATED = "created"
    #: First seen in a state that it reached since the last look, which one it left is unknown; or seen again after
    #: it had vanished.
    DISCOVERED = "discovered"
    #: The source does not show it any more, as an enquiry by its id confirmed; the state is the last known one.
    VANISHED = "vanished"
    #: Anything else that is watched differs.
    UPDATED = "updated"
    #: Nothing changed, and for so long: it is in the state that a rule watches.
    STAYS = "stays"
    #: Its end is past, and it is still confirmed.
    OVERDUE = "overdue"
    #: Its start is near, and it is still not confirmed.
    BEFORE_START = "before_start"


TIMED = frozenset({Kind.STAYS, Kind.OVERDUE, Kind.BEFORE_START})
"""The kinds that the clock makes, each for the one rule that asks; all others are changes."""


_KIND_OF_FIELD = {
    "status": Kind.STATUS_CHANGED,
    "start": Kind.RESCHEDULED,
    "end": Kind.RESCHEDULED,
    "employee": Kind.REASSIGNED,
    "other_employees": Kind.REASSIGNED,
    "office": Kind.RELOCATED,
    "meeting_type": Kind.RELOCATED,
    "meeting_room": Kind.RELOCATED,
    "location": Kind.RELOCATED,
}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One watched field that differs; both values are None for personal text, of which only the fact is known."""

    field: str
    before: object
    after: object

    @property
    def is_bare(self) -> bool:
        """Whether only the fact is known, or only the fact may be told: the values are left out."""
        return self.before is None and self.after is None


def compare(before: Appointment, after: Appointment) -> tuple[FieldChange, ...]:
    """Returns the watched fields that differ, in the order of the record; comparing a state with itself is empty."""
    old, new = watched(before), watched(after)
    return tuple(
        FieldChange(name, None, None) if name in TEXT_FIELDS else FieldChange(name, old[name], new[name])
        for name in old
        if old[name] != new[name]
    )


def kinds_of(changes: Iterable[FieldChange]) -> tuple[Kind, ...]:
    """Returns what the differences are called, most telling first, each once."""
    found = {_KIND_OF_FIELD.get(change.field, Kind.UPDATED) for change in changes}
    return tuple(kind for kind in Kind if kind in found)


def first_difference(after: Appointment, *, created: bool) -> tuple[tuple[Kind, ...], tuple[FieldChange, ...]]:
    """Returns what the first sight of an appointment is called: made since the last look, or known to nobody before."""
    status = FieldChange("status", None, after.status)
    if not created:
        return (Kind.STATUS_CHANGED, Kind.DISCOVERED), (status,)
    # Nothing is booked as cancelled: it was booked and called off since the last look.
    return ((Kind.STATUS_CHANGED, Kind.CREATED), (status,)) if after.status in ENDINGS else ((Kind.CREATED,), ())
