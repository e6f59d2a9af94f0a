"""Which fields of an appointment are watched, and how personal text is represented."""

from notifier.core.appointment import (
    APPOINTMENT_FIELDS,
    BOOKKEEPING_FIELDS,
    TEXT_FIELDS,
    WATCHED_FIELDS,
    Appointment,
    watched,
)
from tests.builders import appointment


def test_every_field_is_watched_or_bookkeeping() -> None:
    """A field that is added to an appointment can't be forgotten by the comparison."""
    assert {*APPOINTMENT_FIELDS, "fingerprints"} == {*Appointment.__struct_fields__}
    assert {*WATCHED_FIELDS} == {*APPOINTMENT_FIELDS, *TEXT_FIELDS} - BOOKKEEPING_FIELDS
    assert {*APPOINTMENT_FIELDS} >= BOOKKEEPING_FIELDS
    assert len(WATCHED_FIELDS) == len(set(WATCHED_FIELDS))


def test_personal_text_can_not_be_shown() -> None:
    """No field that may be shown holds personal text."""
    assert not {*TEXT_FIELDS} & {*APPOINTMENT_FIELDS}


def test_watched_holds_values_and_fingerprints() -> None:
    """A plain field stands for itself, a text for its fingerprint, an empty text for nothing."""
    values = watched(appointment(office="13", fingerprints=(("internal_notes", "ab12"),)))
    assert tuple(values) == WATCHED_FIELDS
    assert values["office"] == "13"
    assert values["internal_notes"] == "ab12"
    assert values["answers"] is None


def test_who_wrote_and_when_is_not_watched() -> None:
    """A record that was only saved again differs in nothing that is watched."""
    later = appointment(updated_by="9", updated_by_type="CUSTOMER", updated_from="PLUGIN", created_by="8")
    assert watched(later) == watched(appointment())
