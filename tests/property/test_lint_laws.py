"""The laws of lint: it never cries wolf. What it says that never happens, never happens."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from notifier.core.appointment import STATUSES, Appointment
from notifier.core.change import Kind, compare, first_difference, kinds_of
from notifier.core.duration import write_duration
from notifier.core.event import Event
from notifier.core.lint import Code, lint_rules, shadows
from notifier.core.rule import (
    Requirement,
    Rule,
    changed_any,
    field_among,
    from_status,
    judge,
    lead_time,
    max_age,
    on_kinds,
    to_status,
)
from notifier.core.walk import walk
from tests.builders import NOW, appointment, event, rule

FEW = STATUSES[:3]
STATES = st.builds(
    appointment,
    status=st.sampled_from((*FEW, "WAITLISTED")),
    start=st.sampled_from((None, *(NOW + timedelta(hours=hours) for hours in (-1, 0, 1, 2)))),
    office=st.sampled_from((None, "1", "2")),
    employee=st.sampled_from(("1", "2")),
    listing=st.sampled_from((None, "1")),
)


def made(kinds: tuple[Kind, ...], before: Appointment | None, after: Appointment) -> Event:
    """Returns the event of these kinds, with what differs."""
    changes = () if before is None else compare(before, after)
    return replace(event(), kinds=kinds, changes=changes, before=before, after=after)


def changed(before: Appointment, after: Appointment, *, again: bool) -> Event | None:
    """Returns the event that a known appointment changed, maybe while it was not listed; None where there is none."""
    kinds = kinds_of(compare(before, after))
    kinds = tuple(kind for kind in Kind if kind in kinds or (again and kind is Kind.DISCOVERED))
    return made(kinds, before, after) if kinds else None


def seen_first(after: Appointment, *, created: bool) -> Event:
    """Returns the event of a first sight."""
    kinds, changes = first_difference(after, created=created)
    return replace(made(kinds, None, after), changes=changes)


EVENTS = st.one_of(
    st.builds(changed, STATES, STATES, again=st.booleans()).filter(bool),
    st.builds(seen_first, STATES, created=st.booleans()),
    st.builds(lambda last: made((Kind.VANISHED,), last, last), STATES),
)
BOUNDS = st.sampled_from((timedelta(0), timedelta(hours=1), timedelta(hours=2)))
COMPARISONS = st.builds(
    lambda sign, bound: f"{sign}{write_duration(bound)}", st.sampled_from(("<", "<=", ">", ">=")), BOUNDS
)


def some(values: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    """Returns a few of the values."""
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


REQUIREMENTS = st.one_of(
    st.sets(st.sampled_from(Kind), min_size=1, max_size=2).map(on_kinds),
    some(FEW).map(from_status),
    some(FEW).map(to_status),
    some(("status", "start", "office", "listing")).map(changed_any),
    some(("1", "2")).map(lambda values: field_among("office", values)),
    st.lists(COMPARISONS, min_size=1, max_size=2).map(" ".join).map(lead_time),
    BOUNDS.map(max_age),
)
RULES = st.builds(
    lambda requirements, name, stop: rule(*requirements, name=name, stop=stop),
    st.lists(REQUIREMENTS, max_size=4),
    st.sampled_from(("a", "b", "c")),
    st.booleans(),
)


@given(RULES, EVENTS)
def test_what_never_matches_does_not(one: Rule, about: Event) -> None:
    """No event that the poll line makes meets a rule that is said to meet none."""
    if any(finding.code is Code.NEVER for finding in lint_rules([one])):
        assert not judge(one, about).matched


@given(st.lists(REQUIREMENTS, min_size=2, max_size=4), EVENTS)
def test_an_idle_value_makes_no_difference(requirements: list[Requirement], about: Event) -> None:
    """The rule without it says the same."""
    one = rule(*requirements)
    for finding in lint_rules([one]):
        if finding.code is Code.IDLE_VALUE:
            idle = finding.text.split("`")[1]
            without = [
                _without(requirement, idle) if requirement.key == finding.key else requirement
                for requirement in requirements
            ]
            assume(len([True for requirement in requirements if requirement.key == finding.key]) == 1)
            assert judge(one, about).matched == judge(rule(*without), about).matched


def _without(requirement: Requirement, value: str) -> Requirement:
    left = sorted(requirement.values - {value})
    match requirement.key:
        case "on":
            return on_kinds(Kind(kind) for kind in left)
        case "from":
            return from_status(left)
        case "to":
            return to_status(left)
    return changed_any(left)


@given(st.lists(RULES, min_size=2, max_size=4), EVENTS)
def test_what_is_shadowed_gets_nothing(rules: list[Rule], about: Event) -> None:
    """A rule that is said to be shadowed is never told of anything."""
    numbered = [replace(one, name=str(number)) for number, one in enumerate(rules)]
    shadowed = {finding.name for finding in lint_rules(numbered) if finding.code is Code.SHADOWED}
    assert not {verdict.rule for verdict in walk(numbered, about) if verdict.matched} & shadowed


@given(RULES, st.lists(REQUIREMENTS, max_size=3))
def test_a_narrower_rule_is_shadowed(one: Rule, more: list[Requirement]) -> None:
    """A rule that asks for all that an earlier one asks for, and for more, is found."""
    assert shadows(replace(one, stop=True), replace(one, requirements=(*more, *one.requirements)))
    assert not shadows(replace(one, stop=False), one)
