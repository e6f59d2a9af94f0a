"""What the cases of a test show of the rules."""

from dataclasses import replace
from zoneinfo import ZoneInfo

from notifier.core.coverage import Uncovered, measure_coverage
from notifier.core.delivery import Reason
from notifier.core.hours import Calendar, Hours
from notifier.core.rule import Verdict, lead_time, to_status
from notifier.core.walk import walk
from tests.builders import NOW, event, rule
from tests.store_values import owed

LATE = rule(to_status(["CANCELLED"]), lead_time("<24h"), name="late")
LAST = rule(to_status(["NO_SHOW"]), name="last", stop=True)


def test_a_rule_is_covered_by_what_met_it_and_what_each_key_turned_away() -> None:
    """What was met, and turned something away by each of its keys, is covered; all else is named."""
    verdicts = [*walk([LATE, LAST], event(status="CANCELLED")), *walk([LATE, LAST], event(status="COMPLETED"))]
    found = measure_coverage([LATE, LAST], verdicts)
    assert (found.rules, found.rules_met, found.keys, found.keys_shown) == (2, 1, 4, 2)
    assert found.uncovered == (
        Uncovered("late", never_met=False, keys=("where.lead_time",)),
        Uncovered("last", never_met=True, keys=("stop",)),
    )


def test_a_stop_is_covered_by_what_it_spared() -> None:
    """The key of the rule that matched is covered, not one of the rule that was spared."""
    found = measure_coverage([LAST, LATE], walk([LAST, LATE], event(status="NO_SHOW")))
    assert found.uncovered == (
        Uncovered("last", never_met=False, keys=("to",)),
        Uncovered("late", never_met=True, keys=("to", "where.lead_time")),
    )


def test_without_cases_nothing_is_covered() -> None:
    """No verdict covers no rule."""
    found = measure_coverage([LATE], [])
    assert (found.rules_met, found.keys_shown, len(found.uncovered)) == (0, 0, 1)


def test_hours_are_covered_by_what_fell_outside() -> None:
    """What came within the hours says nothing about them; what waits for them, or is silenced by them, does."""
    timed = rule(name="timed", hours=Hours(Calendar(name="day", zone=ZoneInfo("UTC"))))
    within = replace(owed(event(), "desk", "timed"), story=(("hours", "within mon-fri"),))
    outside = replace(within, not_before=NOW)
    silenced = replace(within, silenced=Reason.HOURS)
    for deliveries, left in (((within,), ("hours",)), ((within, outside), ()), ((silenced,), ())):
        found = measure_coverage([timed], [Verdict("timed", matched=True)], deliveries)
        assert [one.keys for one in found.uncovered] == ([left] if left else [])


def test_a_fallback_is_covered_by_what_another_rule_took() -> None:
    """Only what the fallback did not get shows that it is one."""
    last = rule(name="last", fallback=True)
    off = event(status="CANCELLED")
    assert measure_coverage([last], walk([last], off)).uncovered == (
        Uncovered("last", never_met=False, keys=("fallback",)),
    )
    both = [*walk([rule(), last], off), *walk([last], off)]
    assert not measure_coverage([last], both).uncovered
