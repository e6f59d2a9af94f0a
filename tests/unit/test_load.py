"""What sweeps ask of the budget of their address, and whether they can keep their beat."""

from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.core.load import Demand, Fit, Load, complaints, weigh
from notifier.core.sweep import SweepOutcome, SweepRun
from tests.builders import HOUR, MINUTE, NOW

ADDRESS = "api.example.com"
SECOND = timedelta(seconds=1)


def run(pages: int = 10, took: timedelta = SECOND, **changes: object) -> SweepRun:
    """Returns a run that read 1000 appointments."""
    ran = SweepRun(
        source="acme",
        sweep="near",
        started_at=NOW,
        finished_at=NOW + took,
        outcome=SweepOutcome.OK,
        pages=pages,
        rows=1000,
    )
    return replace(ran, **changes)  # type: ignore[arg-type]


def demand(last: SweepRun | None, name: str = "near", every: timedelta = MINUTE, address: str = ADDRESS) -> Demand:
    return Demand(source="acme", sweep=name, address=address, every=every, period=every, run=last)


def weighed(*demands: Demand, budget: int = 100) -> Load:
    return weigh(demands, {ADDRESS: budget, "other": budget})


def test_a_share_of_the_budget() -> None:
    """What a sweep asks for is its pages by its beat, and its share that of the requests a minute of its address."""
    load = weighed(demand(run(10)), demand(run(60), "far", HOUR), demand(run(5), "elsewhere", address="other"))
    assert [(one.sweep, one.requests_per_minute, one.share) for one in load.sweeps] == [
        ("near", 10, 0.1),
        ("far", 1, 0.01),
        ("elsewhere", 5, 0.05),
    ]
    assert [(one.address, one.requests_per_minute, one.share) for one in load.addresses] == [
        (ADDRESS, 11, 0.11),
        ("other", 5, 0.05),
    ]
    assert {one.fit for one in load.sweeps} == {Fit.FITS}
    assert complaints(load) == {}


@pytest.mark.parametrize(("seconds", "fit"), [(60, Fit.FITS), (61, Fit.TOO_LONG)])
def test_a_run_longer_than_the_beat(seconds: int, fit: Fit) -> None:
    """A sweep keeps its beat as long as one run ends before the next begins."""
    assert weighed(demand(run(took=seconds * SECOND))).sweeps[0].fit is fit


def test_what_helps_a_run_that_is_too_long() -> None:
    """The complaint names the sweep, how long it takes, and what can be done."""
    assert complaints(weighed(demand(run(took=75 * SECOND)))) == {
        "beat acme/near": "acme/near can't run every 1m: its last run took 75 s; "
        "raise `every`, narrow the span, or raise `requests_per_minute`."
    }


def test_an_overspent_budget() -> None:
    """Where all ask for more than there is, it is the sweeps with the longest beats that come too late."""
    load = weighed(
        demand(run(6000), "far", HOUR),
        demand(run(30), "near"),
        demand(run(250), "later", 5 * MINUTE),
        demand(run(1), "elsewhere", address="other"),
    )
    assert {one.sweep: one.fit for one in load.sweeps} == {
        "near": Fit.FITS,
        "later": Fit.FITS,
        "far": Fit.CROWDED,
        "elsewhere": Fit.FITS,
    }
    assert complaints(load) == {
        f"budget {ADDRESS}": f"{ADDRESS} has a budget of 100 requests a minute, and its sweeps ask for 180; what comes "
        "last comes too late (acme/far): raise `every`, narrow the span, or raise `requests_per_minute`."
    }


def test_the_whole_budget_may_be_used() -> None:
    """A budget that is used up exactly is not overspent."""
    load = weighed(demand(run(100)))
    assert (load.sweeps[0].fit, load.addresses[0].share, complaints(load)) == (Fit.FITS, 1, {})


@pytest.mark.parametrize(
    "last",
    [None, run(outcome=SweepOutcome.UNAVAILABLE), run(outcome=SweepOutcome.REFUSED)],
    ids=["no run", "unavailable", "refused"],
)
def test_what_is_not_known(last: SweepRun | None) -> None:
    """A sweep that got no answer yet, or not the last time, is neither counted nor complained of."""
    load = weighed(demand(last), demand(run(3), "far"))
    (near, _) = load.sweeps
    assert (near.requests_per_minute, near.share, near.took, near.fit) == (None, None, None, Fit.UNKNOWN)
    assert load.addresses[0].requests_per_minute == 3


def test_a_first_filling_is_no_measure() -> None:
    """A run that stored most of what it saw took its time for that, which the next one won't need."""
    first = weighed(demand(run(took=HOUR, baseline=900))).sweeps[0]
    assert (first.fit, first.took, first.requests_per_minute) == (Fit.UNKNOWN, None, 10)
    assert weighed(demand(run(took=HOUR, baseline=100))).sweeps[0].fit is Fit.TOO_LONG


def test_a_run_that_comes_seldom() -> None:
    """A run that read everything, where most ask for a window only, is weighed by how seldom it comes."""
    (load,) = weighed(replace(demand(run(120, took=5 * MINUTE)), period=HOUR)).sweeps
    assert (load.requests_per_minute, load.fit) == (2, Fit.FITS)
