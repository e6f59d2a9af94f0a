"""The languages of messages: their catalogues fit each other, and each writes times in its own way."""

from datetime import UTC, datetime, timedelta
from string import Formatter
from zoneinfo import ZoneInfo

import pytest

from notifier.catalogue import CODES, language_of
from notifier.core.language import ENGLISH

LANGUAGES = {code: language_of(code) for code in CODES}
BRUSSELS = ZoneInfo("Europe/Brussels")
NOW = datetime(2026, 3, 3, 8, 30, tzinfo=UTC)


def names_in(phrase: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(phrase) if name is not None}


@pytest.mark.parametrize("code", CODES)
def test_every_catalogue_has_the_same_keys_and_placeholders(code: str) -> None:
    """No language lacks a phrase, or a value that the others put into it."""
    placeholders = {key: names_in(phrase) for key, phrase in LANGUAGES[code].phrases.items()}
    assert placeholders == {key: names_in(phrase) for key, phrase in ENGLISH.phrases.items()}
    assert LANGUAGES[code].words.keys() == ENGLISH.words.keys()
    assert all(phrase.strip() for phrase in LANGUAGES[code].phrases.values())


@pytest.mark.parametrize(
    ("code", "moment"),
    [
        ("en", "Tue 3 Mar 2026, 09:30"),
        ("de", "Di., 3. März 2026, 09:30"),
        ("fr", "mar. 3 mars 2026, 09:30"),
        ("nl", "di 3 mrt 2026, 09:30"),
    ],
)
def test_a_moment_is_written_as_the_language_does(code: str, moment: str) -> None:
    """Names, order and marks are those of the language, the clock is the zone's."""
    assert LANGUAGES[code].say_moment(NOW, BRUSSELS) == moment


@pytest.mark.parametrize(
    ("code", "ahead", "past"),
    [
        ("en", "in 2 days 3 h", "2 days 3 h ago"),
        ("de", "in 2 Tagen 3 Std.", "vor 2 Tagen 3 Std."),
        (
            "fr",
            "dans 2\N{NO-BREAK SPACE}jours 3\N{NARROW NO-BREAK SPACE}h",
            "il y a 2\N{NO-BREAK SPACE}jours 3\N{NARROW NO-BREAK SPACE}h",
        ),
        ("nl", "over 2 dagen 3 uur", "2 dagen 3 uur geleden"),
    ],
)
def test_how_far_away_a_start_is_keeps_to_the_grammar(code: str, ahead: str, past: str) -> None:
    """After its preposition, a duration is declined."""
    far = timedelta(days=2, hours=3)
    assert LANGUAGES[code].say_until(NOW + far, NOW) == ahead
    assert LANGUAGES[code].say_until(NOW - far, NOW) == past


def test_a_duration_alone_is_not_declined() -> None:
    """German has `2 Tage`, but `in 2 Tagen`."""
    assert LANGUAGES["de"].say_duration(timedelta(days=2)) == "2 Tage"
