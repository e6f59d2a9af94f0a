"""Appointments in no sweep: let go when they are past, asked for by id while they are ahead."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from notifier.core.change import Kind
from notifier.core.sweep import Sweep, SweepOutcome
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from notifier.store import snapshot
from notifier.store.database import Store
from tests.builders import rule
from tests.polling import events_in, polling
from tests.simulated import HandClock

MINUTE = timedelta(minutes=1)
WEEK = Sweep(name="week", every=MINUTE, begin=timedelta(days=-1), end=timedelta(days=7), filters={})
OFFICE = Sweep(name="office", every=MINUTE, begin=WEEK.begin, end=WEEK.end, filters={"office": ("11",)})
INVITES = Sweep(name="invites", every=MINUTE, filters={"status": ("OUTGOING_INVITE",)})
TALKATIVE = rule(channels=("chat",))


@pytest.fixture
def simulator(clock: HandClock) -> Iterator[Simulator]:
    with Simulator(clock=clock) as simulator:
        yield simulator


def book(simulator: Simulator, clock: HandClock, days: float, office: str = "11") -> str:
    """Books an appointment so many days from now."""
    start = clock() + timedelta(days=days)
    return simulator.enterprise.create(clock(), Booking(start=start, end=start + timedelta(hours=1), office=office))


def move(simulator: Simulator, clock: HandClock, name: str, days: float) -> None:
    """Moves an appointment to so many days from now."""
    start = clock() + timedelta(days=days)
    simulator.enterprise.reschedule(name, clock(), start, start + timedelta(hours=1))


def known(store: Store) -> set[str]:
    """Returns the ids in the snapshot."""
    with store.reading() as tx:
        return set(snapshot.known(tx, "acme", [str(number) for number in range(1000, 1100)]))


def test_what_is_past_is_let_go_in_silence(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """Once its start lies before every span, nobody is told and the snapshot does not grow for ever."""
    past, ahead = book(simulator, clock, 0.5), book(simulator, clock, 5)
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(WEEK)
        assert known(store) == {past, ahead}
        clock.advance(days=2)
        poller.poll(WEEK)
        assert known(store) == {past, ahead}
        simulator.forget_requests()
        assert poller.tend([WEEK]).outcome is SweepOutcome.OK
        assert known(store) == {ahead}
        assert (simulator.requests, events_in(store)) == ((), [])


def test_what_was_moved_far_ahead_is_asked_for_once_a_day(
    tmp_path: Path, simulator: Simulator, clock: HandClock
) -> None:
    """A change of it is found though no sweep lists it, and told to whoever a rule says."""
    name = book(simulator, clock, 3)
    with polling(tmp_path, simulator, clock, [TALKATIVE]) as (poller, store):
        poller.poll(WEEK)
        clock.advance(minutes=1)
        move(simulator, clock, name, 100)
        poller.poll(WEEK)
        simulator.enterprise.cancel(name, clock())
        run = poller.tend([WEEK])
        assert (run.events, sorted(run.channels)) == (1, ["chat"])
        assert [event.kinds[0] for event in events_in(store)] == [Kind.RESCHEDULED, Kind.STATUS_CHANGED]
        asked = len(simulator.requests)
        clock.advance(hours=23)
        poller.tend([WEEK])
        assert len(simulator.requests) == asked
        clock.advance(hours=2)
        poller.tend([WEEK])
        assert len(simulator.requests) == asked + 1


def test_what_disappeared_out_of_sight_has_vanished(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """It is told once; what has vanished is not asked for again, and is let go when it is past."""
    name = book(simulator, clock, 3)
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(WEEK)
        move(simulator, clock, name, 20)
        clock.advance(minutes=1)
        poller.poll(WEEK)
        simulator.enterprise.remove(name)
        assert poller.tend([WEEK]).events == 1
        clock.advance(days=2)
        simulator.forget_requests()
        assert poller.tend([WEEK]).events == 0
        assert (simulator.requests, known(store)) == ((), {name})
        clock.advance(days=30)
        poller.poll(WEEK)
        poller.tend([WEEK])
        assert known(store) == set()


@pytest.mark.parametrize("office", ["11", "12"])
def test_what_left_a_filter_is_a_stray(tmp_path: Path, simulator: Simulator, clock: HandClock, office: str) -> None:
    """An appointment at an office that nobody asks for any more is one; one that some sweep covers is not."""
    name = book(simulator, clock, 3)
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(OFFICE)
        simulator.enterprise.relocate(name, clock(), office=office)
        clock.advance(minutes=1)
        poller.poll(OFFICE)
        simulator.forget_requests()
        poller.tend([OFFICE, INVITES])
        assert len(simulator.requests) == (0 if office == "11" else 1)
        assert known(store) == {name}


def test_an_undated_one_is_let_go_when_nothing_follows(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """An invite that was called off has no start to be past; it is asked for for a month."""
    name = simulator.enterprise.invite(clock(), Booking())
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(INVITES)
        clock.advance(minutes=1)
        simulator.enterprise.cancel(name, clock())
        assert poller.poll(INVITES).events == 1
        clock.advance(days=29)
        poller.tend([WEEK, INVITES])
        assert known(store) == {name}
        clock.advance(days=2)
        poller.tend([WEEK, INVITES])
        assert known(store) == set()


def test_what_was_let_go_comes_back_in_silence_or_as_news(
    tmp_path: Path, simulator: Simulator, clock: HandClock
) -> None:
    """Listed again because the span grew it is no news; moved into the span, it is."""
    silent, loud = book(simulator, clock, 0.5), book(simulator, clock, 0.5)
    wider = Sweep(name="wider", every=MINUTE, begin=timedelta(days=-30), end=WEEK.end, filters={})
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(WEEK)
        clock.advance(days=3)
        for _ in range(2):
            poller.poll(WEEK)
        poller.tend([WEEK])
        assert known(store) == set()
        clock.advance(minutes=10)
        move(simulator, clock, loud, 2)
        poller.poll(WEEK)
        poller.poll(wider)
        assert known(store) == {silent, loud}
        assert [(event.after.id, event.kinds[0]) for event in events_in(store)] == [(loud, Kind.STATUS_CHANGED)]


def test_a_source_that_is_down_is_asked_again_the_next_time(
    tmp_path: Path, simulator: Simulator, clock: HandClock
) -> None:
    """What could not be asked for is not taken for asked."""
    name = book(simulator, clock, 3)
    with polling(tmp_path, simulator, clock) as (poller, store):
        poller.poll(WEEK)
        move(simulator, clock, name, 50)
        clock.advance(minutes=1)
        poller.poll(WEEK)
        simulator.scopes = ()
        assert poller.tend([WEEK]).outcome is SweepOutcome.REFUSED
        simulator.scopes = ("engage:appointments:readOnly",)
        clock.advance(minutes=16)
        simulator.enterprise.cancel(name, clock())
        assert poller.tend([WEEK]).events == 1
        assert len(events_in(store)) == 2
