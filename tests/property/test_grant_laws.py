"""The laws of grants: what a channel may not see is in no message and in no document, whichever way it is asked for."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import structs

from notifier.catalogue import language_of
from notifier.core.appointment import APPOINTMENT_FIELDS, STATUSES, TEXT_FIELDS, Appointment
from notifier.core.change import TIMED, FieldChange, Kind, compare, kinds_of
from notifier.core.document import document
from notifier.core.escape import Target
from notifier.core.event import Event, Firing
from notifier.core.facts import MADE_OF, facts
from notifier.core.grant import ALWAYS, Grant, grant_of, mask
from notifier.core.message import Message, Renderer
from notifier.core.readable import readable
from notifier.core.readers import Readers
from notifier.core.template import TemplateFailed
from notifier.core.template_check import hidden_uses
from notifier.core.watch import Resident, begin_of
from notifier.core.watch import event_of as watched_event
from tests.builders import DAY, HOUR, NOW, rule, watch

VALUES = APPOINTMENT_FIELDS + TEXT_FIELDS
ZONE = ZoneInfo("Asia/Kathmandu")
RENDERERS = tuple(Renderer(Readers(ZONE), target) for target in Target)
GERMAN = Renderer(Readers(ZONE, language=language_of("de")), Target.TEXT)
LISTS = ("other_employees", "other_customers")
TIMES = ("start", "end", "created_at", "updated_at")
HIDEABLE = tuple(name for name in APPOINTMENT_FIELDS if name not in ALWAYS)

VARIABLES = (
    *(f"{state}.{name}" for state in ("appointment", "before") for name in APPOINTMENT_FIELDS),
    *(f"appointment.{name}" for name in TEXT_FIELDS),
    *(
        "event.headline",
        "event.lead_time",
        "event.occurred_at",
        "when",
        "times",
        "moved",
        "until",
        "where",
        "who",
        "by",
    ),
)
ROUNDABOUT = (
    "{% for change in changes %}{{ change.text }} {{ change.before }} {{ change.after }}\n{% endfor %}",
    "{% for name, value in appointment|items %}{{ name }}={{ value }}\n{% endfor %}",
    "{% for name, value in before|items %}{{ name }}={{ value }}\n{% endfor %}",
    "{% set all = appointment %}{{ all.start }} {{ all['office'] }} {{ all.answers }}",
    "{% if appointment.office == before.office %}same{% else %}other{% endif %}",
    "{% if appointment.start and before.start and appointment.start > before.start %}later{% endif %}",
)
TEMPLATES = st.lists(st.sampled_from([*(f"{{{{ {name} }}}}" for name in VARIABLES), *ROUNDABOUT]), max_size=8).map(
    "\n".join
)
GRANTS = st.none() | st.lists(st.sampled_from(APPOINTMENT_FIELDS + TEXT_FIELDS), max_size=12)


def mark_of(name: str) -> str:
    """Returns what occurs in the values of a field and nowhere else."""
    return f"mark{VALUES.index(name):02}x"


def marked(name: str, tag: int) -> Any:
    """Returns a value for a field that occurs nowhere else."""
    mark = f"{mark_of(name)}{tag}"
    if name in LISTS:
        return (mark, f"{mark}-too")
    if name in TIMES:
        return datetime(2100 + 20 * tag + TIMES.index(name), 5, 6, 7, 8, 9, tzinfo=UTC)
    return {"hybrid": bool(tag % 2), "trailing_buffer_time": 7_000_000 + tag}.get(name, mark)


def text(name: str, tag: int) -> Any:
    """Returns a text in the shape that the source has it in."""
    mark = f"{mark_of(name)}{tag}"
    match name:
        case "answers":
            return [{"value": mark, "question": {"id": mark}}, mark]
        case "location":
            return {"formattedAddress": mark, "city": {"language": "en", "value": mark}}
        case "metadata":
            return {mark: {"inner": mark}}
        case "video_links":
            return [mark]
    return mark


@st.composite
def appointments(draw: st.DrawFn, tag: int) -> Appointment:
    """Gives appointments that have a marked value, or none, in each field."""
    values = {name: marked(name, tag) for name in HIDEABLE if draw(st.booleans())}
    return Appointment(
        id="1701",
        status=draw(st.sampled_from(STATUSES)),
        updated_at=NOW,
        fingerprints=tuple((name, f"fingerprint-marker-{tag}") for name in TEXT_FIELDS),
        **values,
    )


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Gives events of every kind, in which any field may have changed."""
    after = draw(appointments(2))
    first = draw(st.sampled_from([None, Kind.CREATED, Kind.DISCOVERED, Kind.VANISHED]))
    if first is None or draw(st.booleans()):
        before = draw(appointments(1))
        kept = draw(st.sets(st.sampled_from(HIDEABLE)))
        before = structs.replace(before, **{name: getattr(after, name) for name in kept})
        changes = compare(before, after)
        kinds = kinds_of(changes)
        assume(kinds)
        return event_of(kinds, changes, before, after)
    if first is Kind.VANISHED:
        return event_of((first,), (), after, after)
    reached = (FieldChange("status", None, after.status),)
    return (
        event_of((first,), (), None, after)
        if first is Kind.CREATED
        else event_of((Kind.STATUS_CHANGED, first), reached, None, after)
    )


def event_of(
    kinds: tuple[Kind, ...], changes: tuple[FieldChange, ...], before: Appointment | None, after: Appointment
) -> Event:
    return Event(
        id="e" * 20,
        source="acme",
        sweep="near",
        kinds=kinds,
        changes=changes,
        before=before,
        after=after,
        detected_at=NOW,
    )


TEXTS: Mapping[str, Any] = {name: text(name, 3) for name in TEXT_FIELDS}


def told(about: Event, grant: Grant, template: str, texts: Mapping[str, Any]) -> list[object]:
    """Returns everything that a channel could get: the messages for each target, by this and the default template."""
    excerpt = mask(about, grant, texts)
    ways = (rule(title="x", body=template), rule())
    return [rendered(each, excerpt, way) for each in (*RENDERERS, GERMAN) for way in ways] + [document(excerpt, "any")]


def rendered(renderer: Renderer, excerpt: Any, way: Any) -> Message | str:
    try:
        return renderer.render(excerpt, way, NOW)
    except TemplateFailed as failure:
        return str(failure)


def written(value: object) -> str:
    return orjson.dumps(value, default=str).decode()


@given(events(), GRANTS, TEMPLATES)
def test_no_hidden_value_is_told(about: Event, fields: list[str] | None, template: str) -> None:
    """Not by a template, a derived variable, a default text, a change or the document."""
    grant = grant_of(fields)
    said = written(told(about, grant, template, TEXTS))
    for name in (*HIDEABLE, *TEXT_FIELDS):
        if name not in grant.fields:
            assert mark_of(name) not in said.replace("\u200b", "")
    for number, name in enumerate(TIMES):
        if name not in grant.fields:
            assert not any(str(2100 + 20 * tag + number) in said for tag in (1, 2))
    assert "fingerprint-marker" not in said


@given(events(), GRANTS, TEMPLATES, st.data())
def test_what_is_told_does_not_depend_on_what_is_hidden(
    about: Event, fields: list[str] | None, template: str, data: st.DataObject
) -> None:
    """With any other values in the hidden fields, the channel gets the same to the letter."""
    grant = grant_of(fields)
    hidden = [name for name in HIDEABLE if name not in grant.fields]
    other = structs.replace(
        about.after, **{name: marked(name, 4) for name in hidden if data.draw(st.booleans())}, fingerprints=()
    )
    before = about.before and structs.replace(about.before, **{name: marked(name, 5) for name in hidden})
    changes = tuple(
        FieldChange(change.field, marked(change.field, 5), marked(change.field, 4))
        if change.field in hidden
        else change
        for change in about.changes
    )
    twin = event_of(about.kinds, changes, before, other)
    texts = {name: text(name, 3 if name in grant.fields else 6) for name in TEXT_FIELDS}
    assert told(about, grant, template, TEXTS) == told(twin, grant, template, texts)


@given(appointments(2), st.sampled_from(sorted(TIMED)), GRANTS, st.integers(-9, 9), st.integers(-9, 9))
def test_what_is_told_of_a_stay_does_not_depend_on_what_is_hidden(
    state: Appointment, kind: Kind, fields: list[str] | None, start: int, end: int
) -> None:
    """Nor do the times at which it began and was due, where they are made of a hidden start or end."""
    grant = grant_of(fields)
    now = structs.replace(state, start=NOW, end=NOW)
    hidden = {"start": NOW + start * HOUR, "end": NOW + end * HOUR}
    other = structs.replace(now, **{name: value for name, value in hidden.items() if name not in grant.fields})
    about, twin = stay_of(kind, now), stay_of(kind, other)
    template = "{{ stay.for }} {{ stay.since }} {{ event.occurred_at }} {{ event.lead_time }}"
    assert told(about, grant, template, {}) == told(replace(twin, id=about.id), grant, template, {})


def stay_of(kind: Kind, state: Appointment) -> Event:
    """Returns what the clock makes of an appointment that has its status since long."""
    asked = watch(kind=kind, span=HOUR)
    long = NOW - 9 * DAY
    resident = Resident(appointment=state, since=long, silent_at=None, observed_at=long, asked_at=None)
    begin = begin_of(asked, resident)
    assert begin is not None
    return watched_event("acme", asked, state, Firing("any", begin, begin + asked.wait, 0), NOW)


@given(events(), GRANTS)
def test_what_is_granted_is_told(about: Event, fields: list[str] | None) -> None:
    """The document has every field of the grant and no other, with values and texts as they came."""
    grant = grant_of(fields)
    excerpt = mask(about, grant, TEXTS)
    appointment: Any = document(excerpt, "any")
    appointment = appointment["data"]["appointment"]
    names = {name: name.split("_")[0] + "".join(part.capitalize() for part in name.split("_")[1:]) for name in VALUES}
    assert appointment.keys() == {names[name] for name in grant.fields}
    for name in grant.fields & set(TEXT_FIELDS):
        assert appointment[names[name]] == TEXTS[name]
    for name in grant.fields & set(APPOINTMENT_FIELDS):
        assert getattr(excerpt.event.after, name) == getattr(about.after, name)
    said = facts(excerpt, "any", "", Readers(ZONE), NOW)["appointment"]
    assert isinstance(said, dict)
    assert {name: said[name] for name in TEXT_FIELDS} == {
        name: readable(name, TEXTS[name]) if name in grant.fields else None for name in TEXT_FIELDS
    }


@given(GRANTS, st.sampled_from(VARIABLES))
def test_a_template_that_passes_the_check_says_something(fields: list[str] | None, name: str) -> None:
    """A variable of which a channel sees nothing fails the check, and any other one does not."""
    grant = grant_of(fields)
    made_of = MADE_OF.get(name, (name.partition(".")[2],))
    seen = name in {"event.headline", "event.occurred_at"} or bool(grant.fields & set(made_of))
    assert hidden_uses(f"x\n{{{{ {name} }}}}", grant) == ([] if seen else [(2, name)])


@given(
    st.sampled_from(TEXT_FIELDS),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(["value", "id"]), inner)
        ),
    ),
)
def test_any_text_can_be_read(name: str, raw: Any) -> None:
    """Whatever the source has in place of the documented shape: text, or lines of it, and never too much."""
    said = readable(name, raw)
    lines = said if isinstance(said, list) else [said or ""]
    assert all(isinstance(line, str) for line in lines)
    assert sum(map(len, lines)) <= 3000
    assert said is None or all(line.strip() for line in lines)


def test_the_marks_are_told_where_nothing_is_hidden() -> None:
    """Else the laws above would hold of anything."""
    before = Appointment(id="1", status="ACCEPTED", updated_at=NOW, **{name: marked(name, 1) for name in HIDEABLE})
    after = structs.replace(before, updated_at=NOW + timedelta(minutes=1), **{n: marked(n, 2) for n in HIDEABLE})
    about = event_of(kinds_of(compare(before, after)), compare(before, after), before, after)
    everything = "\n".join(f"{{{{ {name} }}}}" for name in VARIABLES)
    said = written(told(about, grant_of(APPOINTMENT_FIELDS + TEXT_FIELDS), everything, TEXTS))
    assert all(mark_of(name) in said for name in (*HIDEABLE, *TEXT_FIELDS) if isinstance(marked(name, 1), str))
    assert all(str(2100 + 20 * 2 + number) in said for number in (0, 1, 2))
