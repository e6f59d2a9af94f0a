"""The languages that messages can be written in: words from files of the package, times as babel's data has them."""

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Final, Literal

from babel import Locale
from babel.units import format_unit

from notifier.core.language import ENGLISH, Language

CODES: Final = ("en", "de", "fr", "nl")
"""What there is a catalogue for."""

_DATE_PARTS = {"E": "{weekday}", "d": "{day}", "MMM": "{month}", "y": "{year}"}


@cache
def language_of(code: str) -> Language:
    """Returns the language of one of the codes, each time the same."""
    return ENGLISH if code == ENGLISH.code else _read(code)


def _read(code: str) -> Language:
    locale = Locale(code)
    catalogue = tomllib.loads(files("notifier").joinpath("languages", f"{code}.toml").read_text("utf-8"))
    days, months = locale.days["format"]["abbreviated"], locale.months["format"]["abbreviated"]
    return Language(
        code=code,
        words=catalogue["words"],
        phrases=_units(code) | catalogue["phrases"],
        days=tuple(days[number] for number in range(7)),
        months=tuple(months[number] for number in range(1, 13)),
        date_pattern=_date_pattern(locale, "yMMMEd"),
        brief_date_pattern=_date_pattern(locale, "MMMEd"),
        moment_pattern=locale.datetime_formats["medium"].replace("{1}", "{date}").replace("{0}", "{time}"),
        fields=catalogue["fields"],
    )


def _date_pattern(locale: Locale, skeleton: str) -> str:
    return re.sub("[A-Za-z]+", lambda part: _DATE_PARTS[part[0]], locale.datetime_skeletons[skeleton].pattern)


def _units(code: str) -> dict[str, str]:
    """Returns how durations are written; the catalogue knows how they are declined, where they are."""
    day, days = (_unit(code, "duration-day", number, "long") for number in (1, 2))
    return {
        "duration.day": day,
        "duration.days": days,
        "duration.day_declined": day,
        "duration.days_declined": days,
        "duration.hours": _unit(code, "duration-hour", 2, "short"),
        "duration.minutes": _unit(code, "duration-minute", 2, "short"),
    }


def _unit(code: str, unit: str, number: int, length: Literal["long", "short"]) -> str:
    # Dutch has the long one only under the name of the short one.
    lengths: tuple[Literal["long", "short"], ...] = (length, "short")
    texts = (format_unit(number, unit, one, locale=code) for one in lengths)
    return next(text for text in texts if unit not in text).replace(str(number), "{number}")
