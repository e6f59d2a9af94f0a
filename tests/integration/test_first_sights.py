"""First sights: growth of scope is silent, news is told, whatever happened between two looks."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import stamina

from notifier.core.change import Kind
from notifier.core.delivery import State
from notifier.core.rule import max_age
from notifier.core.sweep import Sweep, SweepOutcome
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from notifier.store import history, snapshot
from notifier.store.database import Store
from tests.builders import rule
from tests.polling import events_in, polling
from tests.simulated import HandClock

WEEK = Sweep(
    name="week",
    every=timedelta(minutes=1),
    begin=timedelta(days=-1),
    end=timedelta(days=7),
    filters={"office": ("11",)},
)
WIDER = replace(WEEK, end=timedelta(days=60))
LATER = replace(WEEK, name="later", begin=timedelta(days=7), end=timedelta(days=60))
UNFILTERED = replace(WEEK, filters={})


@pytest.fixture
def simulator(clock: HandClock) -> Iterator[Simulator]:
    with Simulator(clock=clock) as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def without_waits() -> Iterator[None]:
    """Failed requests are tried again at once, twice in all."""
    with stamina.set_testing(True, attempts=2):
        yield


def book(simulator: Simulator, clock: HandClock, days: float, office: str = "11") -> str:
    """Books an appointment so many days from now."""
    start = clock() + timedelta(days=days)
    return simulator.enterprise.create(clock(), Booking(start=start, end=start + timedelta(hours=1), office=office))


def told(store: Store) -> list[tuple[str, Kind]]:
    """Returns what was told of which appointment, oldest first."""
    return [(event.after.id, event.kinds[0]) for event in events_in(store)]


@pytest.mark.parametrize("growth", [LATER, WIDER, UNFILTERED], ids=["added", "widened", "filter removed"])
def test_growth_of_scope_is_silent_and_news_in_it_is_told_from_then_on(
    tmp_path: Path, simulator: Simulator, clock: HandClock, growth: Sweep
) -> None:
    """Another sweep, a wider span, a filter less: what was there all along is stored, what comes after is news."""
    book(simulator, clock, 3)
    with polling(tmp_path, simulator, clock) as (poller, _):
        poller.poll(WEEK)
    clock.advance(hours=1)
    # Booked, and changed, since the last look; but nobody looked there.
    unseen = book(simulator, clock, 20), book(simulator, clock, 4, office="12")
    clock.advance(hours=1)
    simulator.enterprise.cancel(unseen[0], clock())
    with polling(tmp_path, simulator, clock) as (poller, store):
        assert poller.poll(growth).outcome is SweepOutcome.OK
        assert told(store) == []
        clock.advance(hours=1)
        fresh = book(simulator, clock, 20) if growth is not UNFILTERED else book(simulator, clock, 4, office="12")
        poller.poll(growth)
        assert told(store) == [(fresh, Kind.CREATED)]


def test_what_slides_into_a_span_is_silent(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """An appointment that a sweep shows for the first time since its day has come is no news."""
    book(simulator, clock, 8)
    clock.advance(minutes=10)
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(WEEK)
        clock.advance(days=2)
        assert poller.poll(WEEK).baseline == 1
        assert told(store) == []


@pytest.mark.parametrize("away", [timedelta(days=3), timedelta(days=7)], ids=["unreachable", "stopped"])
def test_after_an_outage_everything_is_told_that_happened_meanwhile(
    tmp_path: Path, simulator: Simulator, clock: HandClock, away: timedelta
) -> None:
    """New ones, changed ones, and those that were booked and called off meanwhile: each once, none as baseline."""
    changed, kept = book(simulator, clock, 6), book(simulator, clock, 6)
    slid = book(simulator, clock, 9)
    clock.advance(minutes=10)
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(WEEK)
        if away == timedelta(days=3):
            simulator.scopes = ()
            for _ in range(3):
                assert poller.poll(WEEK).outcome is SweepOutcome.REFUSED
                clock.advance(hours=20)
            simulator.scopes = ("engage:appointments:readOnly",)
    clock.advance(days=1)
    fresh, brief = book(simulator, clock, 4), book(simulator, clock, 4)
    clock.advance(hours=1)
    simulator.enterprise.cancel(brief, clock())
    simulator.enterprise.cancel(changed, clock())
    clock.advance(hours=1)
    with polling(tmp_path, simulator, clock) as (poller, store):
        assert poller.poll(WEEK).outcome is SweepOutcome.OK
        assert sorted(told(store)) == sorted(
            [(fresh, Kind.CREATED), (brief, Kind.STATUS_CHANGED), (changed, Kind.STATUS_CHANGED)]
        )
        assert {kept, slid}.isdisjoint(name for name, _ in told(store))


def test_the_backlog_goes_out_as_the_rules_say(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """After days without a look, a rule with a greatest age records what is too late instead of sending it."""
    early, late = book(simulator, clock, 6), book(simulator, clock, 6)
    rules = [rule(name="all", channels=("crm",)), rule(max_age(timedelta(hours=2)), name="fresh", channels=("chat",))]
    with polling(tmp_path, simulator, clock, rules) as (poller, _):
        poller.poll(WEEK)
    clock.advance(days=1)
    simulator.enterprise.cancel(early, clock())
    clock.advance(days=1)
    simulator.enterprise.cancel(late, clock())
    clock.advance(hours=1)
    with polling(tmp_path, simulator, clock, rules) as (poller, store):
        poller.poll(WEEK)
        with store.reading() as tx:
            records = {record.event.after.id: record for record in history.events(tx, 10)}
            owed = history.deliveries(tx, 10)
        verdicts = {name: {one.rule: one for one in record.verdicts} for name, record in records.items()}
        assert verdicts[late]["fresh"].matched
        assert (verdicts[early]["fresh"].matched, verdicts[early]["fresh"].key) == (False, "max_age")
        assert sorted((one.delivery.channel, one.state) for one in owed) == [
            ("chat", State.PENDING),
            ("crm", State.PENDING),
            ("crm", State.PENDING),
        ]


def test_what_passed_during_an_outage_is_told_all_the_same(
    tmp_path: Path, simulator: Simulator, clock: HandClock
) -> None:
    """An appointment of the first of three days without the source has left the span, and its no-show is news."""
    missed, kept = book(simulator, clock, 0.5), book(simulator, clock, 0.6)
    clock.advance(minutes=10)
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(WEEK)
        clock.advance(days=1)
        simulator.enterprise.no_show(missed, clock())
        clock.advance(days=2)
        # What is still to be read is not let go, however long it has been past.
        poller.tend([WEEK])
        run = poller.poll(WEEK)
        assert (run.outcome, run.rows) == (SweepOutcome.OK, 2)
        (event,) = events_in(store)
        assert (event.after.id, event.before and event.before.status, event.after.status) == (
            missed,
            "ACCEPTED",
            "NO_SHOW",
        )
        # From then on the span is as it was.
        clock.advance(minutes=1)
        assert poller.poll(WEEK).rows == 0
        poller.tend([WEEK])
        with store.reading() as tx:
            assert snapshot.known(tx, "acme", [missed, kept]) == {}
