"""What a template may say about an event: names and texts, every time already in the reader's zone."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from notifier.core.appointment import APPOINTMENT_FIELDS, TEXT_FIELDS, Appointment
from notifier.core.change import FieldChange, Kind, kinds_of
from notifier.core.directory import KINDS, NO_DIRECTORY, Directory
from notifier.core.duration import say_duration, say_lead
from notifier.core.event import Event
from notifier.core.grant import USUAL, Excerpt, Grant, Texts
from notifier.core.lasting import stay_facts, stay_headline
from notifier.core.readable import readable

# Own tables, as strftime writes names in the language of the machine.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_WORDS = {
    "ACCEPTED": "confirmed",
    "ALTERNATIVE_DATE_REQUESTED": "other date requested",
    "CANCELLED": "cancelled",
    "COMPLETED": "completed",
    "INCOMING_REQUEST": "waiting for confirmation",
    "NO_SHOW": "no-show",
    "OUTGOING_INVITE": "invitation sent",
    "OFFICE": "at the office",
    "ON_LOCATION": "at the customer's",
    "PHONE": "by phone",
    "VIDEO": "by video",
    "EMPLOYEE": "employee",
    "CUSTOMER": "customer",
}

_HEADLINES = {
    "ACCEPTED": "Confirmed",
    "ALTERNATIVE_DATE_REQUESTED": "Other date requested",
    "CANCELLED": "Cancelled",
    "COMPLETED": "Completed",
    "INCOMING_REQUEST": "Request",
    "NO_SHOW": "No-show",
    "OUTGOING_INVITE": "Invitation",
}

_HEADLINES_OF_NEW = {
    "ACCEPTED": "New appointment",
    "INCOMING_REQUEST": "New request",
    "OUTGOING_INVITE": "New invitation",
}

_KIND_HEADLINES = {
    Kind.REASSIGNED: "Reassigned",
    Kind.VANISHED: "No longer listed",
}

_LIST_FIELDS = frozenset({"other_employees", "other_customers"})

NO_VALUE = "none"

NO_TIME = "no time set"
"""How the time of an undated appointment is said, as of an invitation that was not answered yet."""

_WORDED_FIELDS = frozenset({"status", "meeting_type"})


def words(value: str) -> str:
    """Returns a status, meeting type or role in plain words; one that is not known stays as it is."""
    return _WORDS.get(value, value)


def say_date(moment: datetime, zone: ZoneInfo) -> str:
    """Returns the local day, as in `Tue 24 Nov 2026`."""
    local = moment.astimezone(zone)
    return f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year}"


def say_time(moment: datetime, zone: ZoneInfo) -> str:
    """Returns the local time of day, as in `09:30`."""
    return f"{moment.astimezone(zone):%H:%M}"


def say_moment(moment: datetime, zone: ZoneInfo) -> str:
    """Returns local day and time, as in `Tue 24 Nov 2026, 09:30`."""
    return f"{say_date(moment, zone)}, {say_time(moment, zone)}"


def say_brief_moment(moment: datetime, zone: ZoneInfo) -> str:
    """Returns local day and time as short as a table wants it, as in `Tue 24 Nov 09:30`."""
    local = moment.astimezone(zone)
    return f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local:%H:%M}"


def say_times(start: datetime | None, end: datetime | None, zone: ZoneInfo) -> str:
    """Returns from when to when, as in `Tue 24 Nov 2026, 10:00–11:00`; the end's day only where it is another one."""
    if start is None:
        return NO_TIME
    text = say_moment(start, zone)
    if end is None:
        return text
    same_day = say_date(start, zone) == say_date(end, zone)
    return f"{text}–{say_time(end, zone)}" if same_day else f"{text} – {say_moment(end, zone)}"


def say_span(start: datetime | None, end: datetime | None, zone: ZoneInfo) -> str:
    """Returns from when to when, with the zone."""
    text = say_times(start, end, zone)
    return text if start is None else f"{text} {zone.key}"


def say_move(before: Appointment | None, after: Appointment, zone: ZoneInfo) -> str:
    """Returns the former and the new time, a day that they share only once; empty where there was no other time."""
    if before is None or before.start is None or (before.start, before.end) == (after.start, after.end):
        return ""
    old, new = (say_times(one.start, one.end, zone) for one in (before, after))
    if after.start is not None:
        new = new.removeprefix(f"{say_date(before.start, zone)}, ")
    return f"{old} → {new}"


def say_until(start: datetime | None, now: datetime) -> str:
    """Returns how far away the start is, as in `in 2 h 5 min`, `35 min ago` or `now`; empty without a start."""
    if start is None:
        return ""
    # Messages go out seconds after the poll; to say "1 h 59 min" for these would look odd.
    minutes = round((start - now) / timedelta(minutes=1))
    if minutes == 0:
        return "now"
    said = say_duration(timedelta(minutes=minutes))
    return f"in {said}" if minutes > 0 else f"{said} ago"


def say_where(appointment: Appointment, grant: Grant = USUAL, directory: Directory = NO_DIRECTORY) -> str:
    """Returns the place, as in `office 12, by video`; that it is at the office goes without saying.

    Empty where nothing of it may be told.
    """
    meeting, room, office = appointment.meeting_type, appointment.meeting_room, appointment.office
    parts = [say_office(office, directory)] if office else []
    if meeting and (meeting != "OFFICE" or not office):
        parts.append(words(meeting))
    if room:
        parts.append(f"room {room}")
    missing = "no place set" if grant.covers(*_PLACE) else ""
    return ", ".join(parts) or missing


def say_office(office: str, directory: Directory = NO_DIRECTORY) -> str:
    """Returns what people call an office, or `office 12`."""
    return directory.name_of("office", office) or f"office {office}"


def say_who(appointment: Appointment, grant: Grant = USUAL, directory: Directory = NO_DIRECTORY) -> str:
    """Returns who takes part, as in `employee 301 with customers 201, 202`; empty where nobody may be told."""
    staff = _people("employee", appointment.employee, appointment.other_employees, directory)
    guests = _people("customer", appointment.customer, appointment.other_customers, directory)
    if staff and guests:
        return f"{staff} with {guests}"
    no_staff = "no employee yet" if not staff and grant.covers("employee", "other_employees") else ""
    no_guests = "no customer" if not guests and grant.covers("customer", "other_customers") else ""
    return ", ".join(part for part in (staff, guests, no_guests, no_staff) if part)


def headline(event: Event) -> str:
    """Returns what happened in a word or two, as a person would call it."""
    if event.firing is not None:
        return stay_headline(event, event.firing, words(event.after.status))
    if Kind.CREATED in event.kinds:
        return _HEADLINES_OF_NEW.get(event.after.status, f"New appointment, {words(event.after.status)}")
    first, *others = [part for kind in event.kinds if (part := _part_of_headline(kind, event))]
    return " and ".join([first, *(part[0].lower() + part[1:] for part in others[:1])])


def _part_of_headline(kind: Kind, event: Event) -> str:
    """Returns what one kind adds to the headline; empty for what goes without saying beside the others."""
    names = [change.field for change in event.changes if kind in kinds_of([change])]
    match kind:
        case Kind.STATUS_CHANGED:
            return _HEADLINES.get(event.after.status, f"Status {event.after.status}")
        case Kind.RESCHEDULED:
            return _time_headline(event)
        case Kind.RELOCATED:
            return _place_headline(names, event.after)
        case Kind.DISCOVERED:
            return "Listed again" if event.before else ""
        case Kind.UPDATED:
            return _update_headline(names) if kind is event.kinds[0] else ""
    return _KIND_HEADLINES[kind]


def _update_headline(names: Sequence[str]) -> str:
    return f"{_label(names[0])} changed" if len(names) == 1 else "Updated"


def _time_headline(event: Event) -> str:
    before, after = event.before, event.after
    if any(change.field == "start" and change.is_bare for change in event.changes):
        return "Rescheduled"
    if before is None or before.start == after.start:
        return "Duration changed"
    if before.start is None:
        return "Time set" if event.kinds[0] is Kind.RESCHEDULED else ""
    return "Moved" if after.start else "Time withdrawn"


def _place_headline(names: Sequence[str], after: Appointment) -> str:
    if "office" not in names and "meeting_type" in names and after.meeting_type:
        return f"Now {words(after.meeting_type)}"
    return f"{_label(names[0])} changed" if len(names) == 1 and names != ["office"] else "Relocated"


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
}
"""Of which fields a variable is made that is no field itself: it says what it can of those that may be told."""


def facts(
    excerpt: Excerpt,
    rule: str,
    description: str,
    zone: ZoneInfo,
    now: datetime,
    directory: Directory = NO_DIRECTORY,
    other_zone: str = "",
) -> Mapping[str, object]:
    """Returns the variables of a template; the shape is the same for every event (see `docs/templates.md`).

    `other_zone` is the name of the zone where that is not the usual one.
    """
    event, grant = excerpt.event, excerpt.grant
    after = event.after
    return {
        "event": {
            "id": event.id,
            "kind": event.kinds[0].value,
            "kinds": [kind.value for kind in event.kinds],
            "headline": headline(event),
            "source": event.source,
            "sweep": event.sweep,
            "occurred_at": event.occurred_at.isoformat(),
            "detected_at": event.detected_at.isoformat(),
            "lead_time": "" if event.lead_time is None else say_lead(event.lead_time),
        },
        "stay": stay_facts(event),
        "rule": {"name": rule, "description": description},
        "appointment": _state(after) | {name: _text(name, excerpt.texts) for name in TEXT_FIELDS},
        "before": _state(event.before),
        "changes": [_change(change, zone, directory) for change in event.changes],
        "names": {kind: _name(kind, getattr(after, kind), directory) for kind in KINDS},
        # That there is no time is told only to those who would be told the time.
        "when": say_span(after.start, after.end, zone) if grant.covers("start") else "",
        "times": say_times(after.start, after.end, zone) if grant.covers("start") else "",
        "moved": say_move(event.before, after, zone),
        "until": say_until(after.start, now),
        "where": say_where(after, grant, directory),
        "office": say_office(after.office, directory) if after.office else "",
        "who": say_who(after, grant, directory),
        "by": _author(event, directory),
        "zone": zone.key,
        "other_zone": other_zone,
    }


def _text(name: str, texts: Texts) -> object:
    return readable(name, texts[name]) if name in texts else None


def _state(appointment: Appointment | None) -> dict[str, object]:
    """Returns the fields as a template sees them; of an unknown state, lists are empty and the rest is None."""
    if appointment is None:
        return {name: [] if name in _LIST_FIELDS else None for name in APPOINTMENT_FIELDS}
    return {name: _plain(getattr(appointment, name)) for name in APPOINTMENT_FIELDS}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _people(role: str, first: str | None, others: tuple[str, ...], directory: Directory) -> str:
    """Returns the names of those who have one, and then the ids of the others."""
    everybody = [*([first] if first else []), *others]
    names = [name for one in everybody if (name := directory.name_of(role, one))]
    ids = [one for one in everybody if not directory.name_of(role, one)]
    counted = f"{role}{'s' if len(ids) > 1 else ''} {', '.join(ids)}"
    return ", ".join([*names, *([counted] if ids else [])])


def _name(kind: str, id_: str | None, directory: Directory) -> str | None:
    """Returns what people call it, else its id; None for none."""
    return None if id_ is None else directory.name_of(kind, id_) or id_


def _author(event: Event, directory: Directory) -> str:
    """Returns who made the change, as in `customer 201`; empty where the source does not say."""
    after = event.after
    new = Kind.CREATED in event.kinds
    role, person = (after.created_by_type, after.created_by) if new else (after.updated_by_type, after.updated_by)
    if role == "EMPLOYEE" and person and (name := directory.name_of("employee", person)):
        return name
    return " ".join(part for part in (words(role or ("user" if person else "")), person) if part)


def _label(field: str) -> str:
    return field.replace("_", " ").capitalize()


def _change(change: FieldChange, zone: ZoneInfo, directory: Directory) -> dict[str, object]:
    before = "" if change.is_bare else _show(change, change.before, zone, directory)
    after = "changed" if change.is_bare else _show(change, change.after, zone, directory)
    return {
        "field": change.field,
        "label": _label(change.field),
        "before": before,
        "after": after,
        "text": f"{_label(change.field)}: {_step(change, before, after)}",
    }


def _step(change: FieldChange, before: str, after: str) -> str:
    if change.field == "status" and change.before is None:
        return f"{after} (seen for the first time)"
    return f"{before} → {after}" if before else after


_KIND_OF = {**{kind: kind for kind in KINDS}, "other_employees": "employee"}
"""Of which fields the values are in the directory, and as what."""


def _show(change: FieldChange, value: object, zone: ZoneInfo, directory: Directory) -> str:
    kind = _KIND_OF.get(change.field, "")
    match value:
        case None:
            return "unknown" if change.field == "status" else NO_VALUE
        case bool():
            return "yes" if value else "no"
        case datetime():
            return say_moment(value, zone)
        case tuple():
            return ", ".join(directory.name_of(kind, one) or one for one in value) or NO_VALUE
        case str() if kind:
            return directory.name_of(kind, value) or value
    return words(str(value)) if change.field in _WORDED_FIELDS else str(value)
