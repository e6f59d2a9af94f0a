"""The JSON document of an event: CloudEvents 1.0, what a webhook's receiver relies on. It only ever grows."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache

from msgspec import json

from notifier.core.appointment import APPOINTMENT_FIELDS, TEXT_FIELDS
from notifier.core.change import FieldChange
from notifier.core.directory import NO_DIRECTORY, Directory
from notifier.core.event import Event
from notifier.core.grant import Excerpt, Texts

TYPE_PREFIX = "notifier.appointment."

TEXTS_LIMIT = 15_000
"""Bytes of all personal texts of a document. Receivers need not take more than 20 kB, and the rest is 2 kB."""

NAMES_LIMIT = 2_000
"""Bytes of all names of a document; those that come after these are left out, and go by their ids."""

_NAMED: Mapping[str, str] = {
    "office": "office",
    "subject": "subject",
    "employee": "employee",
    "other_employees": "employee",
}
"""Fields that refer to what a directory has entries of, and as what; the first have their names first."""

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


def document(excerpt: Excerpt, rule: str, directory: Directory = NO_DIRECTORY) -> Mapping[str, object]:
    """Returns the CloudEvents document that tells one rule's receivers of the event."""
    event = excerpt.event
    texts, omitted = _fitting(excerpt.texts)
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/sources/{event.source}",
        "subject": event.after.id,
        "time": say_instant(event.occurred_at),
        "type": TYPE_PREFIX + event.kinds[0].value,
        "datacontenttype": "application/json",
        "data": {
            "rule": rule,
            "kinds": [kind.value for kind in event.kinds],
            "detectedAt": say_instant(event.detected_at),
            "changes": [_change(change) for change in event.changes],
            "appointment": _appointment(excerpt, texts, directory),
        }
        | _stay(event)
        | ({"omitted": [_camel(name) for name in omitted]} if omitted else {}),
    }


def _stay(event: Event) -> dict[str, object]:
    """Returns what there is to say of a stay; nothing for a change."""
    firing, lasted = event.firing, event.lasted
    if firing is None:
        return {}
    stay: dict[str, object] = {"number": firing.number, "escalation": firing.escalation}
    if firing.began_at is not None and lasted is not None:
        stay |= {"since": say_instant(firing.began_at), "seconds": int(lasted.total_seconds())}
    return {"stay": stay}


def document_size(content: Mapping[str, object]) -> int:
    """Returns how many bytes a document takes."""
    return len(json.encode(content))


def _appointment(excerpt: Excerpt, texts: Texts, directory: Directory) -> dict[str, object]:
    """Returns the fields that the channel may see, and no word of the others."""
    after, fields = excerpt.event.after, excerpt.grant.fields
    seen = {name: _value(name, getattr(after, name)) for name in APPOINTMENT_FIELDS if name in fields}
    _add_names(seen, directory)
    return {_camel(name): value for name, value in seen.items()} | {
        _camel(name): texts.get(name) for name in TEXT_FIELDS if name in fields
    }


def _add_names(seen: Mapping[str, object], directory: Directory) -> None:
    """Puts the names that are known beside the ids, as far as there is room."""
    left = NAMES_LIMIT
    for field, kind in _NAMED.items():
        value = seen.get(field)
        for reference in value if isinstance(value, list) else [value] if isinstance(value, dict) else ():
            name = directory.name_of(kind, reference["id"])
            left -= len(json.encode(name)) if name else 0
            if name and left >= 0:
                reference["name"] = name


def _fitting(texts: Texts) -> tuple[Texts, list[str]]:
    """Returns the texts that there is room for, the shortest first, and the names of the others."""
    left = TEXTS_LIMIT
    fitting: dict[str, object] = {}
    for size, name in sorted((len(json.encode(text)), name) for name, text in texts.items()):
        left -= size
        if left >= 0:
            fitting[name] = texts[name]
    return fitting, [name for name in TEXT_FIELDS if name in texts and name not in fitting]


def _change(change: FieldChange) -> dict[str, object]:
    field: dict[str, object] = {"field": _camel(change.field)}
    if change.is_bare:
        return field
    return field | {"before": _value("", change.before), "after": _value("", change.after)}


def _value(name: str, value: object) -> object:
    if isinstance(value, datetime):
        return say_instant(value)
    if isinstance(value, tuple):
        return [{"id": one} for one in value] if name else list(value)
    return {"id": value} if name in _REFERENCES and value is not None else value


@cache
def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def say_instant(moment: datetime) -> str:
    """Returns the time as the API writes it, to the millisecond and with a Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
