"""Which sweeps the rules come to: what is asked for beside the default ones, and which of those run more seldom."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

import pytest

from notifier.config.settings import DEFAULT_SWEEPS
from notifier.core.change import Kind
from notifier.core.pushdown import (
    FIELDS,
    FILTER_ROOM,
    QUICK_EVERY,
    SELDOM,
    PlannedSweep,
    Purpose,
    own_sweeps,
    plan_sweeps,
)
from notifier.core.rule import (
    Requirement,
    Rule,
    changed_any,
    condition,
    field_among,
    from_status,
    lead_time,
    max_age,
    on_kinds,
    timed,
    to_status,
)
from notifier.core.sweep import Sweep
from notifier.engage.query import PARAMETERS
from tests.builders import DAY, HOUR, MINUTE, rule, watch

CANCELLED = (on_kinds([Kind.STATUS_CHANGED]), to_status(["CANCELLED"]))
NO_SHOW = (on_kinds([Kind.STATUS_CHANGED]), to_status(["NO_SHOW"]))
MOVED = on_kinds([Kind.RESCHEDULED])
OFFICE = field_among("office", ["12"])
ANYTHING = condition("true", lambda _: (True, "true"))


def plan(*rules: Rule) -> dict[str, PlannedSweep]:
    """Returns the sweeps that the rules come to at the source `acme`, by name."""
    return {planned.sweep.name: planned for planned in plan_sweeps("acme", rules, DEFAULT_SWEEPS)}


def of(*requirements: Requirement, name: str = "any") -> Rule:
    """Returns a rule that asks for this."""
    return rule(*requirements, name=name)


def beats(planned: Mapping[str, PlannedSweep]) -> dict[str, timedelta]:
    """Returns how often each sweep runs."""
    return {name: one.sweep.every for name, one in planned.items()}


def filters(planned: Mapping[str, PlannedSweep], name: str) -> Mapping[str, tuple[str, ...]]:
    """Returns what one sweep asks for."""
    return planned[name].sweep.filters


def test_without_rules_nothing_is_left_out() -> None:
    """Whoever has no rule yet, or none for this source, gets the default sweeps."""
    elsewhere = of(*CANCELLED, field_among("source", ["other"]))
    for rules in ((), (elsewhere,)):
        planned = plan_sweeps("acme", rules, DEFAULT_SWEEPS)
        assert tuple(one.sweep for one in planned) == DEFAULT_SWEEPS
        assert {(one.purpose, one.rules) for one in planned} == {(Purpose.DEFAULT, ())}


@pytest.mark.parametrize(
    "wish",
    [
        (on_kinds([Kind.UPDATED]),),
        (on_kinds([Kind.CREATED]),),
        (on_kinds([Kind.STATUS_CHANGED]),),
        (*CANCELLED, ANYTHING),
        (OFFICE, ANYTHING),
        (on_kinds([Kind.STATUS_CHANGED]), to_status(["CANCELLED", "ACCEPTED"])),
        (on_kinds([Kind.RELOCATED]), OFFICE),
        (on_kinds([Kind.DISCOVERED]), OFFICE),
        (MOVED, changed_any(["office"]), OFFICE),
        (MOVED, field_among("employee", ["301"])),
        (MOVED, field_among("updated_by_type", ["CUSTOMER"])),
        (on_kinds([Kind.VANISHED]),),
        (OFFICE, Requirement("of a later version", "", lambda _: "", lambda _: True, str)),
    ],
)
def test_who_may_want_anything_gets_the_default_sweeps(wish: Iterable[Requirement]) -> None:
    """Such a rule keeps every sweep whole, at its beat."""
    planned = plan_sweeps("acme", [of(*wish)], DEFAULT_SWEEPS)
    assert tuple(one.sweep for one in planned) == DEFAULT_SWEEPS
    assert {(one.purpose, one.rules) for one in planned} == {(Purpose.WHOLE, ("any",))}


def test_rules_that_wait_for_rare_statuses_get_a_quick_sweep() -> None:
    """It asks for their statuses alone; the coming week as a whole is then read more seldom, for the states before."""
    planned = plan(of(*CANCELLED, name="a"), of(*NO_SHOW, name="b"))
    assert planned["quick"] == PlannedSweep(
        Sweep(name="quick", every=QUICK_EVERY, begin=-DAY, end=7 * DAY, filters={"status": ("CANCELLED", "NO_SHOW")}),
        Purpose.QUICK,
        ("a", "b"),
    )
    assert planned["near"].sweep.every == SELDOM * MINUTE == 5 * MINUTE
    assert (planned["near"].purpose, planned["near"].keeps_for) == (Purpose.KEEPS, ("quick",))


def test_a_quick_sweep_notices_within_a_quarter_of_a_minute() -> None:
    """Also if its run takes some seconds."""
    assert timedelta(seconds=5) <= QUICK_EVERY <= timedelta(seconds=12)


def test_elsewhere_the_statuses_are_asked_for_at_the_usual_beat() -> None:
    """Beyond the coming week, too, the whole is read more seldom; what has no date is always read whole."""
    planned = plan(of(*CANCELLED))
    for usual in DEFAULT_SWEEPS[1:4]:
        wanted = planned[f"{usual.name}-wanted"]
        assert (wanted.sweep.every, wanted.sweep.filters) == (usual.every, {"status": ("CANCELLED",)})
        assert wanted.purpose is Purpose.WANTED
        assert planned[usual.name].sweep.every == SELDOM * usual.every
        assert planned[usual.name].keeps_for == (wanted.sweep.name,)
    assert planned["undated"].sweep == DEFAULT_SWEEPS[-1]


def test_a_quick_sweep_reaches_as_far_as_the_lead_times() -> None:
    """Where every rule that it serves has bounds, with some hours of slack; never farther than the sweep beside it."""
    late, early = of(*CANCELLED, lead_time(">0s <24h")), of(*NO_SHOW, lead_time("<=2d"))
    quick = plan(late)["quick"].sweep
    assert (quick.begin, quick.end) == (-2 * HOUR, 26 * HOUR)
    quick = plan(late, early)["quick"].sweep
    assert (quick.begin, quick.end) == (-DAY, 50 * HOUR)
    quick = plan(late, of(*NO_SHOW))["quick"].sweep
    assert (quick.begin, quick.end) == (-DAY, 7 * DAY)
    quick = plan(of(*CANCELLED, lead_time(">=1d")))["quick"].sweep
    assert (quick.begin, quick.end) == (22 * HOUR, 7 * DAY)


def test_a_span_in_which_nothing_is_waited_for_is_read_seldom() -> None:
    """It still tells what was before, once something moves to where a rule waits."""
    planned = plan(of(MOVED, lead_time(">0s <24h")))
    assert beats(planned) == {
        "near": MINUTE,
        "later": 50 * MINUTE,
        "far": 5 * HOUR,
        "past": 150 * MINUTE,
        "undated": 5 * MINUTE,
    }
    assert (planned["later"].purpose, planned["later"].rules, planned["later"].keeps_for) == (Purpose.KEEPS, (), ())


def test_bounds_that_exclude_each_other_wait_for_nothing() -> None:
    """Such a rule never matches, so nothing is read for it."""
    assert plan(of(MOVED, lead_time(">2d <1d")))["near"].sweep.every == 5 * MINUTE


def test_the_quick_sweep_stands_beside_the_whole_one_where_others_need_it() -> None:
    """A rule that wants more keeps the whole sweep at its beat, and is why it is there."""
    planned = plan(of(*CANCELLED, name="a"), of(MOVED, name="b"))
    assert (planned["quick"].rules, planned["near"].rules) == (("a",), ("b",))
    assert planned["near"].sweep == DEFAULT_SWEEPS[0]
    assert planned["later"].rules == ("a", "b")
    assert "later-wanted" not in planned


def test_a_state_before_that_is_asked_for_is_kept_fresh() -> None:
    """A rule with `from`, or on a changed status, is served by the quick sweep, and the whole one keeps its beat."""
    for asked in (from_status(["ACCEPTED"]), changed_any(["status"])):
        planned = plan(of(*CANCELLED, asked))
        assert planned["quick"].rules == planned["near"].rules == ("any",)
        assert planned["near"].sweep == DEFAULT_SWEEPS[0]
        assert "past-wanted" not in planned


def test_new_appointments_of_a_rare_status_are_quick_too() -> None:
    """That they are new is told by when they were made, not by what was before."""
    asked = of(on_kinds([Kind.CREATED, Kind.STATUS_CHANGED]), to_status(["INCOMING_REQUEST"]))
    assert filters(plan(asked), "quick") == {"status": ("INCOMING_REQUEST",)}


def test_what_all_rules_want_is_asked_for() -> None:
    """The values of all of them; the whole is read more seldom."""
    planned = plan(of(MOVED, OFFICE, name="a"), of(MOVED, field_among("office", ["13", "12"]), name="b"))
    assert filters(planned, "near-wanted") == {"office": ("12", "13")}
    assert planned["near-wanted"].rules == ("a", "b")
    assert planned["near-wanted"].sweep.every == MINUTE
    assert planned["near"].sweep.every == 5 * MINUTE
    assert filters(planned, "near") == {}
    undated = dict(DEFAULT_SWEEPS[-1].filters)
    assert filters(planned, "undated") == undated
    assert filters(planned, "undated-wanted") == {**undated, "office": ("12", "13")}


def test_one_rule_that_wants_more_is_enough_to_ask_for_all() -> None:
    """What one rule does not ask for is not filtered by."""
    assert "near-wanted" not in plan(of(MOVED, OFFICE), of(MOVED))
    both = of(MOVED, OFFICE, field_among("meeting_type", ["VIDEO"]))
    assert filters(plan(both, of(MOVED, OFFICE)), "near-wanted") == {"office": ("12",)}


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_of_the_api_can_be_asked_for(field: str) -> None:
    """Under the names of our fields, which the client knows."""
    assert filters(plan(of(MOVED, field_among(field, ["a"]))), "near-wanted") == {field: ("a",)}
    assert field in PARAMETERS


def test_a_quick_sweep_asks_for_what_its_rules_want_besides() -> None:
    """Whatever the rules want that it does not serve."""
    planned = plan(of(*CANCELLED, OFFICE, name="a"), of(MOVED, field_among("subject", ["5"]), name="b"))
    assert filters(planned, "quick") == {"status": ("CANCELLED",), "office": ("12",)}
    assert filters(planned, "near-wanted") == {"subject": ("5",)}
    assert planned["near"].keeps_for == ("quick", "near-wanted")
    assert "later-wanted" not in planned


def test_what_does_not_fit_into_an_address_is_not_asked_for() -> None:
    """Then the query asks for more than is wanted; the status is left out last."""
    many = field_among("office", [f"office-{number}" for number in range(FILTER_ROOM // 20)])
    assert "near-wanted" not in plan(of(MOVED, many))
    both = of(MOVED, many, field_among("subject", ["5"]))
    assert filters(plan(both), "near-wanted") == {"subject": ("5",)}
    half = field_among("office", [str(number) for number in range(100, 139)])
    assert set(filters(plan(of(*CANCELLED, half, field_among("subject", ["5"]))), "quick")) == {"status", "subject"}


def test_how_old_a_change_may_be_changes_nothing() -> None:
    """It is asked when all else is met."""
    assert plan(of(*CANCELLED, max_age(HOUR))) == plan(of(*CANCELLED))


def test_rules_for_this_source_by_name_count() -> None:
    """A list of sources that holds it is as good as none."""
    named = of(*CANCELLED, field_among("source", ["other", "acme"]))
    assert plan(named) == plan(of(*CANCELLED))


def test_own_sweeps_stay_as_they_are() -> None:
    """They are only told which rules they can serve: by their span and by the values that they ask for."""
    mine = (
        Sweep(name="week", every=HOUR, begin=0 * DAY, end=7 * DAY, filters={"office": ("12", "13")}),
        Sweep(name="month", every=HOUR, begin=7 * DAY, end=30 * DAY, filters={}),
    )
    rules = [
        of(MOVED, OFFICE, name="12"),
        of(MOVED, field_among("office", ["14"]), name="14"),
        of(*CANCELLED, lead_time("<24h"), name="late"),
        of(MOVED, field_among("source", ["other"]), name="other"),
    ]
    planned = own_sweeps("acme", rules, mine)
    assert tuple(one.sweep for one in planned) == mine
    assert [one.rules for one in planned] == [("12", "late"), ("12", "14")]
    assert {one.purpose for one in planned} == {Purpose.OWN}


def test_who_asks_the_clock_for_few_is_served_without_hurry() -> None:
    """For a status that few have it is asked alone, at the usual beat; a filter for it, and no quick sweep."""
    asked = watch()
    planned = plan(rule(timed(asked), OFFICE, name="asks", watch=asked))
    assert "quick" not in planned
    assert planned["near-wanted"].rules == ("asks",)
    assert planned["near-wanted"].sweep.every == MINUTE
    assert filters(planned, "near-wanted") == {"status": ("INCOMING_REQUEST",), "office": ("12",)}
    assert planned["near"].sweep.every == SELDOM * MINUTE


def test_who_asks_the_clock_for_most_waits_for_the_seldom_sweeps() -> None:
    """Beside other rules it makes no query of its own; alone it is what the default sweeps are for."""
    asked = watch(kind=Kind.OVERDUE, statuses=frozenset({"ACCEPTED"}))
    overdue = rule(timed(asked), name="asks", watch=asked)
    assert beats(plan(of(*NO_SHOW), overdue)) == beats(plan(of(*NO_SHOW)))
    alone = plan(overdue)
    assert {one.purpose for one in alone.values()} == {Purpose.WHOLE}
    assert {one.rules for one in alone.values()} == {("asks",)}
    assert [one.sweep for one in alone.values()] == list(DEFAULT_SWEEPS)
