"""A made-up event, to try a channel with: nobody's appointment, and it says so."""

from datetime import datetime, timedelta

from msgspec import structs

from notifier.core.appointment import Appointment
from notifier.core.change import FieldChange, Kind
from notifier.core.event import Event
from notifier.core.rule import Rule

SAMPLE_RULE = Rule(
    name="test-send",
    description="Tries a channel",
    requirements=(),
    channels=(),
    title="Test of notifier, no real appointment: {{ event.headline }}: {{ when }}",
)
"""What a test message says; the body is the default one."""


def sample_event(event_id: str, source: str, now: datetime) -> Event:
    """Returns a cancellation, noticed now, of an appointment that does not exist."""
    start = (now + timedelta(hours=20)).replace(minute=0, second=0, microsecond=0)
    before = Appointment(
        id="test",
        status="ACCEPTED",
        updated_at=now - timedelta(days=3),
        created_at=now - timedelta(days=3),
        start=start,
        end=start + timedelta(minutes=45),
        meeting_type="OFFICE",
        office="12",
        subject="7",
        employee="34",
        customer="56",
    )
    after = structs.replace(before, status="CANCELLED", updated_at=now, updated_by="56", updated_by_type="CUSTOMER")
    return Event(
        id=event_id,
        source=source,
        sweep="test",
        kinds=(Kind.STATUS_CHANGED,),
        changes=(FieldChange("status", "ACCEPTED", "CANCELLED"),),
        before=before,
        after=after,
        detected_at=now,
    )
