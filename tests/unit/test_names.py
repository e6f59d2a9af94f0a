"""Messages say what people call things, by the clock of the office, and ids where nobody knows better."""

from zoneinfo import ZoneInfo

import pytest

from notifier.core.directory import Directory, Entry
from notifier.core.escape import Target
from notifier.core.event import Event
from notifier.core.message import Message, Renderer
from notifier.core.readers import Readers
from tests.builders import NOW, appointment, event, rule, seen

BRUSSELS = ZoneInfo("Europe/Brussels")
BOOK = Directory(
    {
        ("office", "12"): Entry("Centre"),
        ("office", "40"): Entry("London", ZoneInfo("Europe/London")),
        ("subject", "51"): Entry("Mortgage"),
        ("employee", "301"): Entry("Jan Peeters"),
        ("employee", "302"): Entry("<b>Ana</b>"),
    }
)


def told(about: Event, *fields: str, target: Target = Target.TEXT, **changes: str) -> Message:
    return Renderer(Readers(BRUSSELS, BOOK), target).render(seen(about, *fields), rule(**changes), NOW)


def test_names_stand_in_place_of_ids() -> None:
    """In title and body, and the id where there is no name."""
    about = event(appointment(office="12", subject="51", employee="301", other_employees=("303",), customer="201"))
    message = told(about)
    assert message.title.endswith(", Centre")
    assert "Where: Centre" in message.body
    assert "Who: Jan Peeters, employee 303 with customer 201" in message.body
    assert "Subject: Mortgage" in message.body
    unknown = told(event(appointment(office="13", subject="52", employee="309", customer="201")))
    assert unknown.title.endswith(", office 13")
    assert "Who: employee 309 with customer 201" in unknown.body
    assert "Subject: 52" in unknown.body


def test_a_change_tells_both_names() -> None:
    """Of whoever had it before, and has it now."""
    about = event(appointment(employee="301", office="12"), employee="302", office="13")
    body = told(about).body
    assert "Employee: Jan Peeters → <b>Ana</b>" in body
    assert "Office: Centre → 13" in body
    assert "<b>Ana" not in told(about, target=Target.HTML).body


def test_templates_have_names() -> None:
    """Each falls back to the id, and to none."""
    about = event(appointment(office="12", subject="52", employee=None))
    text = "{{ names.office }}|{{ names.subject }}|{{ names.employee }}|{{ office }}"
    assert told(about, body=text).body == "Centre|52|none|Centre"


@pytest.mark.parametrize("field", ["office", "subject", "employee"])
def test_what_is_hidden_has_no_name(field: str) -> None:
    """Neither the name nor the id reaches a channel that may not see the field."""
    about = event(appointment(office="12", subject="51", employee="301"))
    others = {"office", "subject", "employee"} - {field}
    body = told(about, *others).body + told(about, *others).title
    assert {"office": "Centre", "subject": "Mortgage", "employee": "Jan"}[field] not in body
    assert told(about, *others, body=f"x{{{{ names.{field} or '' }}}}").body == "x"


def test_an_office_has_its_clock() -> None:
    """Its times are told in its zone, which is said where it is another one than usual."""
    start = appointment().start
    assert start is not None
    here, there = told(event(appointment(office="12"))), told(event(appointment(office="40")))
    assert f"{start.astimezone(BRUSSELS):%H:%M}" in here.title
    assert f"{start.astimezone(ZoneInfo('Europe/London')):%H:%M}" in there.title
    assert "Europe/London" in there.title
    assert "Europe/London" in there.body
    assert "Europe/" not in here.title
    hidden = told(event(appointment(office="40")), "start")
    assert "London" not in hidden.title + hidden.body
