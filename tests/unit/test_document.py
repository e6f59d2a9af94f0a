"""The document that a webhook's receiver relies on, to the letter."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from notifier.core.appointment import TEXT_FIELDS, Appointment
from notifier.core.change import Kind
from notifier.core.directory import Directory, Entry
from notifier.core.document import NAMES_LIMIT, document
from tests.builders import DAY, START, appointment, created, discovered, event, seen, stay, step, undated, watch


def test_the_whole_document() -> None:
    """Every property of a common cancellation, in the order and spelling that is promised."""
    cancelled = event(
        status="CANCELLED",
        other_employees=("302",),
        created_by="201",
        created_by_type="CUSTOMER",
        created_from="PLUGIN",
        hybrid=False,
        trailing_buffer_time=0,
    )
    written = document(seen(cancelled), "late")
    assert written == {
        "specversion": "1.0",
        "id": cancelled.id,
        "source": "/sources/acme",
        "subject": "1701",
        "time": "2026-11-24T06:59:00.000Z",
        "type": "notifier.appointment.status_changed",
        "datacontenttype": "application/json",
        "data": {
            "rule": "late",
            "kinds": ["status_changed", "reassigned", "updated"],
            "detectedAt": "2026-11-24T07:00:00.000Z",
            "changes": [
                {"field": "status", "before": "ACCEPTED", "after": "CANCELLED"},
                {"field": "otherEmployees", "before": [], "after": ["302"]},
                {"field": "hybrid", "before": None, "after": False},
                {"field": "trailingBufferTime", "before": None, "after": 0},
            ],
            "appointment": {
                "id": "1701",
                "status": "CANCELLED",
                "updatedAt": "2026-11-24T06:59:00.000Z",
                "start": "2026-11-24T09:00:00.000Z",
                "end": "2026-11-24T10:00:00.000Z",
                "createdAt": "2026-11-21T07:00:00.000Z",
                "meetingType": "OFFICE",
                "office": {"id": "12"},
                "subject": {"id": "51"},
                "employee": {"id": "301"},
                "customer": {"id": "201"},
                "otherEmployees": [{"id": "302"}],
                "otherCustomers": [],
                "externalId": None,
                "listing": None,
                "leadSegment": None,
                "callbackRequest": None,
                "meetingRoom": None,
                "hybrid": False,
                "trailingBufferTime": 0,
                "createdBy": {"id": "201"},
                "createdByType": "CUSTOMER",
                "createdFrom": "PLUGIN",
                "updatedBy": {"id": "301"},
                "updatedByType": "EMPLOYEE",
                "updatedFrom": None,
            },
        },
    }
    assert list(written)[:3] == ["specversion", "id", "source"]


@pytest.mark.parametrize("kind", Kind)
def test_the_type_is_the_most_telling_kind(kind: Kind) -> None:
    """A receiver may route by it, whatever else happened at once."""
    told = {
        Kind.STATUS_CHANGED: event(start=START + DAY, status="CANCELLED"),
        Kind.RESCHEDULED: event(start=START + DAY, office="13"),
        Kind.REASSIGNED: event(employee="302", subject="52"),
        Kind.RELOCATED: event(office="13", subject="52"),
        Kind.CREATED: created(appointment()),
        Kind.VANISHED: replace(event(), kinds=(Kind.VANISHED,), changes=()),
        Kind.UPDATED: event(subject="52"),
        Kind.STAYS: stay(watch()),
        Kind.OVERDUE: stay(watch(kind=Kind.OVERDUE)),
        Kind.BEFORE_START: stay(watch(kind=Kind.BEFORE_START)),
    }
    # An appointment that is discovered is told as the change of status that it is.
    if kind is not Kind.DISCOVERED:
        assert document(seen(told[kind]), "any")["type"] == f"notifier.appointment.{kind.value}"


def data(about: Any) -> Any:
    """Returns the data of the event's document."""
    return document(seen(about), "any")["data"]


def test_times_in_changes_are_written_as_everywhere() -> None:
    """To the millisecond and in UTC, also where there is none."""
    assert data(step(undated(status="ACCEPTED"), appointment(end=None)))["changes"] == [
        {"field": "start", "before": None, "after": "2026-11-24T09:00:00.000Z"}
    ]


def test_a_discovered_appointment_has_no_status_before() -> None:
    """It is null, and the kind says why."""
    discovery = data(discovered(appointment(status="CANCELLED")))
    assert discovery["kinds"] == ["status_changed", "discovered"]
    assert discovery["changes"] == [{"field": "status", "before": None, "after": "CANCELLED"}]


@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_personal_text_is_not_in_it(field: str) -> None:
    """That it changed is told by its name, without values; its fingerprint stays here."""
    written = document(seen(event(fingerprints=((field, "c0ffee"),))), "any")
    head, *rest = field.split("_")
    assert data(event(fingerprints=((field, "c0ffee"),)))["changes"] == [
        {"field": head + "".join(part.capitalize() for part in rest)}
    ]
    assert b"c0ffee" not in orjson.dumps(written)


def test_a_field_that_is_added_is_in_it() -> None:
    """Only the fingerprints are left out, so that the document grows with the appointment."""
    assert len(data(event())["appointment"]) == len(Appointment.__struct_fields__) - 1


def test_it_is_json() -> None:
    """Whatever the event, the webhook can write it."""
    for about in (event(), created(undated()), step(appointment(), undated()), discovered(appointment())):
        assert orjson.loads(orjson.dumps(document(seen(about), "any"))) == document(seen(about), "any")


BOOK = Directory(
    {("office", "12"): Entry("Brussels"), ("employee", "301"): Entry("Jan"), ("employee", "302"): Entry("A")}
)


def named(about: Any, *fields: str, book: Directory = BOOK) -> Any:
    return json_of(document(seen(about, *fields), "rule", book))["data"]["appointment"]


def json_of(made: Any) -> Any:
    return orjson.loads(orjson.dumps(made))


def test_known_names_stand_beside_ids() -> None:
    """A reference has its name as well, and one that nobody named has its id alone."""
    found = named(event(appointment(office="12", subject="51", employee="301", other_employees=("302", "303"))))
    assert found["office"] == {"id": "12", "name": "Brussels"}
    assert found["subject"] == {"id": "51"}
    assert found["employee"] == {"id": "301", "name": "Jan"}
    assert found["otherEmployees"] == [{"id": "302", "name": "A"}, {"id": "303"}]


def test_a_hidden_field_has_no_name_in_it() -> None:
    """A channel that may not see the office is told neither its id nor its name."""
    found = named(event(appointment(office="12", employee="301")), "employee")
    assert "office" not in found
    assert "Brussels" not in str(found)
    assert found["employee"]["name"] == "Jan"


def test_names_have_little_room() -> None:
    """However long the names are, the document grows by no more than their limit allows."""
    book = Directory({("employee", str(id_)): Entry("é" * 90) for id_ in range(300)})
    about = event(appointment(other_employees=tuple(map(str, range(300)))))
    names = [one["name"] for one in named(about, book=book)["otherEmployees"] if "name" in one]
    assert names
    assert len("".join(names).encode()) <= NAMES_LIMIT
