"""Hours against a clock on the wall that is looked at minute by minute."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from notifier.core.hours import Calendar, is_open, next_opening, next_time

MINUTE = timedelta(minutes=1)

ZONES = ("Europe/Brussels", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Chatham", "UTC")
#: Days around the changes of the clock in those zones, and some others.
DAYS = (date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 8), date(2026, 11, 1), date(2026, 4, 5), date(2026, 10, 4))

clocks = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 45, 59]))


@st.composite
def calendars(draw: st.DrawFn, day: date) -> Calendar:
    near = st.sampled_from([day + timedelta(days=number) for number in range(-2, 3)])
    return Calendar(
        name="team",
        zone=ZoneInfo(draw(st.sampled_from(ZONES))),
        days=draw(st.frozensets(st.integers(0, 6), min_size=1)),
        opens=draw(clocks),
        closes=draw(clocks),
        holidays=draw(st.frozensets(near, max_size=2)),
    )


def shown(calendar: Calendar, moment: datetime) -> bool:
    """Says whether somebody who looks at the clock on the wall finds it open, going by nothing but what it shows."""
    local = moment.astimezone(calendar.zone)
    today, clock = local.date(), local.time()
    yesterday = today - timedelta(days=1)
    works = {day: day.weekday() in calendar.days and day not in calendar.holidays for day in (today, yesterday)}
    if calendar.opens < calendar.closes:
        return works[today] and calendar.opens <= clock < calendar.closes
    return (works[today] and clock >= calendar.opens) or (works[yesterday] and clock < calendar.closes)


def repeats(calendar: Calendar, moment: datetime) -> bool:
    """Says whether the clock shows near this moment what it shows twice."""
    offsets = {(moment + hours * timedelta(hours=1)).astimezone(calendar.zone).utcoffset() for hours in range(-3, 4)}
    return len(offsets) > 1


@given(st.data(), st.sampled_from(DAYS), st.integers(-2000, 2000))
def test_open_is_what_the_clock_shows(data: st.DataObject, day: date, minutes: int) -> None:
    """In every zone, over midnight, on holidays; near a change of the clock only that it opens and closes but once."""
    calendar = data.draw(calendars(day))
    moment = datetime.combine(day, time(12), UTC) + minutes * MINUTE
    if not repeats(calendar, moment):
        assert is_open(calendar, moment) == shown(calendar, moment)


@given(st.data(), st.sampled_from(DAYS), st.integers(-2000, 2000))
def test_the_next_opening_is_the_first_open_minute(data: st.DataObject, day: date, minutes: int) -> None:
    """Nothing that is open lies before it, and it is open itself."""
    calendar = data.draw(calendars(day))
    moment = datetime.combine(day, time(12), UTC) + minutes * MINUTE
    opening = next_opening(calendar, moment)
    assert opening is not None
    assert is_open(calendar, opening)
    walked = moment
    for _ in range(min(int((opening - moment) / MINUTE), 3000)):
        assert not is_open(calendar, walked)
        walked += MINUTE


@given(st.data(), st.sampled_from(DAYS))
def test_a_day_of_two_changes_nothing_but_its_length(data: st.DataObject, day: date) -> None:
    """A window opens once and closes once, also on the day on which an hour comes twice or not at all."""
    calendar = data.draw(calendars(day))
    begin = datetime.combine(day - timedelta(days=1), time(0), UTC)
    looks = [is_open(calendar, begin + minutes * MINUTE) for minutes in range(3 * 24 * 60)]
    openings = sum(now and not before for before, now in pairwise(looks))
    # Three days in UTC touch at most five local ones.
    assert openings <= 5


@given(st.data(), st.sampled_from(DAYS), st.integers(-2000, 2000))
def test_the_next_time_is_the_first_that_the_clock_shows(data: st.DataObject, day: date, minutes: int) -> None:
    """Whoever looks at the clock every minute sees none of the times before; what it leaves out is when it jumps."""
    zone = ZoneInfo(data.draw(st.sampled_from(ZONES)))
    days = data.draw(st.frozensets(st.integers(0, 6), min_size=5))
    times = data.draw(st.frozensets(clocks, min_size=1, max_size=3))
    moment = datetime.combine(day, time(12), UTC) + minutes * MINUTE
    found = next_time(days, times, zone, moment)
    assert found >= moment
    walked = moment
    while walked < found:
        local = walked.astimezone(zone).replace(tzinfo=None, fold=0)
        again = walked.astimezone(zone).fold == 1
        assert again or local.time() not in times or local.weekday() not in days
        walked += MINUTE
    jumps = found.astimezone(zone).utcoffset() != (found - MINUTE).astimezone(zone).utcoffset()
    assert jumps or found.astimezone(zone).time() in times


def test_the_hour_that_comes_twice() -> None:
    """It is 02:30 twice in Brussels on 25 October 2026: a window that opens then opens the first time."""
    brussels = ZoneInfo("Europe/Brussels")
    night = Calendar(name="night", zone=brussels, days=frozenset(range(7)), opens=time(2, 30), closes=time(2, 45))
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert next_opening(night, first - timedelta(hours=3)) == first
    assert is_open(night, first + timedelta(hours=1))
    assert not is_open(night, first + timedelta(hours=1, minutes=15))


def test_the_hour_that_does_not_come() -> None:
    """There is no 02:30 in Brussels on 29 March 2026: a window that opens then opens when it is 03:00."""
    brussels = ZoneInfo("Europe/Brussels")
    night = Calendar(name="night", zone=brussels, days=frozenset(range(7)), opens=time(2, 30), closes=time(4))
    assert next_opening(night, datetime(2026, 3, 28, 23, tzinfo=UTC)) == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_no_window_ever() -> None:
    """Where every day is a holiday there is none, and nobody searches for ever."""
    holidays = frozenset(date(2026, 1, 1) + timedelta(days=number) for number in range(1000))
    closed = Calendar(name="closed", zone=ZoneInfo("UTC"), holidays=holidays)
    assert next_opening(closed, datetime(2026, 1, 1, tzinfo=UTC)) is None
