"""The laws of rules: every question has an answer, and the answer says why."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import takewhile

from hypothesis import given
from hypothesis import strategies as st

from notifier.core.appointment import STATUSES, WATCHED_FIELDS, Appointment
from notifier.core.change import Kind, compare
from notifier.core.duration import say_duration, write_duration
from notifier.core.event import Event
from notifier.core.rule import (
    ID_FIELDS,
    STOPPED,
    WORD_FIELDS,
    Requirement,
    Rule,
    Verdict,
    changed_any,
    field_among,
    from_status,
    judge,
    lead_time,
    max_age,
    on_kinds,
    to_status,
)
from notifier.core.walk import Rules, walk
from tests.builders import NOW, appointment, created, discovered, event, step, undated

WORDS = st.sampled_from(("1", "2", "OFFICE", "EMPLOYEE"))
SOME = st.none() | WORDS
STATES = st.builds(
    appointment,
    status=st.sampled_from((*STATUSES, "WAITLISTED")),
    start=st.none() | st.integers(-100, 100).map(lambda hours: NOW + timedelta(hours=hours)),
    other_employees=st.lists(WORDS, max_size=2).map(tuple),
    **dict.fromkeys((*ID_FIELDS, *WORD_FIELDS), SOME),
)


def between(before: Appointment, after: Appointment) -> Event:
    """Returns the step, or the discovery of a state that was there already."""
    return step(before, after) if compare(before, after) else discovered(after)


EVENTS = st.builds(between, STATES, STATES) | st.builds(created, STATES) | st.builds(discovered, STATES)
DURATIONS = st.integers(-(10**6), 10**6).map(lambda seconds: timedelta(seconds=seconds))
SIGNS = st.sampled_from(("<", "<=", ">", ">="))

REQUIREMENTS = st.one_of(
    st.sets(st.sampled_from(Kind), min_size=1).map(on_kinds),
    st.sets(st.sampled_from(STATUSES), min_size=1).map(sorted).map(from_status),
    st.sets(st.sampled_from(STATUSES), min_size=1).map(sorted).map(to_status),
    st.builds(field_among, st.sampled_from((*ID_FIELDS, *WORD_FIELDS, "source")), st.lists(WORDS, min_size=1)),
    st.lists(st.sampled_from(WATCHED_FIELDS), min_size=1).map(changed_any),
    st.builds(lambda sign, bound: lead_time(f"{sign}{write_duration(bound)}"), SIGNS, DURATIONS),
    DURATIONS.map(max_age),
)
RULES = st.builds(
    lambda name, requirements, stop: Rule(
        name=name, description="", requirements=requirements, channels=("desk",), stop=stop
    ),
    st.text(max_size=3),
    st.lists(REQUIREMENTS, max_size=4).map(tuple),
    st.booleans(),
)


@given(RULES, EVENTS)
def test_judge_has_a_verdict_on_everything(rule: Rule, about: Event) -> None:
    """It matches if all keys hold; else it names the first that does not, with what was wanted and seen."""
    verdict = judge(rule, about)
    answers = [(requirement, *requirement.check(about)) for requirement in rule.requirements]
    held = list(takewhile(lambda answer: answer[1], answers))
    if len(held) == len(answers):
        assert verdict == Verdict(rule.name, matched=True)
    else:
        requirement, _, saw = answers[len(held)]
        assert verdict == Verdict(rule.name, matched=False, key=requirement.key, wanted=requirement.wanted, saw=saw)
        assert verdict.key
        assert verdict.wanted
        assert verdict.saw or verdict.key.startswith("where.")


@st.composite
def rulebooks(draw: st.DrawFn) -> Rules:
    """Returns rules that ask for much the same, which they share as those of a rulebook do."""
    pool = draw(st.lists(REQUIREMENTS, min_size=1, max_size=6))
    asked = st.lists(st.sampled_from(pool), max_size=4).map(tuple)
    last = draw(st.integers(0, 11))
    return Rules(
        Rule(name=f"rule {number}", description="", requirements=draw(asked), channels=(), stop=number == last)
        for number in range(draw(st.integers(0, 8)))
    )


@given(rulebooks() | st.lists(RULES, max_size=5), st.lists(EVENTS, min_size=1, max_size=3))
def test_walk_gives_one_verdict_a_rule(rules: Sequence[Rule], events: list[Event]) -> None:
    """In their order; up to the one that ends the walk they are what judge says, after it nobody is asked."""
    for about in events:
        verdicts = walk(rules, about)
        assert [verdict.rule for verdict in verdicts] == [rule.name for rule in rules]
        judged = [judge(rule, about) for rule in rules]
        ends = [number for number, rule in enumerate(rules) if rule.stop and judged[number].matched]
        asked = ends[0] + 1 if ends else len(rules)
        assert list(verdicts[:asked]) == judged[:asked]
        for verdict in verdicts[asked:]:
            assert (verdict.matched, verdict.key, verdict.saw) == (False, STOPPED, rules[asked - 1].name)


@given(RULES, EVENTS)
def test_a_verdict_depends_on_nothing_else(rule: Rule, about: Event) -> None:
    """Asked twice, a rule says the same."""
    assert judge(rule, about) == judge(rule, about)


@given(REQUIREMENTS, REQUIREMENTS, EVENTS)
def test_a_rule_with_more_keys_matches_no_more(one: Requirement, other: Requirement, about: Event) -> None:
    """All keys must hold, so their order can change the reason but not the answer."""
    both, turned = (
        judge(Rule(name="r", description="", requirements=keys, channels=()), about).matched
        for keys in ((one, other), (other, one))
    )
    assert both == turned == (one.check(about)[0] and other.check(about)[0])


@given(SIGNS, DURATIONS, DURATIONS)
def test_lead_times_agree_with_arithmetic(sign: str, bound: timedelta, lead: timedelta) -> None:
    """Each sign holds where it does for numbers."""
    about = event(appointment(start=NOW + lead), status="CANCELLED", updated_at=NOW)
    holds, saw = lead_time(f"{sign}{write_duration(bound)}").check(about)
    left, right = lead.total_seconds(), bound.total_seconds()
    assert holds == {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[sign]
    assert saw.endswith("after the start" if left < 0 else "before the start")


@given(DURATIONS, DURATIONS, DURATIONS)
def test_two_bounds_must_both_hold(low: timedelta, high: timedelta, lead: timedelta) -> None:
    """Written one after the other, with or without a space."""
    about = event(appointment(start=NOW + lead), status="CANCELLED", updated_at=NOW)
    text = f">{write_duration(low)} <={write_duration(high)}"
    assert lead_time(text).check(about)[0] == (low < lead <= high)
    assert lead_time(text.replace(" ", "")).check(about) == lead_time(text).check(about)


@given(SIGNS, DURATIONS)
def test_an_undated_appointment_meets_no_bound(sign: str, bound: timedelta) -> None:
    """Neither a lower one nor an upper one."""
    assert lead_time(f"{sign}{write_duration(bound)}").check(event(undated())) == (False, "no start")


@given(REQUIREMENTS, EVENTS)
def test_what_a_requirement_tells_programs_is_true(requirement: Requirement, about: Event) -> None:
    """An event that meets it has one of its values, and lies within its bounds."""
    if not requirement.check(about)[0]:
        return
    values: dict[str, set[str | None]] = {
        "on": set(about.kinds),
        "from": {about.before.status} if about.before else set(),
        "to": {about.after.status},
        "where.source": {about.source},
        "where.changed": {change.field for change in about.changes},
        "where.employee": {about.after.employee, *about.after.other_employees},
        "where.customer": {about.after.customer, *about.after.other_customers},
    }
    name = requirement.key.removeprefix("where.")
    if requirement.values:
        seen = values.get(requirement.key) or {getattr(about.after, name)}
        assert requirement.values & seen
    least, most = requirement.bounds
    assert least is None or (about.lead_time is not None and about.lead_time >= least)
    assert most is None or (about.lead_time is not None and about.lead_time <= most)


@given(DURATIONS.map(abs), DURATIONS.map(abs))
def test_a_change_is_too_late_when_it_is_older(longest: timedelta, age: timedelta) -> None:
    """No more and no less than the rule says; the verdict tells the age."""
    about = event(appointment(updated_at=NOW - age - timedelta(seconds=1)), status="CANCELLED", updated_at=NOW - age)
    assert max_age(longest).check(about) == (age <= longest, say_duration(age))


@given(st.text(alphabet="<>=0123456789smhdw +-", max_size=12))
def test_a_lead_time_is_read_or_refused(text: str) -> None:
    """Whatever is written, it is a comparison or a ValueError."""
    try:
        requirement = lead_time(text)
    except ValueError:
        return
    assert requirement.wanted == text
    assert isinstance(requirement.check(event())[0], bool)
