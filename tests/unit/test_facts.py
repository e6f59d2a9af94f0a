"""The phrases of a message, and the variables of a template."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from notifier.core.appointment import APPOINTMENT_FIELDS, STATUSES, TEXT_FIELDS, Appointment
from notifier.core.event import Event
from notifier.core.facts import facts, say_move, say_where, say_who
from notifier.core.headline import headline
from notifier.core.language import ENGLISH
from notifier.core.readers import Readers
from notifier.core.sample_facts import sample_facts
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    START,
    appointment,
    created,
    discovered,
    event,
    seen,
    step,
    undated,
)

BRUSSELS = ZoneInfo("Europe/Brussels")
KATHMANDU = ZoneInfo("Asia/Kathmandu")


def at(text: str) -> datetime:
    """Returns the moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def maybe_at(text: str | None) -> datetime | None:
    """Returns the moment in UTC, if there is one."""
    return None if text is None else at(text)


@pytest.mark.parametrize(
    ("moment", "zone", "date", "time"),
    [
        ("2026-11-24T09:00", BRUSSELS, "Tue 24 Nov 2026", "10:00"),
        ("2026-11-24T09:00", KATHMANDU, "Tue 24 Nov 2026", "14:45"),
        ("2026-11-24T18:15", KATHMANDU, "Wed 25 Nov 2026", "00:00"),
        ("2026-12-31T23:00", BRUSSELS, "Fri 1 Jan 2027", "00:00"),
        # Summer time ends and begins at 01:00 UTC.
        ("2026-10-25T00:59", BRUSSELS, "Sun 25 Oct 2026", "02:59"),
        ("2026-10-25T01:00", BRUSSELS, "Sun 25 Oct 2026", "02:00"),
        ("2026-10-25T09:00", BRUSSELS, "Sun 25 Oct 2026", "10:00"),
        ("2026-10-24T09:00", BRUSSELS, "Sat 24 Oct 2026", "11:00"),
        ("2027-03-28T00:59", BRUSSELS, "Sun 28 Mar 2027", "01:59"),
        ("2027-03-28T01:00", BRUSSELS, "Sun 28 Mar 2027", "03:00"),
    ],
)
def test_times_are_local(moment: str, zone: ZoneInfo, date: str, time: str) -> None:
    """Day and time are those of the reader, before and after the clocks change."""
    assert ENGLISH.say_date(at(moment), zone) == date
    assert ENGLISH.say_time(at(moment), zone) == time


@pytest.mark.parametrize(
    ("start", "end", "zone", "said"),
    [
        (None, None, BRUSSELS, "no time set"),
        (None, "2026-11-24T09:00", BRUSSELS, "no time set"),
        ("2026-11-24T09:00", None, BRUSSELS, "Tue 24 Nov 2026, 10:00"),
        ("2026-11-24T09:00", "2026-11-24T10:00", BRUSSELS, "Tue 24 Nov 2026, 10:00–11:00"),
        ("2026-11-24T22:30", "2026-11-24T23:30", BRUSSELS, "Tue 24 Nov 2026, 23:30 – Wed 25 Nov 2026, 00:30"),
        ("2026-11-24T17:45", "2026-11-24T18:30", KATHMANDU, "Tue 24 Nov 2026, 23:30 – Wed 25 Nov 2026, 00:15"),
        ("2027-03-28T00:30", "2027-03-28T01:30", BRUSSELS, "Sun 28 Mar 2027, 01:30–03:30"),
    ],
)
def test_times_are_told_from_when_to_when(start: str | None, end: str | None, zone: ZoneInfo, said: str) -> None:
    """The end's day is told only where it is another one, in the reader's zone."""
    times = ENGLISH.say_times(maybe_at(start), maybe_at(end), zone)
    assert times == said
    assert ENGLISH.say_span(maybe_at(start), maybe_at(end), zone) == (f"{said} {zone.key}" if start else said)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({}, {}, ""),
        ({}, {"start": START + HOUR}, "Tue 24 Nov 2026, 10:00–11:00 → 11:00–11:00"),
        (
            {},
            {"start": START + DAY, "end": START + DAY + HOUR},
            "Tue 24 Nov 2026, 10:00–11:00 → Wed 25 Nov 2026, 10:00–11:00",
        ),
        ({}, {"end": None}, "Tue 24 Nov 2026, 10:00–11:00 → 10:00"),
        ({}, {"start": None, "end": None}, "Tue 24 Nov 2026, 10:00–11:00 → no time set"),
        ({"start": None, "end": None}, {}, ""),
        ({"start": None, "end": None}, {"start": None, "end": None}, ""),
    ],
)
def test_a_move_is_told_with_the_former_time(before: dict[str, Any], after: dict[str, Any], said: str) -> None:
    """A day that both times share is told once; what had no other time was not moved."""
    assert say_move(appointment(**before), appointment(**after), Readers(BRUSSELS)) == said


def test_what_was_not_known_was_not_moved() -> None:
    """There is no former time to tell."""
    assert say_move(None, appointment(), Readers(BRUSSELS)) == ""


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (2 * HOUR + 5 * MINUTE, "in 2 h 5 min"),
        (2 * HOUR - SECOND, "in 2 h"),
        (MINUTE, "in 1 min"),
        (29 * SECOND, "now"),
        (0 * SECOND, "now"),
        (-29 * SECOND, "now"),
        (-MINUTE, "1 min ago"),
        (-35 * MINUTE - 10 * SECOND, "35 min ago"),
        (DAY + HOUR, "in 1 day 1 h"),
        (-3 * DAY, "3 days ago"),
    ],
)
def test_the_start_is_so_far_away(ahead: timedelta, said: str) -> None:
    """To the minute, ahead or past."""
    assert ENGLISH.say_until(NOW + ahead, NOW) == said


def test_no_start_is_nowhere() -> None:
    """Nothing is said of the distance to a time that is not set."""
    assert ENGLISH.say_until(None, NOW) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "office 12"),
        ({"meeting_type": "VIDEO"}, "office 12, by video"),
        ({"meeting_type": None, "meeting_room": "7"}, "office 12, room 7"),
        ({"office": None}, "at the office"),
        ({"office": None, "meeting_type": "ON_LOCATION"}, "at the customer's"),
        ({"office": None, "meeting_type": "HOLOGRAM"}, "HOLOGRAM"),
        ({"office": None, "meeting_type": None}, "no place set"),
    ],
)
def test_the_place_is_said_in_one_phrase(changes: dict[str, Any], said: str) -> None:
    """What goes without saying is not said; what is not known stays as the source has it."""
    assert say_where(appointment(**changes), Readers(BRUSSELS)) == said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "employee 301 with customer 201"),
        ({"other_employees": ("302", "303")}, "employees 301, 302, 303 with customer 201"),
        ({"other_customers": ("202",)}, "employee 301 with customers 201, 202"),
        ({"employee": None}, "customer 201, no employee yet"),
        ({"employee": None, "other_employees": ("302",)}, "employee 302 with customer 201"),
        ({"customer": None}, "employee 301, no customer"),
        ({"employee": None, "customer": None}, "no customer, no employee yet"),
    ],
)
def test_the_people_are_said_in_one_phrase(changes: dict[str, Any], said: str) -> None:
    """Everybody who takes part, and who is missing."""
    assert say_who(appointment(**changes), Readers(BRUSSELS)) == said


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_has_words(status: str) -> None:
    """No reader meets a word of the API that is documented."""
    assert ENGLISH.word(status) != status
    assert headline(event(appointment(status="?"), status=status)) != f"Status {status}"
    assert status not in headline(created(appointment(status=status)))


def test_what_is_not_known_stays_as_it_is() -> None:
    """A word that the vendor adds is shown."""
    assert ENGLISH.word("WAITLISTED") == "WAITLISTED"
    assert headline(event(status="WAITLISTED")) == "Status WAITLISTED"
    assert headline(created(appointment(status="WAITLISTED"))) == "New appointment, WAITLISTED"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "CANCELLED"}, "Cancelled"),
        ({"status": "NO_SHOW"}, "No-show"),
        ({"start": START + DAY, "end": START + DAY + HOUR}, "Moved"),
        ({"end": START + 2 * HOUR}, "Duration changed"),
        ({"start": None, "end": None}, "Time withdrawn"),
        ({"employee": "302"}, "Reassigned"),
        ({"office": "13"}, "Relocated"),
        ({"office": "13", "meeting_type": "VIDEO"}, "Relocated"),
        ({"meeting_type": "VIDEO"}, "Now by video"),
        ({"meeting_type": "VIDEO", "meeting_room": "7"}, "Now by video"),
        ({"meeting_type": None}, "Meeting type changed"),
        ({"meeting_room": "7"}, "Meeting room changed"),
        ({"meeting_room": "7", "fingerprints": (("location", "aa"),)}, "Relocated"),
        ({"fingerprints": (("internal_notes", "aa"),)}, "Internal notes changed"),
        ({"subject": "52", "listing": "9"}, "Updated"),
        ({"status": "CANCELLED", "fingerprints": (("answers", "aa"),)}, "Cancelled"),
        ({"status": "CANCELLED", "start": START + DAY, "employee": "302"}, "Cancelled and moved"),
        ({"start": START + DAY, "meeting_type": "VIDEO"}, "Moved and now by video"),
    ],
)
def test_a_headline_says_what_a_person_would_call_it(changes: dict[str, Any], said: str) -> None:
    """The two most telling things, and not what goes without saying beside them."""
    assert headline(event(**changes)) == said


def test_a_first_time_is_no_move() -> None:
    """An invitation that is answered is confirmed; that it has a time now goes without saying."""
    assert headline(step(undated(), appointment())) == "Confirmed"
    assert headline(step(undated(), appointment(status="OUTGOING_INVITE"))) == "Time set"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("ACCEPTED", "New appointment"),
        ("INCOMING_REQUEST", "New request"),
        ("OUTGOING_INVITE", "New invitation"),
        ("CANCELLED", "New appointment, cancelled"),
    ],
)
def test_what_is_new_is_called_new(status: str, said: str) -> None:
    """By what it is when it is first seen, which may be its end."""
    assert headline(created(appointment(status=status))) == said


def test_what_is_discovered_is_called_by_its_status() -> None:
    """That it was not known before is no news to anybody."""
    assert headline(discovered(appointment(status="CANCELLED"))) == "Cancelled"


def shape(value: object) -> object:
    """Returns the names in a value, without what they stand for."""
    return {name: shape(one) for name, one in value.items()} if isinstance(value, dict) else None


def test_the_variables_are_the_same_for_every_event() -> None:
    """A template that finds a variable for one event finds it for all."""
    events = [event(), step(undated(), appointment()), created(undated()), discovered(appointment())]
    shapes = [shape(facts(seen(one), "any", "", Readers(BRUSSELS), NOW)) for one in events]
    assert all(one == shapes[0] for one in shapes)
    assert all(shape(sample) == shapes[0] for _, sample in sample_facts())


def test_the_full_sample_has_everything() -> None:
    """No field is missing in it, so that a template that works for it knows every shape."""
    (_, full), (_, least) = sample_facts()
    appointment_of_full, appointment_of_least = full["appointment"], least["appointment"]
    assert isinstance(appointment_of_full, dict)
    assert isinstance(appointment_of_least, dict)
    assert all(value not in (None, []) for value in appointment_of_full.values())
    # What a text was before, nobody knows.
    assert full["before"] == {name: appointment_of_full[name] for name in APPOINTMENT_FIELDS}
    assert {name for name, value in appointment_of_least.items() if value not in (None, [])} == {
        name for name in Appointment.__struct_fields__ if name in {"id", "status", "updated_at"}
    }
    assert least["before"] == {name: [] if name.startswith("other_") else None for name in APPOINTMENT_FIELDS}


def told(about: Event) -> list[Any]:
    """Returns the changes as a template sees them."""
    changes = facts(seen(about), "any", "", Readers(BRUSSELS), NOW)["changes"]
    assert isinstance(changes, list)
    return changes


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"status": "CANCELLED"}, "Status: confirmed → cancelled"),
        ({"start": START + DAY}, "Start: Tue 24 Nov 2026, 10:00 → Wed 25 Nov 2026, 10:00"),
        ({"end": None}, "End: Tue 24 Nov 2026, 11:00 → none"),
        ({"other_employees": ("302", "303")}, "Other employees: none → 302, 303"),
        ({"hybrid": True}, "Hybrid: none → yes"),
        ({"hybrid": False}, "Hybrid: none → no"),
        ({"trailing_buffer_time": 0}, "Trailing buffer time: none → 0"),
        ({"meeting_type": "PHONE"}, "Meeting type: at the office → by phone"),
        # An id that reads like a word of the API is an id.
        ({"office": "PHONE"}, "Office: 12 → PHONE"),
    ],
)
def test_a_change_is_told_in_one_line(changes: dict[str, Any], text: str) -> None:
    """From what to what, in plain words."""
    (change,) = told(event(**changes))
    assert change["text"] == text
    assert change["text"] == f"{change['label']}: {change['before']} → {change['after']}"


@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_of_a_text_only_that_it_changed_is_told(field: str) -> None:
    """Not even its fingerprint can get into a message."""
    (change,) = told(event(fingerprints=((field, "c0ffee"),)))
    assert change["text"] == f"{field.replace('_', ' ').capitalize()}: changed"
    assert "c0ffee" not in str(facts(seen(event(fingerprints=((field, "c0ffee"),))), "any", "", Readers(BRUSSELS), NOW))


def test_a_status_that_was_not_known_is_told_as_a_first_sight() -> None:
    """There is no before to be shown."""
    (change,) = told(discovered(appointment(status="CANCELLED")))
    assert change["text"] == "Status: cancelled (seen for the first time)"
    assert change["before"] == "unknown"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "employee 301"),
        ({"updated_by_type": "CUSTOMER", "updated_by": "201"}, "customer 201"),
        ({"updated_by_type": None}, "user 301"),
        ({"updated_by": None}, "employee"),
        ({"updated_by": None, "updated_by_type": None}, ""),
        ({"updated_by": "7", "updated_by_type": "MACHINE"}, "MACHINE 7"),
    ],
)
def test_who_changed_it_is_said_as_far_as_it_is_known(changes: dict[str, Any], said: str) -> None:
    """By role and id, or by what there is of them."""
    assert facts(seen(event(status="CANCELLED", **changes)), "any", "", Readers(BRUSSELS), NOW)["by"] == said


def test_who_made_a_new_appointment_is_its_author() -> None:
    """It may have been touched by another since."""
    new = created(appointment(created_by="201", created_by_type="CUSTOMER"))
    assert facts(seen(new), "any", "", Readers(BRUSSELS), NOW)["by"] == "customer 201"


def test_the_rest_of_the_variables() -> None:
    """What is known of event and rule, with times that the filters read."""
    said: Any = facts(seen(event()), "late", "Cancelled late", Readers(KATHMANDU), NOW)
    assert said["event"] == {
        "id": event().id,
        "kind": "status_changed",
        "kinds": ["status_changed"],
        "headline": "Cancelled",
        "source": "acme",
        "sweep": "near",
        "occurred_at": "2026-11-24T06:59:00+00:00",
        "detected_at": "2026-11-24T07:00:00+00:00",
        "lead_time": "2 h 1 min before the start",
    }
    assert said["rule"] == {"name": "late", "description": "Cancelled late"}
    assert said["appointment"]["start"] == "2026-11-24T09:00:00+00:00"
    assert said["before"]["status"] == "ACCEPTED"
    assert said["when"] == "Tue 24 Nov 2026, 14:45–15:45 Asia/Kathmandu"
    assert said["zone"] == "Asia/Kathmandu"
