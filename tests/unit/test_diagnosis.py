"""What the figures on record say about sources, sweeps, budgets and channels."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from notifier.core.diagnosis import (
    Pulse,
    examine_beats,
    examine_former,
    examine_source,
    examine_sweep,
    names_of,
)
from notifier.core.load import Demand, Load, weigh
from notifier.core.sweep import SweepOutcome, SweepRun
from notifier.core.trouble import Finding, TroubleKind
from tests.builders import HOUR, MINUTE, NOW, SECOND

AFTER = 5 * MINUTE
OK, INCOMPLETE, DOUBTFUL = SweepOutcome.OK, SweepOutcome.INCOMPLETE, SweepOutcome.DOUBTFUL
UNAVAILABLE, REFUSED, CRASHED = SweepOutcome.UNAVAILABLE, SweepOutcome.REFUSED, SweepOutcome.CRASHED


def pulse(sweep: str = "near", outcome: SweepOutcome = OK, ago: timedelta = SECOND, **changes: Any) -> Pulse:
    """Returns what is on record of a sweep whose last run began so long ago and took a second."""
    run = SweepRun(
        source="acme",
        sweep=sweep,
        started_at=NOW - ago,
        finished_at=NOW - ago + SECOND,
        outcome=outcome,
        pages=1,
        rows=7,
        error="" if outcome is OK else f"why {sweep}",
    )
    since = None if outcome is OK else run.started_at
    usual = Pulse(source="acme", sweep=sweep, every=MINUTE, last=run, failing_since=since, held=False)
    return replace(usual, **changes)


def summed(finding: Finding | None) -> tuple[str, TroubleKind | None] | None:
    return None if finding is None else (finding.name, finding.trouble.kind if finding.trouble else None)


# ---- sources


def test_a_source_that_answers_is_well() -> None:
    """The newest answer is the evidence, whatever the answer was."""
    finding = examine_source("acme", [pulse(ago=MINUTE), pulse("far", DOUBTFUL)], AFTER)
    assert finding == Finding("source acme", NOW, None)


def test_nothing_is_known_of_a_source_before_its_first_answer() -> None:
    """Before the first run, and while all runs crash, a source is neither well nor in trouble."""
    assert examine_source("acme", [pulse(last=None), pulse("far", CRASHED)], AFTER) is None


@pytest.mark.parametrize(("outcome", "kind"), [(UNAVAILABLE, TroubleKind.UNAVAILABLE), (REFUSED, TroubleKind.REFUSED)])
def test_a_source_that_is_down_is_one_trouble(outcome: SweepOutcome, kind: TroubleKind) -> None:
    """Sweeps that fail together are the source's trouble, since the first failure of the one that failed last."""
    near = pulse("near", outcome, failing_since=NOW - 7 * MINUTE)
    finding = examine_source("acme", [near, pulse("far", UNAVAILABLE, 6 * MINUTE), pulse("past", OK, HOUR)], AFTER)
    assert summed(finding) == ("source acme", kind)
    assert finding is not None
    assert finding.trouble is not None
    assert (finding.trouble.text, finding.trouble.since) == ("why near", NOW - 7 * MINUTE)
    assert finding.trouble.patience == AFTER


def test_sweeps_that_began_together_are_no_counter_evidence() -> None:
    """An answer to a run that began when the trouble did, as beats coincide, does not say that the source answers."""
    together = pulse("far", OK, 10 * MINUTE - 30 * SECOND)
    near = pulse("near", UNAVAILABLE, failing_since=NOW - 10 * MINUTE)
    assert summed(examine_source("acme", [near, together], AFTER)) == ("source acme", TroubleKind.UNAVAILABLE)


def test_a_source_that_answers_others_is_well() -> None:
    """A sweep that goes on failing while another one is answered is not the source's trouble."""
    alone = pulse("near", UNAVAILABLE, failing_since=NOW - 10 * MINUTE)
    assert summed(examine_source("acme", [alone, pulse("far", OK, MINUTE)], AFTER)) == ("source acme", None)


def test_a_source_is_back_with_its_first_answer() -> None:
    """After an outage the source is well as soon as one sweep is answered, though others are not due for long."""
    far = pulse("far", UNAVAILABLE, 20 * MINUTE, failing_since=NOW - 80 * MINUTE)
    assert summed(examine_source("acme", [pulse("near"), far], AFTER)) == ("source acme", None)


# ---- sweeps


@pytest.mark.parametrize(
    ("outcome", "kind", "patience"),
    [
        (OK, None, None),
        (INCOMPLETE, TroubleKind.INCOMPLETE, AFTER),
        (DOUBTFUL, TroubleKind.DOUBTFUL, timedelta(0)),
        (CRASHED, TroubleKind.CRASHED, timedelta(0)),
        (UNAVAILABLE, TroubleKind.UNAVAILABLE, AFTER),
        (REFUSED, TroubleKind.REFUSED, AFTER),
    ],
)
def test_what_the_outcome_of_a_run_means(
    outcome: SweepOutcome, kind: TroubleKind | None, patience: timedelta | None
) -> None:
    """What may pass by itself waits, what needs a person does not; each says what the run said."""
    finding = examine_sweep(pulse("near", outcome), AFTER, source_answers=True)
    assert summed(finding) == ("sweep acme/near", kind)
    assert finding is not None
    assert finding.at == NOW
    if finding.trouble:
        assert (finding.trouble.text, finding.trouble.patience) == ("why near", patience)


def test_nothing_is_known_of_the_sweeps_of_a_source_that_is_down() -> None:
    """While the source does not answer, a trouble of its sweep neither begins nor ends; nor before the first run."""
    assert examine_sweep(pulse("near", UNAVAILABLE), AFTER, source_answers=False) is None
    assert examine_sweep(pulse(last=None), AFTER, source_answers=True) is None


def test_what_the_brake_holds_is_a_trouble_until_somebody_decides() -> None:
    """Later runs that go well do not end it; of a sweep that was taken out neither."""
    finding = examine_sweep(pulse(held=True), AFTER, source_answers=True)
    former = examine_former("acme", "old", NOW)
    assert (summed(finding), summed(former)) == (
        ("sweep acme/near", TroubleKind.DOUBTFUL),
        ("sweep acme/old", TroubleKind.DOUBTFUL),
    )
    assert former.trouble is not None
    assert "notifier release acme/old" in former.trouble.text
    assert "notifier discard acme/old" in former.trouble.text


# ---- beats and budgets


def load_of(*pulses: Pulse, budget: int = 1000) -> Load:
    demands = [
        Demand(source=one.source, sweep=one.sweep, address="host", every=one.every, period=one.every, run=one.last)
        for one in pulses
    ]
    return weigh(demands, {"host": budget})


def beats(
    pulses: Sequence[Pulse], budget: int = 1000, running: timedelta = HOUR
) -> dict[str, tuple[TroubleKind | None, timedelta | None]]:
    """Returns what is found, with the patience; this process has been running for so long."""
    found = examine_beats(pulses, load_of(*pulses, budget=budget), NOW - running, NOW, AFTER)
    return {one.name: (one.trouble.kind, one.trouble.patience) if one.trouble else (None, None) for one in found}


def test_a_sweep_that_keeps_its_beat_is_well() -> None:
    """A run of a second every minute, with one request, is fine for sweep and budget."""
    assert beats([pulse()]) == {"beat acme/near": (None, None), "budget host": (None, None)}


def test_runs_that_take_longer_than_their_beat_are_told_when_three_do() -> None:
    """A run that takes too long is a trouble if it lasts for two more beats, or longer."""
    slow = pulse(every=10 * MINUTE)
    assert slow.last is not None
    slow = replace(slow, last=replace(slow.last, started_at=NOW - 11 * MINUTE))
    assert beats([slow])["beat acme/near"] == (TroubleKind.SLOW, 20 * MINUTE)


def test_a_run_that_does_not_end_is_told_at_once() -> None:
    """No end of a run for three beats and a minute is a trouble, but only while this process was running."""
    stuck = pulse(ago=5 * MINUTE)
    assert beats([stuck])["beat acme/near"] == (TroubleKind.SLOW, timedelta(0))
    assert beats([stuck], running=MINUTE)["beat acme/near"] == (None, None)


def test_nothing_is_known_of_the_beat_of_a_sweep_that_fails() -> None:
    """A run without an answer does not say how long one takes, nor what it asks for."""
    assert beats([pulse("near", UNAVAILABLE), pulse("far", last=None)]) == {}


def test_a_budget_that_is_overspent_is_told_when_it_lasts() -> None:
    """More requests a minute than the address may be asked are the trouble of the address, not of each sweep."""
    hungry = pulse()
    assert hungry.last is not None
    hungry = replace(hungry, last=replace(hungry.last, pages=30))
    assert beats([hungry], budget=20) == {"beat acme/near": (None, None), "budget host": (TroubleKind.SLOW, AFTER)}


def test_what_may_be_in_trouble() -> None:
    """Every name that a finding may have is among those of what is configured."""
    pulses = [pulse("near", DOUBTFUL), pulse("far", held=True)]
    found = [
        examine_source("acme", pulses, AFTER),
        *(examine_sweep(one, AFTER, source_answers=True) for one in pulses),
        *examine_beats(pulses, load_of(*pulses), NOW, NOW, AFTER),
    ]
    assert {one.name for one in found if one} == names_of(pulses, load_of(*pulses))
