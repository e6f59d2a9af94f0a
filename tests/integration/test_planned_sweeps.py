"""The sweeps that the rules come to, polled at a simulated enterprise: what is asked, what is noticed, what is told."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notifier.config.settings import DEFAULT_SWEEPS
from notifier.core.change import Kind
from notifier.core.pushdown import plan_sweeps
from notifier.core.rule import Rule, field_among, max_age, on_kinds, to_status
from notifier.core.sweep import Sweep, SweepOutcome
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from notifier.poller import Poller
from notifier.store import history
from notifier.store.database import Store
from tests.builders import rule
from tests.polling import events_in, polling
from tests.simulated import NOW, HandClock

SOON = NOW + timedelta(days=1)
CANCELLED = rule(on_kinds([Kind.STATUS_CHANGED]), to_status(["CANCELLED"]), name="cancelled")
AT_12 = field_among("office", ["12"])


@pytest.fixture
def simulator(clock: HandClock) -> Iterator[Simulator]:
    with Simulator(clock=clock) as simulator:
        simulator.enterprise.fill(40, 1, NOW)
        yield simulator


def planned(*rules: Rule) -> dict[str, Sweep]:
    return {one.sweep.name: one.sweep for one in plan_sweeps("acme", rules, DEFAULT_SWEEPS)}


def book(simulator: Simulator, clock: HandClock, **changes: Any) -> str:
    values: dict[str, Any] = {"start": SOON, "end": SOON + timedelta(hours=1), "office": "12"} | changes
    return simulator.enterprise.create(clock(), Booking(**values))


def read_all(poller: Poller, sweeps: Sequence[Sweep]) -> None:
    """Polls every sweep; none of them may be refused."""
    assert {poller.poll(sweep).outcome for sweep in sweeps} == {SweepOutcome.OK}


def told(store: Store) -> list[str]:
    """Returns the appointments that somebody is told of, oldest event first."""
    with store.reading() as tx:
        records = reversed(history.events(tx, 100))
        return [record.event.after.id for record in records if any(one.matched for one in record.verdicts)]


def test_the_quick_sweep_tells_what_was_before(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """It asks for the status alone, and the state before is known from the sweep that reads everything."""
    booked = book(simulator, clock)
    sweeps = planned(CANCELLED)
    with polling(tmp_path, simulator, clock, (CANCELLED,)) as (poller, store):
        read_all(poller, list(sweeps.values()))
        assert events_in(store) == []
        clock.advance(seconds=30)
        simulator.enterprise.cancel(booked, clock())
        clock.advance(seconds=10)
        run = poller.poll(sweeps["quick"])
        (event,) = events_in(store)
        assert (run.outcome, run.events, run.rows < len(simulator.enterprise)) == (SweepOutcome.OK, 1, True)
        assert event.before is not None
        assert (event.before.status, event.after.status) == ("ACCEPTED", "CANCELLED")
        read_all(poller, list(sweeps.values()))
        assert len(events_in(store)) == 1
        assert told(store) == [booked]


def test_whichever_is_read_first_the_first_look_is_silent(
    tmp_path: Path, simulator: Simulator, clock: HandClock
) -> None:
    """What was cancelled before anybody looked is stored by the quick sweep, and the rest by the others."""
    simulator.enterprise.cancel(book(simulator, clock), clock())
    for number, backwards in enumerate((False, True)):
        sweeps = list(planned(CANCELLED).values())
        folder = tmp_path / str(number)
        folder.mkdir()
        with polling(folder, simulator, clock, (CANCELLED,)) as (poller, store):
            read_all(poller, sweeps[::-1] if backwards else sweeps)
            read_all(poller, sweeps)
            assert events_in(store) == []


def test_what_leaves_the_statuses_is_noticed_as_soon(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """A request that is accepted is missing from the quick sweep, and asked for by its id."""
    asked = rule(on_kinds([Kind.CREATED, Kind.STATUS_CHANGED]), to_status(["INCOMING_REQUEST"]), name="asked")
    sweeps = planned(asked)
    with polling(tmp_path, simulator, clock, (asked,)) as (poller, store):
        read_all(poller, list(sweeps.values()))
        clock.advance(minutes=1)
        request = simulator.enterprise.create(
            clock(), Booking(start=SOON, end=SOON + timedelta(hours=1)), status="INCOMING_REQUEST"
        )
        clock.advance(seconds=10)
        poller.poll(sweeps["quick"])
        assert told(store) == [request]
        clock.advance(seconds=10)
        simulator.enterprise.accept(request, clock())
        poller.poll(sweeps["quick"])
        assert [event.after.status for event in events_in(store)] == ["INCOMING_REQUEST", "ACCEPTED"]


def test_what_moves_in_is_known_from_where_it_was(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """A sweep for one office tells where an appointment came from; one that is moved away is told by nobody's rule."""
    moved = rule(on_kinds([Kind.RESCHEDULED]), AT_12, name="moved")
    sweeps = planned(moved)
    comes, goes = book(simulator, clock, office="13"), book(simulator, clock)
    with polling(tmp_path, simulator, clock, (moved,)) as (poller, store):
        read_all(poller, list(sweeps.values()))
        clock.advance(minutes=1)
        for one, office in ((comes, "12"), (goes, "13")):
            simulator.enterprise.relocate(one, clock(), office=office)
            simulator.enterprise.reschedule(one, clock(), SOON + timedelta(hours=2), SOON + timedelta(hours=3))
        run = poller.poll(sweeps["near-wanted"])
        assert run.outcome is SweepOutcome.OK
        assert {event.after.id: event.before and event.before.office for event in events_in(store)} == {
            comes: "13",
            goes: "12",
        }
        assert told(store) == [comes]


def test_after_an_outage_old_changes_are_on_record(tmp_path: Path, simulator: Simulator, clock: HandClock) -> None:
    """A rule with `max_age` tells the young ones; the old ones are recorded as too late, whoever finds them."""
    young = replace(CANCELLED, requirements=(*CANCELLED.requirements, max_age(timedelta(hours=2))))
    sweeps = planned(young)
    old, new = book(simulator, clock), book(simulator, clock)
    with polling(tmp_path, simulator, clock, (young,)) as (poller, store):
        read_all(poller, list(sweeps.values()))
        clock.advance(hours=1)
        simulator.enterprise.cancel(old, clock())
        clock.advance(hours=3, minutes=20)
        simulator.enterprise.cancel(new, clock())
        clock.advance(minutes=1)
        read_all(poller, list(sweeps.values()))
        assert told(store) == [new]
        with store.reading() as tx:
            (record,) = history.events(tx, 10, appointment=old)
            (verdict,) = record.verdicts
    assert (verdict.matched, verdict.key, verdict.wanted, verdict.saw) == (False, "max_age", "2h", "3 h 21 min")
