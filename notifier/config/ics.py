"""Holidays from an iCalendar file, as offices publish them: whole days, also those that come every year."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import recurring_ical_events
from icalendar import Calendar

FIRST, LAST = date(2020, 1, 1), date(2060, 1, 1)
"""Between these days, what comes again and again is looked for."""

LONGEST = timedelta(days=366)
"""What lasts longer is no holiday."""

MOST_REPEATED = 500
"""How many events of a file may come again and again."""

_WHOLE_DAYS = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_TIMES = frozenset({"BYHOUR", "BYMINUTE", "BYSECOND"})

_DAY = timedelta(days=1)


class IcsError(Exception):
    """A file that is no calendar of holidays; the text says why."""


def read_holidays(path: Path) -> frozenset[date]:
    """Returns the days of every event in the file.

    Raises:
        IcsError: it can't be read, is no calendar, or has an event that is no whole day.
    """
    try:
        calendars = Calendar.from_ical(path.read_bytes(), multiple=True)
    except FileNotFoundError as error:
        raise IcsError("there is no such file") from error
    except OSError as error:
        raise IcsError(f"can't be read: {error.strerror}") from error
    except (ValueError, IndexError, KeyError) as error:
        raise IcsError(f"is no iCalendar file: {error}") from error
    if not calendars:
        raise IcsError("is no iCalendar file: it is empty")
    return frozenset(day for calendar in calendars for day in _days(calendar))


def _days(calendar: Calendar) -> Iterator[date]:
    try:
        _check_repeated(calendar)
        _tell_apart(calendar)
        events = recurring_ical_events.of(calendar).between(FIRST, LAST)
        spans = [(event, event.start, event.end) for event in events]
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise IcsError(f"has an event that can't be understood: {error}") from error
    for event, begin, end in spans:
        name = event.get("SUMMARY", "an event")
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        if isinstance(begin, datetime) or isinstance(end, datetime):
            raise IcsError(f"`{name}` has times of day: a holiday is a whole day")
        if end - begin > LONGEST:
            raise IcsError(f"`{name}` lasts longer than a year")
        yield begin
        for number in range(1, (end - begin) // _DAY):
            yield begin + number * _DAY


def _check_repeated(calendar: Calendar) -> None:
    """Refuses what would take for ever to expand, or to more than days."""
    repeated = 0
    for event in calendar.walk("VEVENT"):
        rules = event.get("RRULE", [])
        for rule in rules if isinstance(rules, list) else [rules]:
            repeated += 1
            parts = {str(name).upper(): values for name, values in rule.items()}
            often = {str(value).upper() for value in parts.get("FREQ", [])}
            name = event.get("SUMMARY", "an event")
            if not often <= _WHOLE_DAYS or _TIMES & parts.keys():
                raise IcsError(f"`{name}` comes more than once a day: a holiday is a whole day")
            if any(interval < 1 for interval in parts.get("INTERVAL", [])):
                raise IcsError(f"`{name}` comes again after no time: its INTERVAL must be at least 1")
    if repeated > MOST_REPEATED:
        raise IcsError(f"has {repeated} events that come again and again: at most {MOST_REPEATED} may")


def _tell_apart(calendar: Calendar) -> None:
    """Gives events that share a UID each one of its own: the last of them would pass for a change of the others."""
    seen: Counter[str] = Counter()
    for event in calendar.walk("VEVENT"):
        if "RECURRENCE-ID" not in event:
            name = str(event.get("UID", ""))
            seen[name] += 1
            if seen[name] > 1:
                event["UID"] = f"{name} {seen[name]}"
