"""The JSON document of an event: CloudEvents 1.0, what a webhook's receiver relies on. It only ever grows."""

from collections.abc import Mapping
from datetime import datetime

from notifier.core.appointment import APPOINTMENT_FIELDS, TEXT_FIELDS, Appointment
from notifier.core.change import FieldChange
from notifier.core.event import Event

TYPE_PREFIX = "notifier.appointment."

_REFERENCES = frozenset(
    {
        "subject",
        "office",
        "employee",
        "customer",
        "listing",
        "lead_segment",
        "callback_request",
        "meeting_room",
        "created_by",
        "updated_by",
    }
)
"""Fields that name another resource; written `{"id": ...}` as the API does."""


def document(event: Event, rule: str) -> Mapping[str, object]:
    """Returns the CloudEvents document that tells one rule's receivers of the event."""
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/sources/{event.source}",
        "subject": event.after.id,
        "time": _time(event.occurred_at),
        "type": TYPE_PREFIX + event.kinds[0].value,
        "datacontenttype": "application/json",
        "data": {
            "rule": rule,
            "kinds": [kind.value for kind in event.kinds],
            "detectedAt": _time(event.detected_at),
            "changes": [_change(change) for change in event.changes],
            "appointment": _appointment(event.after),
        },
    }


def _appointment(appointment: Appointment) -> dict[str, object]:
    return {_camel(name): _value(name, getattr(appointment, name)) for name in APPOINTMENT_FIELDS}


def _change(change: FieldChange) -> dict[str, object]:
    field: dict[str, object] = {"field": _camel(change.field)}
    if change.field in TEXT_FIELDS:
        return field
    return field | {"before": _value("", change.before), "after": _value("", change.after)}


def _value(name: str, value: object) -> object:
    if isinstance(value, datetime):
        return _time(value)
    if isinstance(value, tuple):
        return [{"id": one} for one in value] if name else list(value)
    return {"id": value} if name in _REFERENCES and value is not None else value


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _time(moment: datetime) -> str:
    """Returns the time as the API writes it, to the millisecond and with a Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
