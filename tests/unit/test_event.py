"""What an event answers when it is asked, and how it is numbered."""

import re

from notifier.core.event import event_id
from tests.builders import HOUR, MINUTE, NOW, START, appointment, event, undated


def test_it_happened_when_the_source_says() -> None:
    """The time of an event is that of the change, not that of the poll."""
    assert event().occurred_at == NOW - MINUTE
    assert event().detected_at == NOW


def test_lead_time_runs_from_the_change_to_the_start() -> None:
    """It is positive before the start and negative after it."""
    assert event().lead_time == 2 * HOUR + MINUTE
    assert event(updated_at=START + HOUR, status="NO_SHOW").lead_time == -HOUR


def test_lead_time_counts_to_the_new_start() -> None:
    """For an appointment that was moved it is the time that is left now."""
    assert event(start=START + HOUR).lead_time == 3 * HOUR + MINUTE


def test_an_undated_appointment_has_no_lead_time() -> None:
    """There is nothing to count to."""
    assert event(undated()).lead_time is None


def test_events_of_one_appointment_share_their_turn() -> None:
    """Order is kept for an appointment of a source, not between appointments."""
    assert event().order_key == event(status="NO_SHOW").order_key == "acme/1701"
    assert event(appointment(id="1702")).order_key != event().order_key


def test_an_id_is_twenty_hex_digits() -> None:
    """It goes into headers and addresses as it is."""
    assert re.fullmatch("[0-9a-f]{20}", event_id("acme", "1701", 1, b"digest"))


def test_the_same_step_has_the_same_id_and_another_step_another() -> None:
    """Source, appointment, revision and record each make another step."""
    steps = [
        ("acme", "1701", 1, b"a"),
        ("acne", "1701", 1, b"a"),
        ("acme", "1702", 1, b"a"),
        ("acme", "1701", 2, b"a"),
        ("acme", "1701", 1, b"b"),
        ("acme1", "701", 1, b"a"),
    ]
    assert len({event_id(*step) for step in steps}) == len(steps)
    assert event_id(*steps[0]) == event_id(*steps[0])
