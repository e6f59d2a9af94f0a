"""What a template may say about an event: names and texts, in the readers' language, every time by their clock."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import structs

from notifier.core.appointment import APPOINTMENT_FIELDS, TEXT_FIELDS, Appointment
from notifier.core.change import FieldChange, Kind
from notifier.core.directory import KINDS
from notifier.core.event import Event
from notifier.core.grant import USUAL, Excerpt, Grant, Texts
from notifier.core.headline import headline
from notifier.core.language import Language
from notifier.core.readable import readable
from notifier.core.readers import Readers

_TIME_FIELDS = ("start", "end", "created_at", "updated_at")
_LIST_FIELDS = frozenset({"other_employees", "other_customers"})

_WORDED_FIELDS = frozenset({"status", "meeting_type"})


def say_move(before: Appointment | None, after: Appointment, readers: Readers) -> str:
    """Returns the former and the new time, a day that they share only once; empty where there was no other time."""
    if before is None or before.start is None or (before.start, before.end) == (after.start, after.end):
        return ""
    zone, language = readers.zone, readers.language
    old, new = (language.say_times(one.start, one.end, zone) for one in (before, after))
    if after.start is not None and before.start.astimezone(zone).date() == after.start.astimezone(zone).date():
        new = f"{language.say_time(after.start, zone)}{new.removeprefix(language.say_moment(after.start, zone))}"
    return f"{old} → {new}"


def say_where(appointment: Appointment, readers: Readers, grant: Grant = USUAL) -> str:
    """Returns the place, as in `office 12, by video`; that it is at the office goes without saying.

    Empty where nothing of it may be told.
    """
    language = readers.language
    meeting, room, office = appointment.meeting_type, appointment.meeting_room, appointment.office
    parts = [say_office(office, readers)] if office else []
    if meeting and (meeting != "OFFICE" or not office):
        parts.append(language.word(meeting))
    if room:
        parts.append(language.say("phrase.room", id=room))
    missing = language.phrases["phrase.no_place"] if grant.covers(*_PLACE) else ""
    return ", ".join(parts) or missing


def say_office(office: str, readers: Readers) -> str:
    """Returns what people call an office, or `office 12`."""
    return readers.name_of("office", office) or readers.language.say("phrase.office", id=office)


def say_who(appointment: Appointment, readers: Readers, grant: Grant = USUAL) -> str:
    """Returns who takes part, as in `employee 301 with customers 201, 202`; empty where nobody may be told."""
    language = readers.language
    staff = _people("employee", appointment.employee, appointment.other_employees, readers)
    guests = _people("customer", appointment.customer, appointment.other_customers, readers)
    if staff and guests:
        return language.say("phrase.with", staff=staff, guests=guests)
    hidden = [*([] if guests else ["customer"]), *([] if staff else ["employee"])]
    lacking = [language.phrases[f"phrase.no_{one}"] for one in hidden if grant.covers(one, f"other_{one}s")]
    return ", ".join(part for part in (staff, guests, *lacking) if part)


_TIMES = ("start",)
_PLACE = ("office", "meeting_type", "meeting_room")
_PEOPLE = ("employee", "other_employees", "customer", "other_customers")
_AUTHOR = ("updated_by", "updated_by_type", "created_by", "created_by_type")

MADE_OF: Mapping[str, tuple[str, ...]] = {
    "event.lead_time": _TIMES,
    "when": _TIMES,
    "times": _TIMES,
    "moved": _TIMES,
    "until": _TIMES,
    "where": _PLACE,
    "office": ("office",),
    **{f"names.{kind}": (kind,) for kind in KINDS},
    "who": _PEOPLE,
    "by": _AUTHOR,
    "by_author": _AUTHOR,
}
"""Of which fields a variable is made that is no field itself: it says what it can of those that may be told."""


def facts(excerpt: Excerpt, rule: str, description: str, readers: Readers, now: datetime) -> Mapping[str, object]:
    """Returns the variables of a template; the shape is the same for every event (see `docs/templates.md`)."""
    event, grant = excerpt.event, excerpt.grant
    after = event.after
    here = readers.at(after.office)
    language, zone, author = here.language, here.zone, _author(event, here)
    return {
        "event": {
            "id": event.id,
            "kind": event.kinds[0].value,
            "kinds": [kind.value for kind in event.kinds],
            "headline": headline(event, language),
            "source": event.source,
            "sweep": event.sweep,
            "occurred_at": event.occurred_at.isoformat(),
            "detected_at": event.detected_at.isoformat(),
            "lead_time": "" if event.lead_time is None else language.say_lead(event.lead_time),
        },
        "stay": _stay(event, language),
        "rule": {"name": rule, "description": description},
        "appointment": _state(after) | {name: _text(name, excerpt.texts, language) for name in TEXT_FIELDS},
        "before": _state(event.before),
        "changes": [_change(change, here) for change in event.changes],
        "names": {kind: _name(kind, getattr(after, kind), here) for kind in KINDS},
        # That there is no time is told only to those who would be told the time.
        "when": language.say_span(after.start, after.end, zone) if grant.covers("start") else "",
        "times": language.say_times(after.start, after.end, zone) if grant.covers("start") else "",
        "moved": say_move(event.before, after, here),
        "until": language.say_until(after.start, now),
        "where": say_where(after, here, grant),
        "office": say_office(after.office, here) if after.office else "",
        "who": say_who(after, here, grant),
        "by": author,
        "by_author": language.say("phrase.by", author=author) if author else "",
        "zone": zone.key,
        "other_zone": "" if zone == readers.zone else zone.key,
        "language": language.code,
        "labels": language.labels,
    }


def _stay(event: Event, language: Language) -> dict[str, object]:
    """Returns what a template may say of a stay; of a change, nothing in the same shape."""
    firing, lasted = event.firing, event.lasted
    return {
        "for": "" if lasted is None else language.say_duration(lasted, declined=True),
        "since": None if firing is None or firing.began_at is None else firing.began_at.isoformat(),
        "number": 0 if firing is None else firing.number,
        "escalation": firing is not None and firing.escalation,
    }


def _text(name: str, texts: Texts, language: Language) -> object:
    return readable(name, texts[name], language) if name in texts else None


def _state(appointment: Appointment | None) -> dict[str, object]:
    """Returns the fields as a template sees them; of an unknown state, lists are empty and the rest is None."""
    if appointment is None:
        return {name: [] if name in _LIST_FIELDS else None for name in APPOINTMENT_FIELDS}
    # In one go: each message has two of these, and most templates look at a few fields.
    state = structs.asdict(appointment)
    del state["fingerprints"]
    for name in _TIME_FIELDS:
        state[name] = None if state[name] is None else state[name].isoformat()
    for name in _LIST_FIELDS:
        state[name] = list(state[name])
    return state


def _people(role: str, first: str | None, others: tuple[str, ...], readers: Readers) -> str:
    """Returns the names of those who have one, and then the ids of the others."""
    everybody = [*([first] if first else []), *others]
    names = [name for one in everybody if (name := readers.name_of(role, one))]
    ids = [one for one in everybody if not readers.name_of(role, one)]
    counted = readers.language.say(f"phrase.{role}{'s' if len(ids) > 1 else ''}", ids=", ".join(ids))
    return ", ".join([*names, *([counted] if ids else [])])


def _name(kind: str, id_: str | None, readers: Readers) -> str | None:
    """Returns what people call it, else its id; None for none."""
    return None if id_ is None else readers.called(kind, id_)


def _author(event: Event, readers: Readers) -> str:
    """Returns who made the change, as in `customer 201`; empty where the source does not say."""
    after = event.after
    new = Kind.CREATED in event.kinds
    role, person = (after.created_by_type, after.created_by) if new else (after.updated_by_type, after.updated_by)
    if role == "EMPLOYEE" and person and (name := readers.name_of("employee", person)):
        return name
    user = readers.language.phrases["phrase.user"] if person else ""
    return " ".join(part for part in (readers.language.word(role) if role else user, person) if part)


def _change(change: FieldChange, readers: Readers) -> dict[str, object]:
    language = readers.language
    before = "" if change.is_bare else _show(change, change.before, readers)
    after = language.phrases["phrase.bare"] if change.is_bare else _show(change, change.after, readers)
    label = language.label(change.field)
    return {
        "field": change.field,
        "label": label,
        "before": before,
        "after": after,
        "text": language.say("phrase.labelled", label=label, text=_step(change, before, after, language)),
    }


def _step(change: FieldChange, before: str, after: str, language: Language) -> str:
    if change.field == "status" and change.before is None:
        return language.say("phrase.first_seen", status=after)
    return f"{before} → {after}" if before else after


_KIND_OF = {**{kind: kind for kind in KINDS}, "other_employees": "employee"}
"""Of which fields the values are in the directory, and as what."""


def _show(change: FieldChange, value: object, readers: Readers) -> str:
    kind, language = _KIND_OF.get(change.field, ""), readers.language
    match value:
        case None:
            return language.phrases["phrase.unknown" if change.field == "status" else "phrase.no_value"]
        case bool():
            return language.phrases["phrase.yes" if value else "phrase.no"]
        case datetime():
            return language.say_moment(value, readers.zone)
        case tuple():
            return ", ".join(readers.called(kind, one) for one in value) or language.phrases["phrase.no_value"]
        case str() if kind:
            return readers.called(kind, value)
    return language.word(str(value)) if change.field in _WORDED_FIELDS else str(value)
