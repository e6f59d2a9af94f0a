"""Durations as people write them (`90s`, `5m`, `2h`, `7d`), and as notifier itself says them: in English."""

import re
from datetime import timedelta

from notifier.core.language import ENGLISH

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"([+-]?)([0-9]{1,10})([smhdw])")

LONGEST = timedelta(days=36_500)
"""A century: added to any moment of our time it is a moment still."""


def parse_duration(text: str) -> timedelta:
    """Returns the duration that the text names; `-1d` is a day back.

    Raises:
        ValueError: the text is not a whole number and a unit, or more than a century; the message says which.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration; write a number and a unit, like 90s, 5m, 2h or 7d")
    sign, number, unit = match.groups()
    if int(number) > LONGEST / timedelta(**{_UNITS[unit]: 1}):
        raise ValueError(f"{text!r} is longer than a century")
    return timedelta(**{_UNITS[unit]: -int(number) if sign == "-" else int(number)})


def write_duration(duration: timedelta) -> str:
    """Returns the shortest text that `parse_duration` reads back as the same whole seconds."""
    seconds = int(duration.total_seconds())
    for unit, size in (("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def say_duration(duration: timedelta) -> str:
    """Returns the size of a duration in its two largest units, as in `2 days 4 h` or `35 min`; the sign is dropped."""
    return ENGLISH.say_duration(duration)


def say_brief(duration: timedelta) -> str:
    """Returns how long something took, in seconds while they are few."""
    if duration >= timedelta(minutes=2):
        return say_duration(duration)
    return f"{max(duration.total_seconds(), 0):.0f} s"
