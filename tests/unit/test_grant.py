"""What a grant lets through, and how messages read where something is hidden."""

from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from notifier.core.appointment import APPOINTMENT_FIELDS, TEXT_FIELDS
from notifier.core.document import TEXTS_LIMIT, document
from notifier.core.escape import Target
from notifier.core.event import Event
from notifier.core.grant import ALL, ALWAYS, USUAL, grant_of, mask
from notifier.core.message import Message, Renderer
from notifier.core.readers import Readers
from notifier.core.template_check import hidden_uses
from tests.builders import DAY, START, appointment, created, event, rule, seen, step, undated

BRUSSELS = ZoneInfo("Europe/Brussels")
NOTED = event(fingerprints=(("internal_notes", "7f1c"),))


def message(about: Event, *fields: str, template: str | None = None, **texts: Any) -> Message:
    """Returns the message for a channel that sees these fields."""
    return Renderer(Readers(BRUSSELS), Target.TEXT).render(
        seen(about, *fields, **texts), rule(body=template), about.detected_at
    )


def test_a_channel_that_names_nothing_sees_all_but_personal_text() -> None:
    """Ids, states and times."""
    assert grant_of(None) == USUAL
    assert set(APPOINTMENT_FIELDS) == USUAL.fields
    assert not USUAL.personal


def test_a_channel_that_names_fields_sees_those_and_what_all_see() -> None:
    """Without id, status and the time of the change no message would make sense."""
    assert grant_of(["start"]).fields == {"start", "id", "status", "updated_at"}
    assert grant_of(["answers", "start"]).personal == {"answers"}
    assert grant_of([]).fields == ALWAYS
    assert ALL.personal == set(TEXT_FIELDS)


def test_a_mask_hides_before_and_after() -> None:
    """What is hidden has no value on either side, and of its change the name is left."""
    before = appointment(other_customers=("202",))
    masked = mask(step(before, appointment(start=START + DAY, office="13", status="CANCELLED")), grant_of(["start"]))
    assert masked.event.before is not None
    assert (masked.event.before.office, masked.event.after.office) == (None, None)
    assert (masked.event.before.other_customers, masked.event.after.customer) == ((), None)
    assert (masked.event.before.start, masked.event.after.start) == (START, START + DAY)
    told = {change.field: (change.before, change.after) for change in masked.event.changes}
    assert told == {
        "status": ("ACCEPTED", "CANCELLED"),
        "start": (START, START + DAY),
        "office": (None, None),
        "other_customers": (None, None),
    }
    assert (masked.event.id, masked.event.kinds) == (masked.event.id, masked.event.kinds)


def test_a_mask_lets_through_only_the_texts_of_the_grant() -> None:
    """And shows none of them where it is printed itself."""
    texts = {"internal_notes": "Call first", "answers": ["secret"]}
    masked = mask(NOTED, grant_of(["internal_notes"]), texts)
    assert masked.texts == {"internal_notes": "Call first"}
    assert masked.event.after.fingerprints == ()
    assert "Call first" not in repr(masked)
    assert not mask(NOTED, USUAL, texts).texts


def test_the_default_message_for_a_channel_that_sees_the_least() -> None:
    """It tells what it may, and does not say that there is none of what is hidden."""
    told = message(event(), "id")
    assert told.title == "Cancelled"
    assert told.body == "Status: confirmed → cancelled\nChanged: Tue 24 Nov 2026, 07:59\nAppointment: 1701"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (("start",), "When: Tue 24 Nov 2026, 10:00 Europe/Brussels (in 2 h)"),
        (("start", "end"), "When: Tue 24 Nov 2026, 10:00–11:00 Europe/Brussels (in 2 h)"),
        (("office",), "Where: office 12"),
        (("meeting_type",), "Where: at the office"),
        (("employee",), "Who: employee 301"),
        (("customer", "other_customers"), "Who: customer 201"),
        (("customer", "employee"), "Who: employee 301 with customer 201"),
        (("subject",), "Subject: 51"),
        (("updated_by", "updated_by_type"), "Changed: Tue 24 Nov 2026, 07:59 by employee 301"),
        (("updated_by_type",), "Changed: Tue 24 Nov 2026, 07:59 by employee"),
    ],
)
def test_the_default_message_tells_what_it_may(fields: tuple[str, ...], said: str) -> None:
    """Each line is made of what is left, and is not there where nothing is."""
    usual = message(event(), "id").body.splitlines()
    (line,) = set(message(event(), *fields).body.splitlines()) - set(usual)
    assert line == said


def test_that_something_is_missing_is_told_only_where_it_could_be_seen() -> None:
    """Else "no time set" would be a lie, or a leak."""
    nobody = created(undated(customer=None, employee=None, office=None, meeting_type=None))
    variables = "{{ times }}|{{ who }}|{{ where }}|{{ by }}"
    people = ("customer", "other_customers", "employee", "other_employees")
    assert message(nobody, template=variables).body == "no time set|no customer, no employee yet|no place set|"
    assert message(nobody, "subject", template=variables).body == "|||"
    assert message(nobody, *people, template=variables).body == "|no customer, no employee yet||"
    assert message(nobody, *people[:2], template=variables).body == "|no customer||"


@pytest.mark.parametrize(
    ("about", "fields", "said"),
    [
        (event(start=START + DAY, end=START + DAY), ("id",), "Rescheduled"),
        (event(start=START + DAY, end=START + DAY), ("end",), "Rescheduled"),
        (step(undated(), appointment()), ("id",), "Confirmed and rescheduled"),
        (event(end=START + DAY), ("id",), "Duration changed"),
        (event(meeting_type="VIDEO"), ("id",), "Meeting type changed"),
        (event(meeting_type="VIDEO"), ("meeting_type",), "Now by video"),
        (event(office="13"), ("id",), "Relocated"),
        (event(employee="302"), ("id",), "Reassigned"),
    ],
)
def test_the_headline_is_true_of_what_is_hidden(about: Event, fields: tuple[str, ...], said: str) -> None:
    """That it changed is told, how is not."""
    assert message(about, *fields, template="{{ event.headline }}").body == said


def test_a_hidden_change_is_told_like_that_of_a_text() -> None:
    """By its name."""
    said = "{% for change in changes %}{{ change.text }};{% endfor %}"
    assert (
        message(event(office="13", subject="52"), "subject", template=said).body == "Office: changed;Subject: 51 → 52;"
    )


def test_a_text_that_is_granted_is_a_variable() -> None:
    """Where it is known; where not, it counts as missing."""
    template = "{% if appointment.internal_notes %}Notes: {{ appointment.internal_notes }}{% else %}-{% endif %}"
    assert message(NOTED, "internal_notes", template=template, internal_notes="Call\nfirst").body == "Notes: Call first"
    assert message(NOTED, "internal_notes", template=template).body == "-"
    assert message(NOTED, "answers", template=template, internal_notes="Call first").body == "-"


def test_answers_are_lines() -> None:
    """A template goes through them, also where there are none."""
    template = "{% for line in appointment.answers %}{{ line }};\n{% endfor %}."
    answers = [{"question": {"id": "8"}, "value": "Two\nlines"}, {"question": {"id": "9"}, "value": "*bold*"}]
    assert message(event(), "answers", template=template, answers=answers).body == (
        "question 8: Two lines;\nquestion 9: *bold*;\n."
    )
    assert message(event(), "answers", template=template).body == "."
    assert message(event(), "start", template=template).body == "."


def test_the_document_has_the_fields_of_the_grant_alone() -> None:
    """A field that is hidden is not null: null says that there is none."""
    told: Any = document(seen(event(office="13"), "start", "internal_notes"), "any")
    assert told["data"]["appointment"] == {
        "id": "1701",
        "status": "ACCEPTED",
        "updatedAt": "2026-11-24T06:59:00.000Z",
        "start": "2026-11-24T09:00:00.000Z",
        "internalNotes": None,
    }
    assert told["data"]["changes"] == [{"field": "office"}]


def test_the_document_has_texts_in_the_shape_of_the_source() -> None:
    """Under the names of the API."""
    answers, links = [{"id": "1", "value": {"any": ["shape"]}}], ["https://video.example.com/1"]
    told: Any = document(seen(event(), "answers", "video_links", answers=answers, video_links=links), "any")
    assert told["data"]["appointment"]["answers"] == answers
    assert told["data"]["appointment"]["videoLinks"] == links
    assert "omitted" not in told["data"]


def test_a_document_stays_small() -> None:
    """Texts for which there is no room are null, and named; the shorter ones go first."""
    long = "x" * (TEXTS_LIMIT - 100)
    texts = {"internal_notes": long, "answers": ["y" * 200], "metadata": {"a": "b"}}
    told: Any = document(seen(event(), *USUAL.fields, *texts, **texts), "any")
    assert told["data"]["appointment"]["internalNotes"] is None
    assert told["data"]["appointment"]["answers"] == texts["answers"]
    assert told["data"]["appointment"]["metadata"] == texts["metadata"]
    assert told["data"]["omitted"] == ["internalNotes"]
    full: Any = document(seen(event(), *ALL.fields, internal_notes=long), "any")
    assert len(orjson.dumps(full)) < 20_000


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{{ appointment.office }}", [(1, "appointment.office")]),
        (
            "\n{{ before . office }}\n{{ appointment.subject|upper }}",
            [(2, "before.office"), (3, "appointment.subject")],
        ),
        (
            "{{ appointment['office'] }}{{ appointment[ \"end\" ] }}",
            [(1, "appointment.end"), (1, "appointment.office")],
        ),
        ("{{ appointment.answers[0] }}", [(1, "appointment.answers")]),
        ("{{ when }}{{ until }}{{ event.lead_time }}{{ times }}{{ moved }}", []),
        ("{{ who }}", []),
        ("{{ where }}", [(1, "where")]),
        ("{{ by }}", [(1, "by")]),
        ("{{ appointment.id }}{{ appointment.status }}{{ appointment.updated_at }}{{ event.headline }}", []),
        ("{% for one in changes %}{{ one.before }}{% endfor %}{{ rule.name }}{{ zone }}", []),
    ],
)
def test_what_a_template_would_say_in_vain(template: str, found: list[tuple[int, str]]) -> None:
    """Every variable of which such a channel would see nothing, with its line."""
    assert hidden_uses(template, grant_of(["start", "customer"])) == found
