"""Calendars in `config.toml` and hours in rules: what they take, and what is said of mistakes."""

from datetime import date, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from notifier.config.rulebook import load_rulebook
from notifier.config.settings import load_settings
from notifier.core.hours import Calendar, Hours, Outside
from notifier.core.rule import Rule
from notifier.errors import ConfigError

CONFIG = """timezone = "Europe/Brussels"
[sources.acme]
base_url = "https://api.example.com"
enterprise = "acme"
token = "abc"
[channels.team]
url = "console://"
[calendars.team]
"""
TIMES = 'from = "08:00"\nto = "18:00"\n'
RULE = '[[rule]]\nname = "one"\non = "updated"\nchannels = "team"\n'
BRUSSELS = ZoneInfo("Europe/Brussels")
PLAIN = Calendar(name="team", zone=BRUSSELS)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """People run the program in the folder of the configuration."""
    monkeypatch.chdir(tmp_path)


def calendar(folder: Path, text: str, ics: str = "") -> Calendar:
    """Returns the calendar that the table holds."""
    (folder / "holidays.ics").write_text(ics, encoding="utf-8")
    (folder / "config.toml").write_text(CONFIG + text, encoding="utf-8")
    return load_settings(folder / "config.toml", {}).calendars["team"]


def complaint(folder: Path, text: str, ics: str = "") -> str:
    """Returns what is wrong with the table."""
    with pytest.raises(ConfigError) as caught:
        calendar(folder, text, ics)
    (problem,) = caught.value.problems
    return str(problem)


def hours(folder: Path, text: str) -> Rule:
    """Returns the rule with this text in it."""
    calendar(folder, TIMES)
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "a.toml").write_text(RULE + text, encoding="utf-8")
    (found,) = load_rulebook(load_settings(folder / "config.toml", {}))
    return found


def rule_complaint(folder: Path, text: str) -> str:
    """Returns what is wrong with the rule."""
    with pytest.raises(ConfigError) as caught:
        hours(folder, text)
    (problem,) = caught.value.problems
    return str(problem)


def test_the_least(tmp_path: Path) -> None:
    """Times alone mean working days in the zone of the configuration."""
    assert calendar(tmp_path, TIMES) == PLAIN


@pytest.mark.parametrize(
    ("days", "meant"),
    [
        ('"mon-fri"', {0, 1, 2, 3, 4}),
        ('"sat"', {5}),
        ('["Mon", "wed - thu"]', {0, 2, 3}),
        ('"fri-mon"', {4, 5, 6, 0}),
        ('"mon-sun"', set(range(7))),
    ],
)
def test_days(tmp_path: Path, days: str, meant: set[int]) -> None:
    """Names, stretches, also over the week's end, and lists of them."""
    assert calendar(tmp_path, f"days = {days}\n{TIMES}").days == meant


def test_all_that_it_takes(tmp_path: Path) -> None:
    """Times as TOML has them too, midnight as 24:00, a zone, and dates as such or as texts."""
    found = calendar(
        tmp_path, 'from = 08:30:00\nto = "24:00"\nzone = "Asia/Kathmandu"\nholidays = [2026-12-25, "2027-01-01"]\n'
    )
    assert (found.opens, found.closes, found.zone) == (time(8, 30), time(0), ZoneInfo("Asia/Kathmandu"))
    assert found.holidays == {date(2026, 12, 25), date(2027, 1, 1)}
    assert calendar(tmp_path, f"{TIMES}holidays = 2026-12-25\n").holidays == {date(2026, 12, 25)}


def test_the_zone_of_the_office(tmp_path: Path) -> None:
    """The zone of the configuration is for offices of which none is known."""
    found = calendar(tmp_path, f'{TIMES}zone = "office"\n')
    assert (found.zone_of_office, found.zone) == (True, BRUSSELS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('from = "08:00"\n', "config.toml:8: `to` is missing"),
        ('from = "8"\nto = "18:00"\n', 'config.toml:9: `from` must be a time of day in quotes, like "08:00", not `8`'),
        (f'{TIMES}days = "mo-fr"\n', "config.toml:11: `days` must be days like"),
        (f"{TIMES}days = 5\n", "config.toml:11: `days` must be days like"),
        (f"{TIMES}days = []\n", "config.toml:11: `days` must be days like"),
        (
            f'{TIMES}zone = "Europe/Brussel"\n',
            "config.toml:11: `zone`: there is no time zone `Europe/Brussel`; did you",
        ),
        (f"{TIMES}holidays = [25]\n", "config.toml:11: `holidays` must be a date like 2026-12-25, not `25`"),
        (f"{TIMES}holidays = [2026-12-25T00:00:00]\n", "config.toml:11: `holidays` must be a date like 2026-12-25"),
        (f"{TIMES}open = true\n", "config.toml:11: unknown key `open`"),
        (f'{TIMES}ics = "none.ics"\n', "config.toml:11: `ics`: none.ics: there is no such file"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, said: str) -> None:
    """Each has its line, and says what would be right."""
    assert complaint(tmp_path, text).startswith(said)


HOLIDAYS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example//holidays//EN
BEGIN:VEVENT
UID:1
SUMMARY:Christmas
DTSTART;VALUE=DATE:20241225
RRULE:FREQ=YEARLY
END:VEVENT
BEGIN:VEVENT
UID:2
SUMMARY:Bridge days
DTSTART;VALUE=DATE:20260720
DTEND;VALUE=DATE:20260723
END:VEVENT
BEGIN:VEVENT
UID:3
SUMMARY:A day without end
DTSTART;VALUE=DATE:20260501
END:VEVENT
BEGIN:VEVENT
UID:4
SUMMARY:Called off
STATUS:CANCELLED
DTSTART;VALUE=DATE:20260601
END:VEVENT
END:VCALENDAR
"""


def test_holidays_of_a_file(tmp_path: Path) -> None:
    """Whole days, stretches of them, and what comes every year, beside the dates of the table."""
    found = calendar(tmp_path, f'{TIMES}ics = "holidays.ics"\nholidays = [2026-02-02]\n', HOLIDAYS).holidays
    assert {day for day in found if day.year == 2026} == {
        date(2026, 2, 2),
        date(2026, 5, 1),
        *(date(2026, 7, day) for day in (20, 21, 22)),
        date(2026, 12, 25),
    }
    assert date(2040, 12, 25) in found


def test_holidays_of_one_uid(tmp_path: Path) -> None:
    """What is there twice under one name, which no calendar may have, are two holidays all the same."""
    twice = HOLIDAYS.replace("UID:3", "UID:2")
    found = calendar(tmp_path, f'{TIMES}ics = "holidays.ics"\n', twice).holidays
    assert {date(2026, 7, 20), date(2026, 5, 1)} < found


@pytest.mark.parametrize(
    ("ics", "said"),
    [
        ("hello", "is no iCalendar file"),
        ("", "is no iCalendar file"),
        (HOLIDAYS.replace("VALUE=DATE:20260501", "X=Y:20260501T120000Z"), "`A day without end` has times of day"),
        (HOLIDAYS.replace("20260501", "2026"), ""),
        (HOLIDAYS.replace("20260723", "99991231"), ""),
        (HOLIDAYS.replace("20260723", "20290101"), "`Bridge days` lasts longer than a year"),
        (HOLIDAYS.replace("YEARLY", "YEARLY;INTERVAL=0"), "`Christmas` comes again after no time"),
        (HOLIDAYS.replace("YEARLY", "SECONDLY"), "`Christmas` comes more than once a day"),
        (HOLIDAYS.replace("YEARLY", "YEARLY;BYSECOND=1,2,3"), "`Christmas` comes more than once a day"),
    ],
)
def test_files_that_are_none(tmp_path: Path, ics: str, said: str) -> None:
    """The complaint names the line of the configuration, and the file."""
    shown = complaint(tmp_path, f'{TIMES}ics = "holidays.ics"\n', ics)
    assert shown.startswith(f"config.toml:11: `ics`: holidays.ics: {said}")


def test_a_calendar_that_never_opens(tmp_path: Path) -> None:
    """What would let messages wait for years is refused."""
    daily = HOLIDAYS.replace("YEARLY", "DAILY")
    assert complaint(tmp_path, f'{TIMES}ics = "holidays.ics"\n', daily) == (
        "config.toml:8: the calendar `team` never opens: from 2024-12-25 on it is closed for more than a year"
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('hours = "team"', Hours(PLAIN)),
        ('hours.calendar = "team"', Hours(PLAIN)),
        ('hours = { calendar = "team", outside = "silence" }', Hours(PLAIN, Outside.SILENCE)),
        (
            'hours = { days = "sat", from = "22:00", to = "06:00" }',
            Hours(Calendar(name="", zone=BRUSSELS, days=frozenset({5}), opens=time(22), closes=time(6))),
        ),
        (
            'hours = { from = "08:00", to = "18:00", zone = "Asia/Kathmandu" }',
            Hours(Calendar(name="", zone=ZoneInfo("Asia/Kathmandu"))),
        ),
        (
            'hours = { from = "08:00", to = "18:00", zone = "office" }',
            Hours(Calendar(name="", zone=BRUSSELS, zone_of_office=True)),
        ),
    ],
)
def test_hours_of_a_rule(tmp_path: Path, text: str, meant: Hours) -> None:
    """A calendar by its name, or days and times of its own."""
    found = hours(tmp_path, text)
    assert (found.hours, found.urgent) == (meant, False)
    assert hours(tmp_path, f"{text}\nurgent = true").urgent


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('hours = "teams"', "`calendar`: there is no calendar `teams`; did you mean `team`?"),
        ("hours = 8", '`hours` must be the name of a calendar, or a table like { from = "08:00", to = "18:00" }'),
        ("hours = {}", "`calendar` is missing; there must be a `calendar`, or `from` and `to`"),
        ('hours = { from = "08:00" }', "`calendar` is missing; there must be a `calendar`, or `from` and `to`"),
        (
            'hours = { calendar = "team", to = "18:00" }',
            "`calendar` can't stand beside `to`: a calendar says that itself",
        ),
        (
            'hours = { calendar = "team", outside = "drop" }',
            "`outside`: there is no way `drop`; known here: hold, silence",
        ),
        ('hours = { calendar = "team", outsid = "hold" }', "unknown key `outsid`; did you mean `outside`?"),
        ("urgent = true", "`urgent` passes the hours of a rule, and this one has none; leave it out, or add `hours`"),
    ],
)
def test_mistakes_in_hours(tmp_path: Path, text: str, said: str) -> None:
    """Each has its line, and says what would be right."""
    assert rule_complaint(tmp_path, text) == f"rules/a.toml:5: {said}"


@pytest.mark.parametrize(
    ("channels", "more", "said"),
    [
        (
            '"office-{offis}"',
            'otherwise = "team"',
            "4: `channels` has `office-{offis}`, and there is no field `offis` to fill in; did you mean `office`?",
        ),
        (
            '"office-{office"',
            'otherwise = "team"',
            "4: `channels` has `office-{office`, whose brackets do not come in pairs",
        ),
        (
            '"directory:offices"',
            'otherwise = "team"',
            "4: `channels` has `directory:offices`, and a directory has no channels of `offices`; did you mean `office`?",  # noqa: E501
        ),
        ('"teem"', "", "4: `channels`: there is no channel `teem`; did you mean `team`?"),
        (
            '"office-{office}"',
            "",
            "1: `otherwise` is missing: who hears of it where `office-{office}` leads to no channel?",
        ),
        (
            '"team"',
            'otherwise = "team"',
            "5: `otherwise` is for rules that take channels from data; all channels of this one are named",
        ),
        ('"{office}"', 'otherwise = "teem"', "5: `otherwise`: there is no channel `teem`; did you mean `team`?"),
    ],
)
def test_mistakes_in_recipients(tmp_path: Path, channels: str, more: str, said: str) -> None:
    """A name that can't be filled in, and one that may lead nowhere, are found when they are read."""
    calendar(tmp_path, TIMES)
    (tmp_path / "rules").mkdir()
    text = RULE.replace('"team"', channels) + more
    (tmp_path / "rules" / "a.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_rulebook(load_settings(tmp_path / "config.toml", {}))
    assert [str(problem) for problem in caught.value.problems] == [f"rules/a.toml:{said}"]


def test_recipients_from_data(tmp_path: Path) -> None:
    """They stay as they are written until there is an event."""
    calendar(tmp_path, TIMES)
    (tmp_path / "rules").mkdir()
    text = RULE.replace('"team"', '["{before.employee}", "directory:office", "team"]') + 'otherwise = "team"\n'
    (tmp_path / "rules" / "a.toml").write_text(f"{text}fallback = true\n", encoding="utf-8")
    (found,) = load_rulebook(load_settings(tmp_path / "config.toml", {}))
    assert found.channels == ("{before.employee}", "directory:office", "team")
    assert (found.otherwise, found.fallback) == ("team", True)
