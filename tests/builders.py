"""Builds the core's values with sensible defaults, so that a test says only what it is about.

Unless told otherwise it is Tuesday 24 November 2026, 08:00 in Brussels, and appointment 1701 begins in two hours.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from notifier.core.appointment import Appointment
from notifier.core.change import FieldChange, Kind, compare, kinds_of
from notifier.core.event import Event, Firing, event_id
from notifier.core.grant import Excerpt, grant_of, mask
from notifier.core.plan import Known, Observation
from notifier.core.rule import Requirement, Rule
from notifier.core.sweep import Look, Span
from notifier.core.watch import Watch, event_of

NOW = datetime(2026, 11, 24, 7, tzinfo=UTC)
START = NOW + timedelta(hours=2)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def appointment(**changes: Any) -> Appointment:
    """Returns a confirmed appointment at office 12, of employee 301 with customer 201."""
    usual = Appointment(
        id="1701",
        status="ACCEPTED",
        updated_at=NOW - MINUTE,
        start=START,
        end=START + HOUR,
        created_at=NOW - 3 * DAY,
        meeting_type="OFFICE",
        office="12",
        subject="51",
        employee="301",
        customer="201",
        updated_by="301",
        updated_by_type="EMPLOYEE",
    )
    return structs.replace(usual, **changes)


def undated(**changes: Any) -> Appointment:
    """Returns an invitation that was not answered yet."""
    return appointment(**{"status": "OUTGOING_INVITE", "start": None, "end": None} | changes)


def event(before: Appointment | None = None, **changes: Any) -> Event:
    """Returns the event that these fields of an appointment changed; left out, that it was cancelled."""
    before = before or appointment()
    return step(before, structs.replace(before, **(changes or {"status": "CANCELLED"})))


def step(before: Appointment, after: Appointment) -> Event:
    """Returns the event that one state became another."""
    changes = compare(before, after)
    return _event(kinds_of(changes), changes, before, after)


def created(after: Appointment) -> Event:
    """Returns the event that an appointment was made."""
    return _event((Kind.CREATED,), (), None, after)


def discovered(after: Appointment) -> Event:
    """Returns the event that an appointment was first seen in a state that it had reached."""
    reached = FieldChange("status", None, after.status)
    return _event((Kind.STATUS_CHANGED, Kind.DISCOVERED), (reached,), None, after)


def vanished(last: Appointment) -> Event:
    """Returns the event that an appointment is no longer there, which was in this state before."""
    return _event((Kind.VANISHED,), (), last, last)


def stay(
    watch: Watch, state: Appointment | None = None, lasted: timedelta | None = None, number: int = 0, **changes: Any
) -> Event:
    """Returns the event that a rule's watch made of an appointment in this state; a request unless told otherwise."""
    state = state or appointment(status="INCOMING_REQUEST", updated_by="201", updated_by_type="CUSTOMER")
    begin = NOW - (watch.wait if lasted is None else lasted)
    firing = replace(Firing("any", begin, NOW, number), **changes)
    return event_of("acme", watch, state, firing, NOW)


def watch(**changes: Any) -> Watch:
    """Returns the watch for requests that have not been answered for two hours."""
    usual = Watch(kind=Kind.STAYS, statuses=frozenset({"INCOMING_REQUEST"}), span=2 * HOUR)
    return replace(usual, **changes)


def seen(about: Event, *fields: str, **texts: Any) -> Excerpt:
    """Returns what a channel sees of an event to which these fields are granted; without any, the usual ones."""
    return mask(about, grant_of(fields or None), texts)


def rule(*requirements: Requirement, **changes: Any) -> Rule:
    """Returns a rule for the channel `desk`; with no requirement it matches everything."""
    usual = Rule(name="any", description="", requirements=requirements, channels=("desk",))
    return replace(usual, **changes)


def observation(seen: Appointment, observed_at: datetime = NOW) -> Observation:
    """Returns what a page tells of an appointment in this state."""
    return Observation(seen, digest(seen), observed_at)


def known(state: Appointment, revision: int = 0, observed_at: datetime = NOW - MINUTE) -> Known:
    """Returns what the snapshot holds of an appointment in this state."""
    return Known(state, digest(state), revision, observed_at)


def snapshot(*held: Known) -> dict[str, Known]:
    """Returns what the snapshot holds, by id."""
    return {one.appointment.id: one for one in held}


def digest(state: Appointment) -> bytes:
    """Returns a digest that differs for every state."""
    return hashlib.blake2b(repr(state).encode(), digest_size=16).digest()


def look(began_at: datetime = NOW - 5 * MINUTE, **changes: Any) -> Look:
    """Returns a complete look at everything from a day back to a week ahead."""
    usual = Look(
        scope="near",
        began_at=began_at,
        span=Span(began_at - DAY, began_at + 7 * DAY),
        end_offset=7 * DAY,
        filters={},
    )
    return replace(usual, **changes)


def record(**changes: Any) -> dict[str, Any]:
    """Returns the raw record of an appointment, in the documented shape."""
    usual = {
        "id": "1701",
        "externalId": None,
        "start": "2026-11-24T09:00:00.000Z",
        "end": "2026-11-24T10:00:00.000Z",
        "subject": {"id": "51"},
        "office": {"id": "12"},
        "appointmentParticipants": [participant("CUSTOMER", "201"), participant("EMPLOYEE", "301")],
        "answers": [],
        "callbackRequest": None,
        "listing": None,
        "leadSegment": None,
        "meetingType": "OFFICE",
        "status": "ACCEPTED",
        "hybrid": False,
        "trailingBufferTime": 0,
        "internalNotes": None,
        "messageForCustomer": None,
        "createdAt": "2026-11-21T07:00:00.000Z",
        "createdBy": {"id": "201"},
        "createdByType": "CUSTOMER",
        "createdFrom": "PLUGIN",
        "updatedAt": "2026-11-24T06:59:00.000Z",
        "updatedBy": {"id": "301"},
        "updatedByType": "EMPLOYEE",
        "updatedFrom": "BACKOFFICE_APP",
        "location": None,
    }
    return usual | changes


def participant(party: str, name: str, role: str = "PRIMARY", **changes: Any) -> dict[str, Any]:
    """Returns one participant of a raw record."""
    usual = {"role": role, "type": party, "participant": {"id": name}, "videoUrl": None, "videoTestUrl": None}
    return usual | changes


def without(raw: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Returns a raw record without some of its properties."""
    left_out = frozenset(names)
    return {name: value for name, value in raw.items() if name not in left_out}


def _event(
    kinds: tuple[Kind, ...], changes: tuple[FieldChange, ...], before: Appointment | None, after: Appointment
) -> Event:
    return Event(
        id=event_id("acme", after.id, 1, digest(after)),
        source="acme",
        sweep="near",
        kinds=kinds,
        changes=changes,
        before=before,
        after=after,
        detected_at=NOW,
    )
