"""A grant: which fields of an appointment may leave to a channel; and an event cut down to what it lets through.

Messages and documents are made of what `mask` returns and of nothing else. So what is hidden can't be reached by a
way round either: the place, the people, the time left are all derived from what is left of the event.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from msgspec import structs

from notifier.core.appointment import APPOINTMENT_FIELDS, TEXT_FIELDS, Appointment
from notifier.core.change import FieldChange, Kind
from notifier.core.event import Event, Firing

Texts = Mapping[str, object]
"""Personal texts by the names of their fields, in the shape that the source has them in."""

NO_TEXTS: Texts = {}

ALWAYS = frozenset({"id", "status", "updated_at"})
"""What every channel sees, named or not: no message makes sense without them, and no receiver could put it in order."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one channel may see."""

    #: Names from APPOINTMENT_FIELDS and TEXT_FIELDS.
    fields: frozenset[str]

    @property
    def personal(self) -> frozenset[str]:
        """The personal texts among them."""
        return self.fields & _PERSONAL

    def covers(self, *names: str) -> bool:
        """Whether it lets all of these fields through, so that one without a value is known to have none."""
        return self.fields.issuperset(names)


USUAL = Grant(frozenset(APPOINTMENT_FIELDS))
"""What a channel sees that names no fields: ids, states and times, and no personal text."""

ALL = Grant(frozenset(APPOINTMENT_FIELDS + TEXT_FIELDS))

_PERSONAL = frozenset(TEXT_FIELDS)
_NOTHING: Mapping[str, object] = {
    name: () if name in {"other_employees", "other_customers"} else None
    for name in APPOINTMENT_FIELDS
    if name not in ALWAYS
}


@dataclass(frozen=True, slots=True)
class Excerpt:
    """An event as far as a channel may see it; made by `mask`."""

    #: A hidden field has no value in it, and of its change only the name is left.
    event: Event
    grant: Grant
    #: What is known of the personal texts that it may see.
    texts: Texts = field(default_factory=dict, repr=False)


def grant_of(fields: Iterable[str] | None) -> Grant:
    """Returns the grant of a channel that names these fields; the usual one for None."""
    return USUAL if fields is None else Grant(ALWAYS | frozenset(fields))


def mask(event: Event, grant: Grant, texts: Texts = NO_TEXTS) -> Excerpt:
    """Returns what the grant lets through of an event, and of the texts that are known."""
    hidden = _hidden(grant)
    masked = replace(
        event,
        before=None if event.before is None else _masked(event.before, hidden),
        after=_masked(event.after, hidden),
        changes=tuple(
            FieldChange(change.field, None, None) if change.field in hidden else change for change in event.changes
        ),
        firing=_firing(event, hidden),
    )
    return Excerpt(masked, grant, {name: text for name, text in texts.items() if name in grant.personal})


def _firing(event: Event, hidden: Mapping[str, object]) -> Firing | None:
    """Returns what made the event, without the times from which a hidden start or end could be told."""
    told_by = "end" if Kind.OVERDUE in event.kinds else "start" if Kind.BEFORE_START in event.kinds else ""
    if event.firing is None or told_by not in hidden:
        return event.firing
    return replace(event.firing, began_at=None, due_at=event.detected_at)


def _masked(appointment: Appointment, hidden: Mapping[str, object]) -> Appointment:
    return structs.replace(appointment, **hidden, fingerprints=())


@lru_cache(maxsize=1000)
def _hidden(grant: Grant) -> Mapping[str, object]:
    """Returns the fields that it hides, with what stands in their place."""
    return {name: nothing for name, nothing in _NOTHING.items() if name not in grant.fields}
