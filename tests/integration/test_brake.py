"""The brake on the poll line: what changes suspiciously much at once waits for a person, and nothing of it is lost."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import stamina

from notifier import reading
from notifier.core.change import Kind
from notifier.core.delivery import Outcome, Reason, Result, Settlement, State
from notifier.core.event import Event
from notifier.core.rule import Rule, condition, on_kinds
from notifier.core.sweep import SweepOutcome
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.exchange import Reply
from notifier.engage.simulator import Simulator
from notifier.store import history, hold, outbox
from notifier.store.database import Store
from notifier.store.driver import driver
from tests.builders import rule
from tests.polling import ALL, DATED, events_in, polling
from tests.simulated import NOW, HandClock

KNOWN = 100
SOON = NOW + timedelta(days=2)
EVERYTHING = (rule(name="all", channels=("chat", "desk")),)
SWEEP = ("acme", DATED.name)


@pytest.fixture
def simulator(clock: HandClock) -> Iterator[Simulator]:
    """An enterprise of as many appointments as are needed for a share to count."""
    with Simulator(clock=clock) as simulator:
        book(simulator, clock, KNOWN)
        clock.advance(hours=1)
        yield simulator


@pytest.fixture(autouse=True)
def without_waits() -> Iterator[None]:
    """Failed requests are tried again at once, twice in all."""
    with stamina.set_testing(True, attempts=2):
        yield


def book(simulator: Simulator, clock: HandClock, count: int) -> list[str]:
    """Books so many appointments, one behind the other."""
    starts = [SOON + number * timedelta(minutes=5) for number in range(count)]
    return [
        simulator.enterprise.create(clock(), Booking(start=start, end=start + timedelta(hours=1))) for start in starts
    ]


def ids(simulator: Simulator) -> list[str]:
    return [row.id for row in simulator.enterprise.rows()]


def cancel(simulator: Simulator, clock: HandClock, names: Sequence[str]) -> None:
    """Cancels these a minute later."""
    clock.advance(minutes=1)
    for name in names:
        simulator.enterprise.cancel(name, clock())


def take_away(simulator: Simulator, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Removes these from the source, and returns what they were."""
    raws = {name: raw for name in names if (raw := simulator.enterprise.get(name))}
    for name in raws:
        simulator.enterprise.remove(name)
    return raws


def sent(store: Store, clock: HandClock, channel: str = "chat") -> list[str]:
    """Sends all that is due to the channel, one after the other, and returns the ids of the deliveries."""
    came: list[str] = []
    while True:
        with store.writing() as tx:
            found = outbox.claim(tx, channel, clock(), 1)
            for one in found:
                done = Settlement(State.DELIVERED, Reason.OK)
                outbox.record(driver(tx), one, Outcome(Result.DELIVERED, Reason.OK), done, clock())
                came.append(one.delivery.id)
        if not found:
            return came


def standing(store: Store) -> set[State]:
    """Returns the states in which there are deliveries."""
    with store.reading() as tx:
        return {record.state for record in history.deliveries(tx, 1000)}


def owed(store: Store, channel: str = "chat") -> list[str]:
    """Returns the ids of all deliveries to the channel in their order."""
    with store.reading() as tx:
        return [one.delivery.id for one in reversed(history.deliveries(tx, 1000, channel=channel))]


def release(store: Store, clock: HandClock) -> None:
    with store.writing() as tx:
        hold.release(tx, *SWEEP, clock())


def discard(store: Store, clock: HandClock) -> None:
    with store.writing() as tx:
        hold.discard(tx, *SWEEP, clock())


# ---- changes


def test_a_few_changes_go_out_at_once(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """As much as the brake allows is due when the poll has ended."""
    with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
        poller.poll(DATED)
        cancel(simulator, clock, ids(simulator)[:20])
        run = poller.poll(DATED)
        assert (run.outcome, run.events, run.held) == (SweepOutcome.OK, 20, 0)
        assert run.channels == {"chat", "desk"}
        assert sent(store, clock) == owed(store)
        assert len(owed(store)) == 20


def test_a_mass_change_is_held_as_a_whole(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """All of it is on record, none of it goes out, and the operator reads what it looks like and what to do."""
    with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
        poller.poll(DATED)
        cancel(simulator, clock, ids(simulator)[:21])
        run = poller.poll(DATED)
        assert (run.outcome, run.events, run.held, run.channels) == (SweepOutcome.DOUBTFUL, 21, 21, frozenset())
        assert "21 appointments changed at once, of 100 known ones, most of them in `" in run.error
        assert "notifier release acme/dated" in run.error
        assert "notifier discard acme/dated" in run.error
        assert len(events_in(store)) == 21
        assert len(owed(store)) == 21
        assert standing(store) == {State.HELD}
        clock.advance(days=2)
        assert sent(store, clock) == sent(store, clock, "desk") == []


def test_later_polls_go_on(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """What changes afterwards is told, but of an appointment that is held nothing passes what is held."""
    names = ids(simulator)
    with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
        poller.poll(DATED)
        cancel(simulator, clock, names[:30])
        poller.poll(DATED)
        clock.advance(minutes=1)
        assert (run := poller.poll(DATED)).outcome is SweepOutcome.OK
        assert (run.events, run.held) == (0, 30)
        cancel(simulator, clock, names[50:52])
        simulator.enterprise.accept(names[0], clock())
        run = poller.poll(DATED)
        assert (run.outcome, run.events, run.held) == (SweepOutcome.OK, 3, 30)
        assert len(sent(store, clock)) == 2
        release(store, clock)
        told = sent(store, clock)
        assert len(told) == 31
        first, second = (_delivery(store, event) for event in events_in(store) if event.after.id == names[0])
        assert told.index(first) < told.index(second)


def _delivery(store: Store, event: Event, channel: str = "chat") -> str:
    with store.reading() as tx:
        (found,) = (one for one in history.deliveries_of(tx, event.id) if one.delivery.channel == channel)
    return found.delivery.id


def test_released_it_goes_out_once(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """Under the same ids and in the order in which it was found; also after a restart, and never again."""
    with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
        poller.poll(DATED)
        cancel(simulator, clock, ids(simulator)[:30])
        poller.poll(DATED)
        held = owed(store)
    with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
        assert sent(store, clock) == []
        release(store, clock)
        clock.advance(minutes=1)
        run = poller.poll(DATED)
        assert (run.outcome, run.events, run.held) == (SweepOutcome.OK, 0, 0)
        assert sent(store, clock) == held
        release(store, clock)
        poller.poll(DATED)
        assert sent(store, clock) == []
        assert len(sent(store, clock, "desk")) == 30


def test_discarded_it_never_goes_out(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """Nobody hears of it, whatever comes later; what changes afterwards is told, also of the same appointments."""
    names = ids(simulator)
    with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
        poller.poll(DATED)
        cancel(simulator, clock, names[:30])
        poller.poll(DATED)
        discard(store, clock)
        clock.advance(minutes=1)
        assert poller.poll(DATED).outcome is SweepOutcome.OK
        release(store, clock)
        assert sent(store, clock) == []
        clock.advance(minutes=1)
        simulator.enterprise.accept(names[0], clock())
        poller.poll(DATED)
        (told,) = sent(store, clock)
        assert told == owed(store)[-1]
        assert standing(store) == {State.DISCARDED, State.DELIVERED, State.PENDING}  # pending: to the other channel


def test_an_import_is_held(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """Many new ones at once are as suspicious as many that change."""
    with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
        poller.poll(DATED)
        clock.advance(minutes=1)
        book(simulator, clock, 30)
        run = poller.poll(DATED)
        assert run.outcome is SweepOutcome.DOUBTFUL
        assert "30 new appointments came at once beside 100 known ones" in run.error
        assert sent(store, clock) == []


def test_a_first_fill_and_a_wider_scope_trip_nothing(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """However many are seen for the first time, as long as they are stored in silence."""
    book(simulator, clock, 600)
    clock.advance(hours=1)
    with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
        assert poller.poll(DATED).outcome is SweepOutcome.OK
        assert poller.poll(ALL).outcome is SweepOutcome.OK
        assert events_in(store) == []


def test_whoever_was_away_has_more_to_tell(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """What changed in two days without an answer is fine, as long as it would be for two days."""
    with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
        poller.poll(DATED)
        simulator.script = lambda _: Reply(503)
        clock.advance(hours=30)
        assert poller.poll(DATED).outcome is SweepOutcome.UNAVAILABLE
        simulator.script = None
        cancel(simulator, clock, ids(simulator)[:40])
        assert poller.poll(DATED).outcome is SweepOutcome.OK
        assert len(sent(store, clock)) == 40


# ---- a process that dies in the middle


@pytest.mark.parametrize(("before", "after", "much"), [(12, 5, False), (12, 12, True)])
def test_a_death_between_commit_and_judgement_loses_nothing(
    tmp_path: Path,
    simulator: Simulator,
    clock: HandClock,
    monkeypatch: pytest.MonkeyPatch,
    before: int,
    after: int,
    much: bool,
) -> None:
    """What was committed waits, also for the sender; the next poll judges it together with what it finds itself."""
    monkeypatch.setattr(reading, "COMMIT_ROWS", 10)
    names = ids(simulator)
    with polling(tmp_path, simulator, clock, EVERYTHING, page_size=10) as (poller, _):
        poller.poll(DATED)
    cancel(simulator, clock, names[:before])
    with polling(tmp_path, simulator, clock, dying_at(names[before - 1]), page_size=10) as (poller, store):
        with pytest.raises(RuntimeError, match="power"):
            poller.poll(DATED)
        committed = owed(store)
        assert 0 < len(committed) < before
        assert standing(store) == {State.HELD}
        assert sent(store, clock) == []
    cancel(simulator, clock, names[before : before + after])
    with polling(tmp_path, simulator, clock, EVERYTHING, page_size=10) as (poller, store):
        run = poller.poll(DATED)
        assert run.events == before + after - len(committed)
        assert (run.outcome is SweepOutcome.DOUBTFUL) is much
        assert run.held == (before + after if much else 0)
        assert owed(store)[: len(committed)] == committed
        assert sent(store, clock) == ([] if much else owed(store))


def dying_at(name: str) -> tuple[Rule, ...]:
    """Returns rules that tell of everything, until a process that has to judge this appointment dies of it."""

    def check(event: Event) -> tuple[bool, str]:
        if event.after.id == name:
            raise RuntimeError("the power is gone")
        return True, ""

    return (rule(condition("", check), name="all", channels=("chat", "desk")),)


def test_what_was_left_goes_out_though_the_source_is_down(
    tmp_path: Path, simulator: Simulator, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few changes that were committed do not wait for a source that does not come back."""
    monkeypatch.setattr(reading, "COMMIT_ROWS", 10)
    names = ids(simulator)
    with polling(tmp_path, simulator, clock, EVERYTHING, page_size=10) as (poller, _):
        poller.poll(DATED)
    cancel(simulator, clock, names[:12])
    with (
        polling(tmp_path, simulator, clock, dying_at(names[11]), page_size=10) as (poller, _),
        pytest.raises(RuntimeError, match="power"),
    ):
        poller.poll(DATED)
    simulator.script = lambda _: Reply(503)
    with polling(tmp_path, simulator, clock, EVERYTHING, page_size=10) as (poller, store):
        assert poller.poll(DATED).outcome is SweepOutcome.UNAVAILABLE
        assert sent(store, clock) == owed(store) != []


# ---- absences


def enquiries(simulator: Simulator) -> int:
    """Returns how often appointments were asked for by their ids."""
    return sum(any(name == "id[]" for name, _ in request.parameters) for request in simulator.requests)


def test_a_doubt_does_not_end_by_itself(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """However long nobody decides: what is missing is not asked for, and has not vanished."""
    with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
        poller.poll(ALL)
        take_away(simulator, ids(simulator)[:30])
        for _ in range(12):
            clock.advance(days=1)
            run = poller.poll(ALL)
            assert (run.outcome, run.events) == (SweepOutcome.DOUBTFUL, 0)
            assert "30 of 100 known appointments are missing" in run.error
        assert enquiries(simulator) == 0
        assert events_in(store) == []


def test_a_doubt_ends_when_the_source_is_itself_again(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """Nobody has to decide: all is as it was, and what changed meanwhile is told."""
    names = ids(simulator)
    with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
        poller.poll(DATED)
        gone = take_away(simulator, names)
        clock.advance(minutes=1)
        assert poller.poll(DATED).outcome is SweepOutcome.DOUBTFUL
        for raw in gone.values():
            simulator.enterprise.put(raw)
        cancel(simulator, clock, names[:2])
        assert poller.poll(DATED).outcome is SweepOutcome.OK
        assert {event.after.id for event in events_in(store)} == set(names[:2])
        assert len(sent(store, clock)) == 2
        with store.reading() as tx:
            assert hold.doubted_at(tx, *SWEEP) is None


def test_released_what_is_missing_has_vanished(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """It is asked for, and told like any other change; the next time that much is missing is a new doubt."""
    names = ids(simulator)
    with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
        poller.poll(DATED)
        take_away(simulator, names[:30])
        poller.poll(DATED)
        release(store, clock)
        run = poller.poll(DATED)
        assert (run.outcome, run.events, run.held) == (SweepOutcome.OK, 30, 0)
        assert {event.kinds for event in events_in(store)} == {(Kind.VANISHED,)}
        assert len(sent(store, clock)) == 30
        take_away(simulator, names[30:60])
        assert poller.poll(DATED).outcome is SweepOutcome.DOUBTFUL


def test_discarded_what_is_missing_is_forgotten(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """In silence and without asking; should it come back, that is no news either. What came is told as always."""
    names = ids(simulator)
    with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
        poller.poll(DATED)
        gone = take_away(simulator, names[:30])
        clock.advance(minutes=1)
        poller.poll(DATED)
        discard(store, clock)
        cancel(simulator, clock, names[99:])
        run = poller.poll(DATED)
        assert (run.outcome, run.events) == (SweepOutcome.OK, 1)
        assert poller.poll(DATED).outcome is SweepOutcome.OK
        assert enquiries(simulator) == 0
        clock.advance(hours=1)
        poller.poll(DATED)
        for raw in gone.values():
            simulator.enterprise.put(raw)
        assert poller.poll(DATED).outcome is SweepOutcome.OK
        assert [event.after.id for event in events_in(store)] == names[99:]
        assert len(sent(store, clock)) == 1


def test_discarding_changes_forgets_no_absence(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """One that is missing from the next reading is no part of what a person decided: it has vanished."""
    names = ids(simulator)
    with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
        poller.poll(DATED)
        cancel(simulator, clock, names[:30])
        poller.poll(DATED)
        discard(store, clock)
        take_away(simulator, names[50:51])
        clock.advance(minutes=1)
        assert poller.poll(DATED).events == 1
        assert len(sent(store, clock)) == 1
        assert events_in(store)[-1].kinds == (Kind.VANISHED,)


def test_other_ids_are_no_news(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """A vendor who gives every appointment another id is doubted; discarded, everything goes on under the new ones."""
    with polling(tmp_path, simulator, clock, EVERYTHING) as (poller, store):
        poller.poll(DATED)
        clock.advance(minutes=1)
        for name, raw in take_away(simulator, ids(simulator)).items():
            simulator.enterprise.put({**raw, "id": f"apt_{name}", "updatedAt": clock().isoformat()})
        run = poller.poll(DATED)
        assert run.outcome is SweepOutcome.DOUBTFUL
        discard(store, clock)
        clock.advance(minutes=1)
        assert poller.poll(DATED).outcome is SweepOutcome.OK
        cancel(simulator, clock, ids(simulator)[:2])
        poller.poll(DATED)
        assert len(sent(store, clock)) == 2
        assert all(event.kinds != (Kind.VANISHED,) for event in events_in(store))


def test_strays_that_all_vanish_are_held(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """A source that has lost its data must not be believed where appointments are asked for by their ids either."""
    vanished = (rule(on_kinds([Kind.VANISHED]), name="all", channels=("chat",)),)
    with polling(tmp_path, simulator, clock, vanished) as (poller, store):
        poller.poll(DATED)
        take_away(simulator, ids(simulator))
        clock.advance(minutes=1)
        run = poller.tend(())
        assert run.outcome is SweepOutcome.DOUBTFUL
        assert sent(store, clock) == []
