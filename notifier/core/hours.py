"""Hours: when people want to hear of things, in the wall-clock time of a zone.

A window belongs to the day on which it begins, also where it ends after midnight. It opens and closes once: in autumn
it opens the first time that the clock shows its begin and closes the last time that it shows its end; what the clock
leaves out in spring is when it has jumped.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

EVERY_DAY = frozenset(range(7))

WORKING_DAYS = frozenset(range(5))

FARTHEST = timedelta(days=800)
"""No window opens later than this: two years of holidays are a mistake."""

LONGEST_CLOSED = timedelta(days=366)
"""A calendar may not be closed for longer than this; beyond lie only mistakes."""

_DAY = timedelta(days=1)


class Outside(StrEnum):
    """What becomes of a message outside the hours of its rule."""

    #: It waits until they begin.
    HOLD = "hold"
    #: It is put on record, and nobody is told.
    SILENCE = "silence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The hours of one team."""

    #: Empty for hours that a rule has by itself.
    name: str
    zone: ZoneInfo
    #: Whether the zone is that of the appointment's office, and the one above for offices of which none is known.
    zone_of_office: bool = False
    #: On which days of the week a window begins; Monday is 0.
    days: frozenset[int] = WORKING_DAYS
    #: By the clock on the wall; a window that closes no later than it opens goes over midnight, and with the same time
    #: at both ends it lasts a whole day.
    opens: time = time(8)
    closes: time = time(18)
    #: Days on which no window begins.
    holidays: frozenset[date] = field(default=frozenset())


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of a rule, and what becomes of messages outside them."""

    calendar: Calendar
    outside: Outside = Outside.HOLD


def is_open(calendar: Calendar, moment: datetime) -> bool:
    """Says whether the moment lies in one of the calendar's windows; its end is outside."""
    return any(begin <= moment < end for begin, end in _windows(calendar, moment, 1))


def next_opening(calendar: Calendar, moment: datetime) -> datetime | None:
    """Returns the moment itself where it is open, else when the next window opens; None where none ever does."""
    for begin, end in _windows(calendar, moment, FARTHEST // _DAY):
        if moment < end:
            return max(moment, begin)
    return None


def next_time(days: frozenset[int], times: Collection[time], zone: ZoneInfo, moment: datetime) -> datetime:
    """Returns when the clock next shows one of the times on one of the days: the moment itself where it does so now.

    A time that it shows twice counts the first time; one that it leaves out is when it has jumped.
    """
    today = moment.astimezone(zone).date()
    # A week on it is the same day again; and somewhere a day was left out.
    near = (today + number * _DAY for number in range(-1, 2 * len(DAY_NAMES)))
    found = (_moment(day, clock, zone) for day in near if day.weekday() in days for clock in times)
    return min(one for one in found if one >= moment)


def closes_for_ever(calendar: Calendar) -> date | None:
    """Returns a day from which on the calendar is closed for longer than it may be; None where there is none."""
    if not calendar.days:
        return date.min
    for day in sorted(calendar.holidays):
        if day - _DAY in calendar.holidays:
            continue
        begin = _moment(day, time(0), calendar.zone)
        opening = next_opening(calendar, begin)
        if opening is None or opening - begin > LONGEST_CLOSED:
            return day
    return None


def say_windows(calendar: Calendar) -> str:
    """Returns when it is open, as in `mon-fri 08:00-18:00 Europe/Brussels`."""
    times = f"{calendar.opens:%H:%M}-{calendar.closes:%H:%M}"
    named = f" (calendar {calendar.name})" if calendar.name else ""
    return f"{_say_days(calendar.days)} {times} {calendar.zone.key}{named}"


def _say_days(days: frozenset[int]) -> str:
    """Returns days of the week as stretches, as in `mon-fri,sun`."""
    if days == EVERY_DAY:
        return "every day"
    ordered = sorted(days)
    ends = [0, *(number for number, (one, two) in enumerate(pairwise(ordered), 1) if two != one + 1), len(ordered)]
    stretches = [ordered[begin:end] for begin, end in pairwise(ends)]
    return ",".join(
        DAY_NAMES[some[0]] if len(some) == 1 else f"{DAY_NAMES[some[0]]}-{DAY_NAMES[some[-1]]}" for some in stretches
    )


def _windows(calendar: Calendar, moment: datetime, days: int) -> Iterator[tuple[datetime, datetime]]:
    """Yields begin and end of the windows from the day before the moment on, in UTC; empty ones are left out."""
    today = moment.astimezone(calendar.zone).date()
    for number in range(-1, days + 1):
        day = today + number * _DAY
        if day.weekday() not in calendar.days or day in calendar.holidays:
            continue
        over = _DAY if calendar.closes <= calendar.opens else timedelta(0)
        begin, end = (
            _moment(day, calendar.opens, calendar.zone),
            _moment(day + over, calendar.closes, calendar.zone, 1),
        )
        if begin < end:
            yield begin, end


def _moment(day: date, clock: time, zone: ZoneInfo, fold: int = 0) -> datetime:
    """Returns when the clock shows this time on this day: the first time that it does, or with a fold the last.

    Where the clock jumps over it, this is the moment of the jump.
    """
    local = datetime.combine(day, clock, zone).replace(fold=fold)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None, fold=0) == local.replace(tzinfo=None, fold=0):
        return moment
    # The two readings of a time that does not exist lie an equal way before and behind the jump.
    early = datetime.combine(day, clock, zone).replace(fold=1).astimezone(UTC)
    late = datetime.combine(day, clock, zone).replace(fold=0).astimezone(UTC)
    return _jump(early, late, zone)


def _jump(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """Returns the first second between the two at which the zone has the later one's offset."""
    offset = late.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            late = middle
        else:
            early = middle
    return late
