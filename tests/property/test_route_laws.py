"""The laws of the route: nothing is lost on it, nothing is doubled, and nothing is due when nobody wants to hear."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from notifier.core.change import Kind
from notifier.core.delivery import Delivery, Reason
from notifier.core.directory import Directory, Entry
from notifier.core.event import Event
from notifier.core.hours import Calendar, Hours, Outside, is_open
from notifier.core.recipients import PLACEHOLDERS, Recipients, is_from_data, possible_channels
from notifier.core.route import Context, route
from notifier.core.rule import ID_FIELDS, STOPPED, TAKEN, Rule, field_among, judge, on_kinds
from notifier.core.silence import Silence, swallows
from notifier.core.walk import walk
from tests.builders import NOW, appointment, created, event

IDS = st.sampled_from(("1", "2", "3"))
SOME = st.none() | IDS
CHANNELS = ("a", "b", "1", "office-1", "office-2", "acme-3")
OFFICES = {"1": "office-1", "2": "nowhere"}
ZONES = {"1": ZoneInfo("Asia/Kathmandu"), "2": ZoneInfo("Pacific/Chatham")}


BOOK = Directory({("office", id_): Entry(zone=ZONES[id_], channels=(OFFICES[id_],)) for id_ in OFFICES})
RECIPIENTS = Recipients(frozenset(CHANNELS), BOOK)

STATES: dict[str, Any] = dict.fromkeys(("office", "subject", "employee", "listing", "lead_segment"), SOME)
EVENTS = st.builds(created, st.builds(appointment, **STATES)) | st.builds(
    lambda before, office: event(before, status="CANCELLED", office=office), st.builds(appointment, **STATES), SOME
)
CALENDARS = st.builds(
    Calendar,
    name=st.sampled_from(("", "team")),
    zone=st.sampled_from((ZoneInfo("Europe/Brussels"), ZoneInfo("America/St_Johns"))),
    zone_of_office=st.booleans(),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    opens=st.builds(time, st.integers(0, 23), st.sampled_from((0, 30))),
    closes=st.builds(time, st.integers(0, 23), st.sampled_from((0, 30))),
)
NAMES = st.sampled_from(
    (*CHANNELS, *(f"{{{name}}}" for name in PLACEHOLDERS), "office-{office}", "{source}-{subject}", "directory:office")
)
REQUIREMENTS = st.lists(
    st.builds(field_among, st.sampled_from(ID_FIELDS[:3]), st.lists(IDS, min_size=1))
    | st.sets(st.sampled_from(Kind), min_size=1).map(on_kinds),
    max_size=2,
).map(tuple)


@st.composite
def rulebooks(draw: st.DrawFn) -> list[Rule]:
    count = draw(st.integers(1, 5))
    return [
        Rule(
            name=f"rule {number}",
            description="",
            requirements=draw(REQUIREMENTS),
            channels=tuple(draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))),
            otherwise="a",
            hours=draw(st.none() | st.builds(Hours, CALENDARS, st.sampled_from(Outside))),
            urgent=draw(st.booleans()),
            stop=draw(st.booleans()),
            fallback=draw(st.booleans()),
        )
        for number in range(count)
    ]


KEYS = st.sampled_from(("office", "subject", "channel", "kind"))
VALUES = st.sampled_from(("1", "2", "a", "created", "status_changed"))


@st.composite
def silences(draw: st.DrawFn) -> Silence:
    return Silence(
        id=draw(st.integers(1, 99)),
        rules=tuple(draw(st.lists(st.sampled_from(("rule 0", "rule 1")), max_size=2))),
        where=tuple(draw(st.dictionaries(KEYS, st.lists(VALUES, min_size=1).map(tuple), max_size=2)).items()),
        author="ana",
        why="move",
        began_at=NOW - timedelta(days=3),
        until=NOW + timedelta(hours=draw(st.integers(-5, 5))),
        ended_at=draw(st.none() | st.just(NOW)),
    )


MOMENTS = st.integers(-5000, 5000).map(lambda minutes: NOW + minutes * timedelta(minutes=1))
CONTEXTS = st.builds(
    Context, now=MOMENTS, silences=st.lists(silences(), max_size=2).map(tuple), recipients=st.just(RECIPIENTS)
)


def routed(rules: list[Rule], about: Event, context: Context) -> list[Delivery]:
    return list(route({one.name: one for one in rules}, about, walk(rules, about), context))


@given(rulebooks(), EVENTS, CONTEXTS)
def test_every_match_is_on_its_way_once(rules: list[Rule], about: Event, context: Context) -> None:
    """Each rule that matched tells somebody, each channel once, silenced or not; the others tell nobody."""
    found = routed(rules, about, context)
    matched = {verdict.rule for verdict in walk(rules, about) if verdict.matched}
    assert {one.rule for one in found} == matched
    assert len({(one.rule, one.channel) for one in found}) == len(found) == len({one.id for one in found})
    free = routed(rules, about, Context(now=context.now, recipients=RECIPIENTS))
    assert [(one.rule, one.channel, one.id) for one in free] == [(one.rule, one.channel, one.id) for one in found]


@given(rulebooks(), EVENTS, CONTEXTS)
def test_nothing_is_routed_nowhere(rules: list[Rule], about: Event, context: Context) -> None:
    """Whatever a name is made of, the channel is one that there is, and that was known to be possible."""
    by_name = {one.name: one for one in rules}
    for one in routed(rules, about, context):
        assert one.channel in CHANNELS
        assert one.channel in possible_channels(by_name[one.rule], RECIPIENTS)
        named = [name for name in by_name[one.rule].channels if not is_from_data(name)]
        assert one.channel in named or one.story[0][0] == "channel"


@given(rulebooks(), EVENTS, CONTEXTS)
def test_what_is_silenced_has_a_reason(rules: list[Rule], about: Event, context: Context) -> None:
    """A silence that lasts and is about it, or hours that say so; whatever is about it swallows it, urgent or not."""
    by_name = {one.name: one for one in rules}
    for one in routed(rules, about, context):
        about_it = [
            silence
            for silence in context.silences
            if silence.ended_at is None
            and context.now < silence.until
            and swallows(silence, one.rule, one.channel, about)
        ]
        assert (one.silenced is Reason.SILENCE) == bool(about_it)
        assert one.silence == (about_it[0].id if about_it else None)
        hours = by_name[one.rule].hours
        if one.silenced is Reason.HOURS:
            assert hours is not None
            assert hours.outside is Outside.SILENCE
            assert not by_name[one.rule].urgent


def calendar_of(rule: Rule, about: Event) -> Calendar | None:
    if rule.hours is None:
        return None
    zone = ZONES.get(about.after.office or "") if rule.hours.calendar.zone_of_office else None
    return replace(rule.hours.calendar, zone=zone) if zone else rule.hours.calendar


@given(rulebooks(), EVENTS, CONTEXTS)
def test_what_waits_is_due_when_its_hours_begin(rules: list[Rule], about: Event, context: Context) -> None:
    """It is never due outside them, and never later than it has to be; nothing is due before now."""
    by_name = {one.name: one for one in rules}
    for one in routed(rules, about, context):
        rule = by_name[one.rule]
        calendar = calendar_of(rule, about)
        if calendar is None or one.silenced or rule.urgent:
            assert (one.due_at, one.not_before) == (context.now, None)
            continue
        assert is_open(calendar, one.due_at)
        assert one.not_before == (None if is_open(calendar, context.now) else one.due_at)
        assert not any(is_open(calendar, moment) for moment in between(context.now, one.due_at))


def between(begin: datetime, end: datetime) -> list[datetime]:
    """Returns some moments from the first on, short of the last."""
    return [begin + (end - begin) * share / 20 for share in range(20)] if begin < end else []


@given(rulebooks(), EVENTS)
def test_a_fallback_sees_what_no_other_took(rules: list[Rule], about: Event) -> None:
    """It is asked if and only if no rule that is none matched, and a fallback before it did not say stop."""
    verdicts = walk(rules, about)
    pairs = list(zip(rules, verdicts, strict=True))
    took = [rule.name for rule, verdict in pairs if not rule.fallback and verdict.matched]
    stopped = ""
    for rule, verdict in pairs:
        if not rule.fallback:
            continue
        if took:
            assert (verdict.matched, verdict.key in {TAKEN, STOPPED}) == (False, True)
        elif stopped:
            assert (verdict.matched, verdict.key, verdict.saw) == (False, STOPPED, stopped)
        else:
            assert verdict == judge(rule, about)
            stopped = rule.name if verdict.matched and rule.stop else ""


@given(rulebooks(), EVENTS)
def test_fallbacks_change_nothing_for_others(rules: list[Rule], about: Event) -> None:
    """Without them, the others say the same."""
    plain = [one for one in rules if not one.fallback]
    said = {verdict.rule: verdict for verdict in walk(rules, about)}
    assert walk(plain, about) == tuple(said[one.name] for one in plain)
