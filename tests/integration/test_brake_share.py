"""Of how many appointments a run may change a share: of those that were known where it has read, however it ended."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import stamina

from notifier import reading
from notifier.core.brake import Brake
from notifier.core.delivery import State
from notifier.core.event import Event
from notifier.core.manner import Manner
from notifier.core.rule import Rule, condition
from notifier.core.sweep import Span, SweepOutcome
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.exchange import Reply
from notifier.engage.simulated.faults import FaultKind, Faults
from notifier.engage.simulator import Simulator
from notifier.poller import Poller
from notifier.store import census, history, hold
from notifier.store.database import Store, open_store
from tests.builders import rule
from tests.polling import DATED, client_on, polling
from tests.simulated import NOW, HandClock

KNOWN = 100
EVERYTHING = (rule(name="all", channels=("chat",)),)
HOURLY = Manner(complete_every=timedelta(hours=1))


@pytest.fixture(autouse=True)
def without_waits() -> Iterator[None]:
    """Failed requests are tried again at once, twice in all."""
    with stamina.set_testing(True, attempts=2):
        yield


def book(simulator: Simulator, clock: HandClock) -> list[str]:
    """Books appointments of one day, and returns their ids an hour later."""
    starts = [NOW + timedelta(days=2, minutes=number) for number in range(KNOWN)]
    made = [simulator.enterprise.create(clock(), Booking(start=at, end=at + timedelta(hours=1))) for at in starts]
    clock.advance(hours=1)
    return made


def cancel(simulator: Simulator, clock: HandClock, names: list[str]) -> None:
    """Cancels these in a minute, and lets another one pass."""
    clock.advance(minutes=1)
    for name in names:
        simulator.enterprise.cancel(name, clock())
    clock.advance(minutes=1)


def states(store: Store) -> set[State]:
    with store.reading() as tx:
        return {record.state for record in history.deliveries(tx, 1000)}


@pytest.mark.parametrize(("changed", "held"), [(20, False), (30, True)])
def test_news_alone_are_a_share_of_all_that_is_known(
    tmp_path: Path, clock: HandClock, changed: int, *, held: bool
) -> None:
    """A run that asks a gateway only for what was updated is braked like one that reads everything."""
    with (
        Simulator(clock=clock, updated_since="updated-from") as simulator,
        open_store(tmp_path / "notifier.db", synchronous="normal") as store,
        client_on(simulator, clock, updated_since="updated-from") as client,
    ):
        names = book(simulator, clock)
        poller = Poller("acme", client, store, EVERYTHING, clock, HOURLY)
        assert poller.poll(DATED).baseline == KNOWN
        cancel(simulator, clock, names[:changed])
        run = poller.poll(DATED)
        assert (run.whole, run.events) == (False, changed)
        assert (run.outcome is SweepOutcome.DOUBTFUL) is held
        assert states(store) == {State.HELD if held else State.PENDING}
        if held:
            assert f"{changed} appointments changed at once, of {KNOWN} known ones" in run.error


def test_a_release_does_not_take_the_brake_off_until_the_next_complete_run(tmp_path: Path, clock: HandClock) -> None:
    """With a gateway that is an hour away: what is edited in bulk meanwhile is doubted like the first."""
    with (
        Simulator(clock=clock, updated_since="updated-from") as simulator,
        open_store(tmp_path / "notifier.db", synchronous="normal") as store,
        client_on(simulator, clock, updated_since="updated-from") as client,
    ):
        names = book(simulator, clock)
        manner = Manner(brake=Brake(count=20), complete_every=timedelta(hours=1))
        poller = Poller("acme", client, store, EVERYTHING, clock, manner)
        poller.poll(DATED)
        cancel(simulator, clock, names[:30])
        assert poller.poll(DATED).outcome is SweepOutcome.DOUBTFUL
        with store.writing() as tx:
            hold.release(tx, "acme", DATED.name, clock())
        clock.advance(minutes=1)
        assert poller.poll(DATED).outcome is SweepOutcome.OK
        cancel(simulator, clock, names[30:60])
        assert poller.poll(DATED).outcome is SweepOutcome.DOUBTFUL


@pytest.mark.parametrize(("changed", "held"), [(15, False), (40, True)])
def test_a_list_that_slips_is_braked_as_well(tmp_path: Path, clock: HandClock, changed: int, *, held: bool) -> None:
    """That something may not have come is no reason to believe all that did."""
    with Simulator(clock=clock) as simulator:
        names = book(simulator, clock)
        with polling(tmp_path, simulator, clock, EVERYTHING, page_size=10) as (poller, store):
            poller.poll(DATED)
            simulator.order = "unstable"
            cancel(simulator, clock, names[:changed])
            run = poller.poll(DATED)
            assert 0 < run.events <= changed
            assert run.outcome is (SweepOutcome.DOUBTFUL if held else SweepOutcome.INCOMPLETE)
            assert states(store) == {State.HELD if held else State.PENDING}


@pytest.mark.parametrize(("changed", "held"), [(10, False), (40, True)])
def test_a_list_that_breaks_off_is_braked_as_well(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch, changed: int, *, held: bool
) -> None:
    """What was committed before the source went down is a share of what was known in the slice in hand."""
    monkeypatch.setattr(reading, "COMMIT_ROWS", 5)
    with Simulator(clock=clock) as simulator:
        names = book(simulator, clock)
        with polling(tmp_path, simulator, clock, EVERYTHING, page_size=10, concurrency=1) as (poller, store):
            poller.poll(DATED)
            cancel(simulator, clock, names[:changed])
            before = len(simulator.requests)
            simulator.script = lambda _: Reply(503) if len(simulator.requests) > before + 6 else None
            run = poller.poll(DATED)
            assert run.outcome is SweepOutcome.UNAVAILABLE
            assert 0 < run.events <= changed
            assert states(store) == {State.HELD if held else State.PENDING}


def dying_at(name: str) -> tuple[Rule, ...]:
    """Returns rules that tell of everything, until a process that has to judge this appointment dies of it."""

    def check(event: Event) -> tuple[bool, str]:
        if event.after.id == name:
            raise RuntimeError("the power is gone")
        return True, ""

    return (rule(condition("", check), name="all", channels=("chat",)),)


@pytest.mark.parametrize("status", [503, 401])
def test_much_that_a_dead_process_left_is_held_though_the_source_is_down(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """It is a share of what is known, and not fine for want of a list; nor while a source is left alone."""
    monkeypatch.setattr(reading, "COMMIT_ROWS", 10)
    with Simulator(clock=clock) as simulator:
        names = book(simulator, clock)
        with polling(tmp_path, simulator, clock, EVERYTHING, page_size=10) as (poller, _):
            poller.poll(DATED)
        cancel(simulator, clock, names[:45])
        with (
            polling(tmp_path, simulator, clock, dying_at(names[44]), page_size=10) as (poller, _),
            pytest.raises(RuntimeError, match="power"),
        ):
            poller.poll(DATED)
        simulator.script = lambda _: Reply(status)
        with polling(tmp_path, simulator, clock, EVERYTHING, page_size=10) as (poller, store):
            for _ in range(2):
                run = poller.poll(DATED)
                assert run.outcome in {SweepOutcome.UNAVAILABLE, SweepOutcome.REFUSED}
                assert run.held > 30
                assert states(store) == {State.HELD}
                clock.advance(minutes=1)


def test_other_ids_that_pass_leave_nothing(tmp_path: Path, clock: HandClock) -> None:
    """Where the source has its own ids again by the next poll, nothing is missing, and no doubt is left."""
    with Simulator(clock=clock) as simulator:
        book(simulator, clock)
        with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
            poller.poll(DATED)
            clock.advance(minutes=1)
            simulator.faults = Faults(share=1.0, kinds=(FaultKind.NEW_IDS,))
            doubted = poller.poll(DATED)
            assert (doubted.outcome, doubted.events) == (SweepOutcome.DOUBTFUL, 0)
            assert "ids of another shape came" in doubted.error
            simulator.faults = Faults()
            for _ in range(2):
                clock.advance(minutes=1)
                assert poller.poll(DATED).outcome is SweepOutcome.OK
            with store.reading() as tx:
                assert census.count_within(tx, "acme", Span(None, None)) == KNOWN
                assert history.events(tx, 10) == []


def test_other_ids_that_stay_wait_for_a_person(tmp_path: Path, clock: HandClock) -> None:
    """Discarded, the former ones are forgotten and the others known, and nobody hears of either."""
    with Simulator(clock=clock) as simulator:
        book(simulator, clock)
        with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
            poller.poll(DATED)
            simulator.faults = Faults(share=1.0, kinds=(FaultKind.NEW_IDS,))
            for _ in range(3):
                clock.advance(minutes=1)
                assert poller.poll(DATED).outcome is SweepOutcome.DOUBTFUL
            with store.writing() as tx:
                hold.discard(tx, "acme", DATED.name, clock())
            for _ in range(2):
                clock.advance(minutes=1)
                assert poller.poll(DATED).outcome is SweepOutcome.OK
            with store.reading() as tx:
                assert census.count_within(tx, "acme", Span(None, None)) == KNOWN
                assert history.events(tx, 10) == []
