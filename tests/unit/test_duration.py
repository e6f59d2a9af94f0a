"""Durations as people write and read them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.duration import LONGEST, parse_duration, say_duration, write_duration
from notifier.core.language import ENGLISH
from tests.builders import DAY, HOUR, MINUTE, SECOND


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("0s", 0 * SECOND),
        ("90s", 90 * SECOND),
        ("5m", 5 * MINUTE),
        ("2h", 2 * HOUR),
        ("7d", 7 * DAY),
        ("2w", 14 * DAY),
        ("-1d", -DAY),
        ("+1d", DAY),
        (" 5m ", 5 * MINUTE),
        ("007d", 7 * DAY),
        ("36500d", LONGEST),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, duration: timedelta) -> None:
    """With or without a sign, white space around it or zeros in front."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "5min", "1.5h", "5M", "--5m", "1h30m", "٣m", "5m\n5m", "1e3s"])
def test_anything_else_is_no_duration(text: str) -> None:
    """The complaint repeats it and says how to write one."""
    with pytest.raises(ValueError, match="is no duration; write a number and a unit, like 90s, 5m, 2h or 7d"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["36501d", "-36501d", "9999999999w", "-9999999999w", "9999999999s"])
def test_more_than_a_century_is_refused(text: str) -> None:
    """Whatever moment a duration is added to, it is a moment still."""
    with pytest.raises(ValueError, match="longer than a century"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (0 * SECOND, "0s"),
        (59 * SECOND, "59s"),
        (60 * SECOND, "1m"),
        (90 * SECOND, "90s"),
        (90 * MINUTE, "90m"),
        (24 * HOUR, "1d"),
        (7 * DAY, "1w"),
        (8 * DAY, "8d"),
        (-DAY, "-1d"),
    ],
)
def test_a_duration_is_written_in_its_largest_whole_unit(duration: timedelta, text: str) -> None:
    """The text is as short as it can be."""
    assert write_duration(duration) == text


@given(st.integers(-(10**9), 10**9))
def test_what_is_written_reads_back(seconds: int) -> None:
    """For every number of seconds, before or after now."""
    assert parse_duration(write_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("duration", "said"),
    [
        (0 * SECOND, "less than a minute"),
        (59 * SECOND, "less than a minute"),
        (60 * SECOND, "1 min"),
        (35 * MINUTE + 59 * SECOND, "35 min"),
        (HOUR, "1 h"),
        (2 * HOUR + 5 * MINUTE, "2 h 5 min"),
        (DAY, "1 day"),
        (DAY + 30 * MINUTE, "1 day"),
        (DAY + HOUR + 30 * MINUTE, "1 day 1 h"),
        (2 * DAY + 4 * HOUR, "2 days 4 h"),
        (40 * DAY, "40 days"),
        (-35 * MINUTE, "35 min"),
        (-SECOND, "less than a minute"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(duration: timedelta, said: str) -> None:
    """Smaller ones say nothing beside these; the sign is for others to say."""
    assert say_duration(duration) == said


def test_a_lead_time_says_on_which_side_it_is() -> None:
    """Before the start, or after it."""
    assert ENGLISH.say_lead(35 * MINUTE) == "35 min before the start"
    assert ENGLISH.say_lead(-35 * MINUTE) == "35 min after the start"
