"""What counts as a difference, and what each difference is called."""

from itertools import permutations
from typing import Any

import pytest

from notifier.core.appointment import STATUSES, TEXT_FIELDS, WATCHED_FIELDS
from notifier.core.change import FieldChange, Kind, compare, kinds_of
from tests.builders import DAY, START, appointment

#: For every watched field that is no text: another value, and what the difference is called.
STEPS: dict[str, tuple[Any, Kind]] = {
    "status": ("CANCELLED", Kind.STATUS_CHANGED),
    "start": (START + DAY, Kind.RESCHEDULED),
    "end": (START + DAY, Kind.RESCHEDULED),
    "employee": ("302", Kind.REASSIGNED),
    "other_employees": (("303",), Kind.REASSIGNED),
    "office": ("13", Kind.RELOCATED),
    "meeting_type": ("VIDEO", Kind.RELOCATED),
    "meeting_room": ("7", Kind.RELOCATED),
    "subject": ("52", Kind.UPDATED),
    "customer": ("202", Kind.UPDATED),
    "other_customers": (("203",), Kind.UPDATED),
    "external_id": ("CRM-1", Kind.UPDATED),
    "listing": ("91", Kind.UPDATED),
    "lead_segment": ("61", Kind.UPDATED),
    "callback_request": ("5", Kind.UPDATED),
    "hybrid": (True, Kind.UPDATED),
    "trailing_buffer_time": (15, Kind.UPDATED),
}


def test_the_table_is_whole() -> None:
    """Every watched field is in the table or a text."""
    assert {*STEPS, *TEXT_FIELDS} == {*WATCHED_FIELDS}


@pytest.mark.parametrize(("before", "after"), [*permutations(STATUSES, 2)])
def test_a_status_that_differs_is_told_with_both(before: str, after: str) -> None:
    """Every pair of statuses gives status_changed with the right before and after."""
    changes = compare(appointment(status=before), appointment(status=after))
    assert changes == (FieldChange("status", before, after),)
    assert kinds_of(changes) == (Kind.STATUS_CHANGED,)


@pytest.mark.parametrize("field", STEPS)
def test_a_field_that_differs_is_told_with_both_values(field: str) -> None:
    """Each field gives its own kind, with what it was and what it is."""
    value, kind = STEPS[field]
    before, after = appointment(), appointment(**{field: value})
    assert compare(before, after) == (FieldChange(field, getattr(before, field), value),)
    assert compare(after, before) == (FieldChange(field, value, getattr(before, field)),)
    assert kinds_of(compare(before, after)) == (kind,)


@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_of_a_text_only_the_fact_is_told(field: str) -> None:
    """A personal text that appears, differs or goes is a change without values."""
    one, other = appointment(fingerprints=((field, "aa"),)), appointment(fingerprints=((field, "bb"),))
    for before, after in ((appointment(), one), (one, other), (other, appointment())):
        assert compare(before, after) == (FieldChange(field, None, None),)
    assert kinds_of(compare(one, other)) == (Kind.RELOCATED if field == "location" else Kind.UPDATED,)


def test_a_status_that_nobody_knows_is_a_status_all_the_same() -> None:
    """A status that the vendor adds makes events from the first day."""
    changes = compare(appointment(), appointment(status="WAITLISTED"))
    assert changes == (FieldChange("status", "ACCEPTED", "WAITLISTED"),)


def test_changes_come_in_the_order_of_the_record() -> None:
    """However much differs, it is told in one order."""
    after = appointment(**{field: value for field, (value, _) in reversed(STEPS.items())})
    fields = [change.field for change in compare(appointment(), after)]
    assert fields == [field for field in WATCHED_FIELDS if field in STEPS]


def test_kinds_are_told_once_and_most_telling_first() -> None:
    """The order of the changes does not matter for that of the kinds."""
    fields = ("answers", "office", "end", "employee", "start", "status")
    changes = [FieldChange(field, None, None) for field in fields]
    wanted = (Kind.STATUS_CHANGED, Kind.RESCHEDULED, Kind.REASSIGNED, Kind.RELOCATED, Kind.UPDATED)
    assert kinds_of(changes) == kinds_of(reversed(changes)) == wanted
    assert kinds_of([]) == ()
