"""`[calendars.NAME]`, and the hours that a rule has by itself: the tables, and the calendars that they become."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from notifier.config.ics import IcsError, read_holidays
from notifier.config.table import Table, Text, among, among_context, as_tuple, wrong, wrong_value
from notifier.config.toml_file import Location, TomlFile, shown
from notifier.core.hours import DAY_NAMES, WORKING_DAYS, Calendar, Hours, Outside, closes_for_ever
from notifier.errors import Problem

OF_OFFICE = "office"
"""The zone of calendars that go by the clock of the appointment's office."""

_MIDNIGHT = "24:00"


def read_zone(value: object) -> ZoneInfo:
    """Returns the zone of a name, as a validator."""
    if not isinstance(value, str):
        raise wrong('must be the name of a time zone in quotes, like "Europe/Brussels"')
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        names = tuple(sorted(available_timezones()))
        raise PydanticCustomError("unknown", "unknown", {"noun": "time zone", "names": names}) from error


def _zone(value: object) -> object:
    return value if value == OF_OFFICE else read_zone(value)


def _days(value: object) -> object:
    texts = as_tuple(value)
    if not isinstance(texts, tuple) or not texts or not all(isinstance(text, str) for text in texts):
        raise wrong('must be days like "mon-fri" or ["mon", "wed-fri"]')
    return frozenset(day for text in texts for day in _stretch(text.lower()))


def _stretch(text: str) -> Iterator[int]:
    """Yields the days of `mon` or of `fri-mon`."""
    first, dash, last = (part.strip() for part in text.partition("-"))
    if first not in DAY_NAMES or (dash and last not in DAY_NAMES):
        raise wrong(f'must be days like "mon-fri" or ["mon", "wed-fri"]; `{text}` is none: {", ".join(DAY_NAMES)}')
    begin = DAY_NAMES.index(first)
    length = (DAY_NAMES.index(last) - begin) % len(DAY_NAMES) if dash else 0
    yield from ((begin + number) % len(DAY_NAMES) for number in range(length + 1))


def _clock(value: object) -> object:
    if isinstance(value, time):
        return value
    if value == _MIDNIGHT:
        return time(0)
    if not isinstance(value, str) or not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        raise wrong_value('must be a time of day in quotes, like "08:00"')
    return time.fromisoformat(value)


def _holiday(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError as error:
        raise wrong_value("must be a date like 2026-12-25") from error


def _list(value: object) -> object:
    return (value,) if isinstance(value, str | date) else tuple(value) if isinstance(value, list) else value


def named_calendar(value: object) -> object:
    """Returns a text as the table of hours that names a calendar."""
    if not isinstance(value, str | dict):
        raise wrong('must be the name of a calendar, or a table like { from = "08:00", to = "18:00" }')
    return {"calendar": value} if isinstance(value, str) else value


Days = Annotated[frozenset[int], BeforeValidator(_days), WithJsonSchema({"type": ["string", "array"]})]
Clock = Annotated[time, BeforeValidator(_clock), WithJsonSchema({})]
CalendarZone = Annotated[ZoneInfo | str, BeforeValidator(_zone), WithJsonSchema({"type": "string"})]
Holiday = Annotated[date, BeforeValidator(_holiday), WithJsonSchema({})]


class CalendarTable(Table):
    """`[calendars.NAME]`."""

    days: Days = WORKING_DAYS
    opens: Clock = Field(alias="from")
    closes: Clock = Field(alias="to")
    zone: CalendarZone | None = None
    holidays: Annotated[tuple[Holiday, ...], BeforeValidator(_list), WithJsonSchema({})] = ()
    ics: Text | None = None


class HoursTable(Table):
    """`hours` of a rule: a calendar, or days and times of its own."""

    outside: Annotated[str, among("way", Outside)] = Outside.HOLD.value
    days: Days | None = None
    opens: Clock | None = Field(default=None, alias="from")
    closes: Clock | None = Field(default=None, alias="to")
    zone: CalendarZone | None = None
    # The last, since it is looked at together with those above.
    calendar: Annotated[str, among_context("calendar", "calendars")] | None = Field(default=None, validate_default=True)

    @field_validator("calendar")
    @classmethod
    def _one_of_both(cls, calendar: str | None, info: ValidationInfo) -> str | None:
        if not {"days", "opens", "closes", "zone"} <= info.data.keys():
            # One of them has its own complaint.
            return calendar
        own = [name for name, key in _OWN if info.data[key] is not None]
        if calendar is not None and own:
            raise wrong(f"can't stand beside `{own[0]}`: a calendar says that itself")
        if calendar is None and not {"from", "to"} <= set(own):
            raise wrong("is missing; there must be a `calendar`, or `from` and `to`")
        return calendar


_OWN = (("days", "days"), ("from", "opens"), ("to", "closes"), ("zone", "zone"))

AnyHours = Annotated[HoursTable, BeforeValidator(named_calendar)]


def hours_of(table: HoursTable, calendars: Mapping[str, Calendar], zone: ZoneInfo) -> Hours:
    """Returns the hours of a rule; `zone` is that of the configuration."""
    outside = Outside(table.outside)
    if table.calendar is not None:
        return Hours(calendars[table.calendar], outside)
    assert table.opens is not None
    assert table.closes is not None
    own = Calendar(
        name="",
        zone=table.zone if isinstance(table.zone, ZoneInfo) else zone,
        zone_of_office=table.zone == OF_OFFICE,
        days=WORKING_DAYS if table.days is None else table.days,
        opens=table.opens,
        closes=table.closes,
    )
    return Hours(own, outside)


def read_calendars(
    tables: Mapping[str, CalendarTable], zone: ZoneInfo, folder: Path, file: TomlFile
) -> tuple[dict[str, Calendar], list[Problem]]:
    """Returns the calendars with the holidays of their files, and what is wrong with these."""
    found: dict[str, Calendar] = {}
    problems: list[Problem] = []
    for name, table in tables.items():
        location: Location = ("calendars", name)
        calendar = _calendar(name, table, zone)
        if table.ics is not None:
            path = folder / table.ics
            try:
                calendar = replace(calendar, holidays=calendar.holidays | read_holidays(path))
            except IcsError as error:
                problems.append(file.problem((*location, "ics"), f"`ics`: {shown(path)}: {error}"))
        if day := closes_for_ever(calendar):
            text = f"the calendar `{name}` never opens: from {day} on it is closed for more than a year"
            problems.append(file.problem(location, text))
        found[name] = calendar
    return found, problems


def _calendar(name: str, table: CalendarTable, zone: ZoneInfo) -> Calendar:
    return Calendar(
        name=name,
        zone=table.zone if isinstance(table.zone, ZoneInfo) else zone,
        zone_of_office=table.zone == OF_OFFICE,
        days=table.days,
        opens=table.opens,
        closes=table.closes,
        holidays=frozenset(table.holidays),
    )
