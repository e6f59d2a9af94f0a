"""What a silence is about, and when the operator hears of its end."""

from datetime import timedelta
from typing import Any

import pytest

from notifier.core.silence import KEYS, Silence, examine_silence, say_what, silence_of, swallows
from notifier.core.trouble import TroubleKind
from tests.builders import DAY, HOUR, MINUTE, NOW, SECOND, event


def silence(**changes: Any) -> Silence:
    """Returns a silence of everything that lasts two days, unless told otherwise."""
    usual: dict[str, Any] = {"id": 3, "author": "ana", "why": "move", "began_at": NOW, "until": NOW + 2 * DAY}
    return Silence(**usual | changes)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("appointment", "1701"),
        ("channel", "desk"),
        ("kind", "relocated"),
        ("source", "acme"),
        ("status", "ACCEPTED"),
        ("office", "13"),
        ("subject", "51"),
        ("employee", "301"),
        ("employee", "309"),
        ("customer", "201"),
        ("meeting_type", "OFFICE"),
        ("updated_by_type", "EMPLOYEE"),
    ],
)
def test_what_it_looks_at(key: str, value: str) -> None:
    """Every key is compared with the event as it is after the change; people count in whatever role."""
    about = event(office="13", other_employees=("309",))
    assert swallows(silence(where=((key, ("other", value)),)), "any", "desk", about)
    assert not swallows(silence(where=((key, ("other",)),)), "any", "desk", about)


def test_all_keys_must_hold() -> None:
    """Those of other rules, and of others of its keys, are told."""
    one = silence(rules=("late", "any"), where=(("office", ("12", "13")), ("channel", ("desk",))))
    assert swallows(one, "any", "desk", event())
    assert not swallows(one, "other", "desk", event())
    assert not swallows(one, "any", "chat", event())
    assert not swallows(one, "any", "desk", event(office="14"))


def test_what_an_event_does_not_have_is_nothing() -> None:
    """A silence of an office is not about an appointment without one, and one that says nothing is about all."""
    assert not swallows(silence(where=(("office", ("12",)),)), "any", "desk", event(office=None))
    assert swallows(silence(), "any", "desk", event(office=None))


def test_the_first_that_lasts() -> None:
    """Those that are over, or were ended, swallow nothing."""
    over, ended = silence(id=1, until=NOW), silence(id=2, ended_at=NOW, ended_by="ben")
    assert silence_of([over, ended, silence(), silence(id=4)], "any", "desk", event(), NOW) == silence()
    assert silence_of([over, ended], "any", "desk", event(), NOW) is None


def test_what_is_said_of_it() -> None:
    """Its rules and keys, in words."""
    assert say_what(silence()) == "everything"
    assert say_what(silence(rules=("late", "any"), where=(("office", ("12",)),))) == "rule late or any, office 12"
    assert set(KEYS) >= {"appointment", "channel", "kind", "source", "office", "subject", "employee"}


@pytest.mark.parametrize(
    ("lasts", "left", "told"),
    [
        (2 * DAY, HOUR, True),
        (2 * DAY, HOUR + SECOND, False),
        (2 * DAY, SECOND, True),
        (2 * DAY, timedelta(0), False),
        (DAY, HOUR, False),
        (DAY + MINUTE, HOUR, True),
    ],
)
def test_the_end_of_a_long_one(lasts: timedelta, left: timedelta, told: bool) -> None:
    """The operator hears of it in the last hour of one that lasts for more than a day."""
    finding = examine_silence(silence(until=NOW + lasts), 2, NOW + lasts - left)
    assert finding.name == "silence 3"
    assert (finding.trouble is not None) == told
    if finding.trouble:
        assert finding.trouble.kind is TroubleKind.ENDING
        assert finding.trouble.text.endswith("(move), and it has swallowed 2 messages")
