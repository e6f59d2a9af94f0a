"""Laws of languages: each says the same of every event, to every target, and only its words differ."""

import re
from collections import Counter
from datetime import timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from notifier.catalogue import CODES, language_of
from notifier.core.appointment import MEETING_TYPES, STATUSES, Appointment
from notifier.core.change import TIMED, Kind, compare
from notifier.core.digest import Gathered, digest
from notifier.core.escape import Target
from notifier.core.event import Event, Firing
from notifier.core.headline import happening, headline
from notifier.core.language import ENGLISH, Language, capitalised
from notifier.core.message import Message, Renderer
from notifier.core.readers import Readers
from notifier.core.watch import event_of
from tests.builders import HOUR, NOW, appointment, created, discovered, rule, seen, step, watch

ZONE = ZoneInfo("Europe/Brussels")
OTHERS = tuple(language_of(code) for code in CODES if code != "en")
LANGUAGES = st.sampled_from(OTHERS)
TARGETS = st.sampled_from(Target)

# Ids that stand out among days, hours and numbers of changes.
IDS = st.none() | st.integers(700_000, 700_009).map(str)
STATES = st.builds(
    appointment,
    status=st.sampled_from((*STATUSES, "WAITLISTED")),
    meeting_type=st.none() | st.sampled_from(MEETING_TYPES),
    start=st.none() | st.integers(-100, 100).map(lambda hours: NOW + timedelta(hours=hours)),
    other_employees=st.lists(IDS.filter(bool), max_size=2).map(tuple),
    **dict.fromkeys(("office", "subject", "employee", "customer", "meeting_room", "updated_by"), IDS),
    updated_by_type=st.none() | st.sampled_from(("EMPLOYEE", "CUSTOMER")),
    hybrid=st.none() | st.booleans(),
)


def between(before: Appointment, after: Appointment) -> Event:
    """Returns the step, or the discovery of a state that was there already."""
    return step(before, after) if compare(before, after) else discovered(after)


def lasting(state: Appointment, kind: Kind, hours: int, number: int, escalation: bool) -> Event:
    """Returns what the clock makes of a state that lasts."""
    begun = NOW - hours * HOUR
    firing = Firing("any", begun, NOW, number, escalation)
    return event_of("acme", watch(kind=kind), state, firing, NOW)


EVENTS = st.one_of(
    st.builds(between, STATES, STATES),
    st.builds(created, STATES),
    st.builds(discovered, STATES),
    st.builds(lasting, STATES, st.sampled_from(sorted(TIMED)), st.integers(0, 200), st.integers(0, 3), st.booleans()),
)


def marks_in(text: str) -> Counter[str]:
    """Returns the ids and the times of day in a text, which no language may change."""
    return Counter(re.findall(r"70000\d|\d\d:\d\d", text))


def message(about: Event, readers: Readers, target: Target) -> Message:
    return Renderer(readers, target).render(seen(about), rule(), NOW)


@given(EVENTS, LANGUAGES, TARGETS)
def test_a_message_tells_the_same_in_every_language(about: Event, language: Language, target: Target) -> None:
    """The ids and times in it are those of the English one, line by line, and nothing is left to be filled in.

    As far as a title is not cut: some languages need more room.
    """
    english, other = (message(about, Readers(ZONE, language=one), target) for one in (ENGLISH, language))
    assume("…" not in english.title + other.title)
    assert marks_in(other.title) == marks_in(english.title)
    lines, english_lines = other.body.splitlines(), english.body.splitlines()
    assert [marks_in(line) for line in lines] == [marks_in(line) for line in english_lines]
    assert not re.search(r"[{}]", f"{other.title}{other.body}")


@given(EVENTS, LANGUAGES)
def test_no_english_is_left(about: Event, language: Language) -> None:
    """Every word that is not cut stands in the catalogue or the locale data, or is no word of ours."""
    there = message(about, Readers(ZONE, language=language), Target.TEXT)
    assume("…" not in there.title)
    assert words_in(f"{there.title} {there.body}") <= vocabulary(language) | {"Europe", "Brussels", "WAITLISTED"}


@given(st.lists(EVENTS, min_size=1, max_size=5), LANGUAGES, TARGETS)
def test_a_table_tells_the_same_in_every_language(told: list[Event], language: Language, target: Target) -> None:
    """So does the message that tells several changes, as far as a cell is not cut, and it is as long."""
    about = Gathered("any", (("office", "700001"),), tuple(seen(one) for one in told))
    english, other = (digest(about, Readers(ZONE, language=one), target) for one in (ENGLISH, language))
    assume("…" not in english.body + other.body)
    assert marks_in(other.body) == marks_in(english.body)
    assert other.body.count("\n") == english.body.count("\n")
    assert words_in(re.sub(r"<[^>]+>", " ", other.body)) <= vocabulary(language) | {"WAITLISTED"}


@given(EVENTS, LANGUAGES)
def test_only_the_first_letter_changes_at_the_front(about: Event, language: Language) -> None:
    """A headline is what stands in the middle of a sentence, with a capital."""
    front, inside = headline(about, language), happening(about, language)
    assert front[1:] == inside[1:]
    assert front[0] == inside[0].upper()


def words_in(text: str) -> set[str]:
    """Returns the words of a text, each as it stands."""
    return set(re.findall(r"[^\W\d_]{3,}", text))


@cache
def vocabulary(language: Language) -> frozenset[str]:
    """Returns all words that a language has, with and without a capital."""
    phrases = (re.sub(r"{\w+}", " ", text) for text in language.phrases.values())
    texts = " ".join((*phrases, *language.words.values(), *language.fields.values(), *language.days, *language.months))
    return frozenset(words_in(texts) | {capitalised(word) for word in words_in(texts)})
