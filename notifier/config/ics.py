"""Holidays from an iCalendar file, as offices publish them: whole days, also those that come every year."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import recurring_ical_events
from icalendar import Calendar

FIRST, LAST = date(2020, 1, 1), date(2060, 1, 1)
"""Between these days, what comes again and again is looked for."""

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
        events = recurring_ical_events.of(calendar).between(FIRST, LAST)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise IcsError(f"has an event that can't be understood: {error}") from error
    for event in events:
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        begin, end = event.start, event.end
        if isinstance(begin, datetime) or isinstance(end, datetime):
            raise IcsError(f"`{event.get('SUMMARY', 'an event')}` has times of day: a holiday is a whole day")
        yield begin
        for number in range(1, (end - begin) // _DAY):
            yield begin + number * _DAY
