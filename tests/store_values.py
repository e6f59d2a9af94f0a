"""Values to put into a store: appointments, events and plans with as little said as a test needs."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from notifier.core.appointment import Appointment
from notifier.core.change import compare, kinds_of
from notifier.core.delivery import Delivery, delivery_id
from notifier.core.event import Event, event_id
from notifier.core.plan import Known, Plan, Recorded
from notifier.core.rule import Verdict

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def appointment(id_: str = "a1", status: str = "ACCEPTED", **fields: Any) -> Appointment:
    """Returns an appointment that starts a day from NOW."""
    values: dict[str, Any] = {"updated_at": NOW, "start": NOW + timedelta(days=1)} | fields
    return Appointment(id=id_, status=status, **values)


def known(state: Appointment, revision: int = 0, observed_at: datetime = NOW) -> Known:
    """Returns what the snapshot holds of an appointment in this state."""
    digest = blake2b(repr(state).encode(), digest_size=16).digest()
    return Known(state, digest, revision, observed_at, since=state.updated_at)


def cancelled(id_: str = "a1", revision: int = 1, source: str = "acme") -> Event:
    """Returns the event that an accepted appointment was cancelled; every revision is another event."""
    before, after = appointment(id_), appointment(id_, "CANCELLED")
    changes = compare(before, after)
    return Event(
        id=event_id(source, id_, revision, b"cancelled"),
        source=source,
        sweep="near",
        kinds=kinds_of(changes),
        changes=changes,
        before=before,
        after=after,
        detected_at=NOW + revision * MINUTE,
    )


def owed(event: Event, channel: str = "chat", rule: str = "all", due_at: datetime = NOW) -> Delivery:
    """Returns the delivery of the event to the channel."""
    return Delivery(
        id=delivery_id(event.id, rule, channel),
        event_id=event.id,
        rule=rule,
        channel=channel,
        order_key=event.order_key,
        due_at=due_at,
    )


def plan(events: Sequence[Event] = (), deliveries: Sequence[Delivery] = (), rows: Sequence[Known] = ()) -> Plan:
    """Returns the plan of a slice of the source `acme`."""
    recorded = tuple(Recorded(event, (Verdict("all", matched=True),)) for event in events)
    return Plan("acme", "near", tuple(rows), recorded, tuple(deliveries), baseline=())
