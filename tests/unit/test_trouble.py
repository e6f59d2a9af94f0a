"""When a trouble is told, and when it is over."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest

from notifier.core.trouble import Edge, Finding, OpenTrouble, Step, Trouble, TroubleKind, follow
from tests.builders import MINUTE, NOW, SECOND

AFTER = 5 * MINUTE
NAME = "source acme"
DOWN = Trouble(TroubleKind.UNAVAILABLE, "HTTP 503", patience=AFTER)
REFUSED = Trouble(TroubleKind.REFUSED, "HTTP 401", patience=AFTER)
DOUBT = Trouble(TroubleKind.DOUBTFUL, "much is missing")


def at(minutes: float) -> datetime:
    return NOW + minutes * MINUTE


def told_of(looks: Iterable[tuple[float, Trouble | None]]) -> list[tuple[float, Edge, TroubleKind | None]]:
    """Returns what the operator hears, in minutes, when somebody looks at these moments and finds this."""
    known: OpenTrouble | None = None
    heard = []
    for minutes, trouble in looks:
        step = follow(known, Finding(NAME, at(minutes), trouble), at(minutes), AFTER)
        if step.edge:
            heard.append((minutes, step.edge, step.trouble.kind if step.trouble else None))
        known = step.trouble
    return heard


def test_a_trouble_is_told_when_it_lasts_and_when_it_is_over() -> None:
    """What lasts is told once when it has lasted long enough, and once when all has been well for as long."""
    looks = [(minute, DOWN if minute < 30 else None) for minute in range(60)]
    assert told_of(looks) == [(5, Edge.BEGAN, TroubleKind.UNAVAILABLE), (35, Edge.ENDED, None)]


def test_what_passes_by_itself_is_not_told() -> None:
    """A trouble that is over before it was told leaves no trace."""
    assert told_of([(minute, DOWN if minute < 5 else None) for minute in range(60)]) == []


def test_what_comes_and_goes_is_one_trouble() -> None:
    """A source that fails at every second poll for an hour is told once, and is over once."""
    looks = [(minute, DOWN if minute < 60 and minute % 2 == 0 else None) for minute in range(90)]
    assert told_of(looks) == [(6, Edge.BEGAN, TroubleKind.UNAVAILABLE), (64, Edge.ENDED, None)]


def test_what_waits_for_a_person_is_told_at_once() -> None:
    """A doubt is told at the first look, even where clocks do not agree; once."""
    late = Finding(NAME, at(-3), DOUBT)
    step = follow(None, late, NOW, AFTER)
    assert step.edge is Edge.BEGAN
    assert follow(step.trouble, late, NOW, AFTER) == Step(step.trouble)


def test_a_trouble_that_gets_worse_is_told_again_once() -> None:
    """A source that refuses us after it was silent waits for a person now; back and forth is told no more."""
    kinds = [DOWN] * 10 + [REFUSED, DOWN] * 10
    assert told_of(enumerate(kinds)) == [
        (5, Edge.BEGAN, TroubleKind.UNAVAILABLE),
        (10, Edge.WORSE, TroubleKind.REFUSED),
    ]


def test_a_trouble_that_gets_better_is_not_told_before_it_is_over() -> None:
    """A source that is silent after it refused us is in the same trouble."""
    assert told_of(enumerate([REFUSED] * 8 + [DOWN] * 8)) == [(5, Edge.BEGAN, TroubleKind.REFUSED)]


def test_a_changed_text_is_no_news() -> None:
    """While a trouble lasts, another cause of the same kind tells nothing."""
    other = Trouble(TroubleKind.UNAVAILABLE, "a time-out", patience=AFTER)
    assert len(told_of(enumerate([DOWN, other] * 10))) == 1


def test_what_nobody_looks_at_does_not_last() -> None:
    """Evidence that grows old, as while the daemon is stopped, is no evidence that a trouble lasts."""
    first = follow(None, Finding(NAME, NOW, DOWN), NOW, AFTER)
    assert follow(first.trouble, Finding(NAME, NOW, DOWN), at(600), AFTER) == first


def test_a_trouble_began_when_it_is_known_to() -> None:
    """Where it is known since when something is wrong, that counts; else when it was first seen."""
    early = Trouble(TroubleKind.UNAVAILABLE, "HTTP 503", patience=AFTER, since=at(-7))
    step = follow(None, Finding(NAME, NOW, early), NOW, AFTER)
    assert step.trouble == OpenTrouble(
        name=NAME, kind=TroubleKind.UNAVAILABLE, text="HTTP 503", began_at=at(-7), told_at=NOW
    )
    assert step.edge is Edge.BEGAN


@pytest.mark.parametrize("trouble", [DOWN, None])
def test_a_look_repeated_changes_nothing(trouble: Trouble | None) -> None:
    """A look that is made again, as by the next process, tells nothing again."""
    known = follow(None, Finding(NAME, NOW, DOUBT), NOW, AFTER).trouble
    once = follow(known, Finding(NAME, at(1), trouble), at(1), AFTER)
    assert follow(once.trouble, Finding(NAME, at(1), trouble), at(1), AFTER) == Step(once.trouble)


def test_calm_is_measured_from_the_first_good_look() -> None:
    """One second less than the calm is not over."""
    known = follow(None, Finding(NAME, NOW, DOUBT), NOW, AFTER).trouble
    well = follow(known, Finding(NAME, at(1), None), at(1), AFTER).trouble
    assert well is not None
    assert well.well_since == at(1)
    assert follow(well, Finding(NAME, at(6) - SECOND, None), at(6), AFTER) == Step(well)
    assert follow(well, Finding(NAME, at(6), None), at(6), timedelta(minutes=5)) == Step(None, Edge.ENDED)


def test_a_clock_that_was_put_back_delays_nothing() -> None:
    """What is on record as later than now counts from now on: the begin is told in time, and so is the end."""
    first = follow(None, Finding(NAME, at(600), DOWN), at(600), AFTER).trouble
    again = follow(first, Finding(NAME, at(1), DOWN), at(1), AFTER).trouble
    assert again is not None
    assert again.began_at == at(1)
    told = follow(again, Finding(NAME, at(6), DOWN), at(6), AFTER)
    assert told.edge is Edge.BEGAN
    well = follow(told.trouble, Finding(NAME, at(600), None), at(600), AFTER).trouble
    back = follow(well, Finding(NAME, at(7), None), at(7), AFTER).trouble
    assert back is not None
    assert back.well_since == at(7)
    assert follow(back, Finding(NAME, at(12), None), at(12), AFTER).edge is Edge.ENDED


def test_a_lane_that_gets_worse_is_told_step_by_step() -> None:
    """A lane that is paused, will be switched off, and is, is told three times; each waits for a person more."""
    paused = Trouble(TroubleKind.PAUSED, "HTTP 503", patience=AFTER)
    closing, off = Trouble(TroubleKind.CLOSING, "HTTP 503"), Trouble(TroubleKind.OFF, "HTTP 503")
    looks = [paused] * 10 + [closing] * 10 + [off] * 10
    assert told_of(enumerate([*looks, None, None, None, None, None, None])) == [
        (5, Edge.BEGAN, TroubleKind.PAUSED),
        (10, Edge.WORSE, TroubleKind.CLOSING),
        (20, Edge.WORSE, TroubleKind.OFF),
        (35, Edge.ENDED, None),
    ]


def test_the_newest_mistake_is_on_record() -> None:
    """A configuration that is wrong otherwise now tells nothing again, but whoever looks sees what is wrong now."""
    first, second = (Trouble(TroubleKind.CONFIGURATION, text) for text in ("a.toml:1: one", "a.toml:2: two"))
    known = follow(None, Finding(NAME, NOW, first), NOW, AFTER).trouble
    step = follow(known, Finding(NAME, at(1), second), at(1), AFTER)
    assert step.edge is None
    assert step.trouble is not None
    assert step.trouble.text == second.text
