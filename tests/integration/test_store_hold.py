"""What is held: it waits in its place until its run is judged, or a person decides."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from notifier.core.brake import Decision
from notifier.core.change import Kind
from notifier.core.delivery import Outcome, Reason, Result, Settlement, State
from notifier.core.event import Event
from notifier.store import history, hold, outbox, snapshot
from notifier.store.database import Store, open_store
from notifier.store.driver import driver
from tests.store_values import MINUTE, NOW, cancelled, owed, plan

LATER = NOW + timedelta(hours=1)
NEAR = ("acme", "near")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "notifier.db", synchronous="normal") as opened:
        yield opened


def make(store: Store, *events: Event, channels: tuple[str, ...] = ("chat",), born: State = State.HELD) -> None:
    """Commits events as the run of a sweep does."""
    with store.writing() as tx:
        deliveries = [owed(event, channel) for event in events for channel in channels]
        snapshot.apply(tx, plan(events, deliveries), NOW, born)


def claimed(store: Store, channel: str = "chat") -> list[str]:
    """Claims all that is due and returns whose it is."""
    with store.writing() as tx:
        return [one.event.after.id for one in outbox.claim(tx, channel, LATER, 100)]


def deliver(store: Store, channel: str = "chat") -> list[str]:
    """Sends all that is due, one after the other, and returns the ids of the events in their order."""
    sent: list[str] = []
    while True:
        with store.writing() as tx:
            found = outbox.claim(tx, channel, LATER, 1)
            for one in found:
                done = Settlement(State.DELIVERED, Reason.OK)
                outbox.record(driver(tx), one, Outcome(Result.DELIVERED, Reason.OK), done, LATER)
                sent.append(one.event.id)
        if not found:
            return sent


def standing(store: Store) -> list[tuple[State, Reason | None]]:
    """Returns where each delivery stands, oldest first."""
    with store.reading() as tx:
        return [(one.state, one.reason) for one in reversed(history.deliveries(tx, 100))]


def test_what_a_run_makes_waits_for_its_end(store: Store) -> None:
    """It is neither claimed nor waited for; settled, all of it is due at once and goes out in its order."""
    events = [cancelled("a", 1), cancelled("b", 1), cancelled("a", 2)]
    make(store, *events)
    assert claimed(store) == []
    with store.reading() as tx:
        assert (outbox.next_due(tx, "chat"), outbox.due(tx, "chat", LATER)) == (None, 0)
    with store.writing() as tx:
        assert hold.settle(tx, *NEAR, LATER) == 3
        assert hold.settle(tx, *NEAR, LATER) == 0
        assert outbox.next_due(tx, "chat") == LATER
    assert deliver(store) == [events[0].id, events[1].id, events[2].id]


def test_what_the_brake_holds_is_not_settled_by_a_later_run(store: Store) -> None:
    """It stays, with its reason; what later runs make goes out, but not past it."""
    make(store, cancelled("a", 1))
    with store.writing() as tx:
        assert hold.trip(tx, *NEAR, NOW) == 1
        assert hold.held(tx, *NEAR) == 1
    make(store, cancelled("a", 2), cancelled("b", 1))
    with store.writing() as tx:
        assert hold.settle(tx, *NEAR, LATER) == 2
    assert standing(store) == [(State.HELD, Reason.BRAKE), (State.PENDING, None), (State.PENDING, None)]
    assert claimed(store) == ["b"]


def test_a_held_delivery_stops_only_its_own_channel_and_appointment(store: Store) -> None:
    """A later one of the same appointment waits behind it in that channel, and nowhere else."""
    make(store, cancelled("a", 1), channels=("chat",))
    make(store, cancelled("a", 2), channels=("chat", "desk"), born=State.PENDING)
    assert claimed(store) == []
    assert claimed(store, "desk") == ["a"]


def test_released_it_goes_out_once_and_in_order(store: Store) -> None:
    """Under the ids that it had, before what came later, and with the next reading to be believed."""
    first, second = cancelled("a", 1), cancelled("a", 2)
    make(store, first, channels=("chat", "desk"))
    with store.writing() as tx:
        hold.trip(tx, *NEAR, NOW)
        assert hold.waiting(tx, *NEAR) == {"chat": 1, "desk": 1}
    make(store, second, born=State.PENDING)
    with store.writing() as tx:
        assert hold.release(tx, *NEAR, LATER) == 2
        assert hold.decision(tx, *NEAR) is Decision.RELEASED
        assert (hold.held(tx, *NEAR), hold.waiting(tx, *NEAR)) == (0, {})
    assert deliver(store) == [first.id, second.id]
    with store.writing() as tx:
        assert hold.release(tx, *NEAR, LATER) == 0
    assert deliver(store) == []


def test_discarded_it_never_goes_out_and_stands_in_nobodys_way(store: Store) -> None:
    """It is settled with its reason, and a later one of the same appointment goes out."""
    make(store, cancelled("a", 1))
    with store.writing() as tx:
        hold.trip(tx, *NEAR, NOW)
    make(store, cancelled("a", 2), born=State.PENDING)
    with store.writing() as tx:
        assert hold.discard(tx, *NEAR, LATER) == 1
        assert hold.decision(tx, *NEAR) is Decision.DISCARDED
        assert hold.release(tx, *NEAR, LATER) == 0
    assert deliver(store) == [cancelled("a", 2).id]
    with store.reading() as tx:
        old = history.deliveries(tx, 10)[-1]
    assert (old.state, old.reason, old.settled_at) == (State.DISCARDED, Reason.DISCARDED, LATER)


def test_sweeps_and_sources_are_held_apart(store: Store) -> None:
    """What is decided about one sweep touches no other."""
    make(store, cancelled("a", 1), cancelled("a", 1, source="other"))
    with store.writing() as tx:
        assert hold.unjudged(tx) == [("acme", "near"), ("other", "near")]
        assert (hold.trip(tx, "acme", "far", NOW), hold.settle(tx, "acme", "far", NOW)) == (0, 0)
        assert hold.trip(tx, *NEAR, NOW) == 1
        assert (hold.unjudged(tx), hold.braked(tx)) == ([("other", "near")], [("acme", "near")])
        assert hold.release(tx, "other", "near", NOW) == 0
        assert hold.settle(tx, "other", "near", NOW) == 1
        assert hold.held(tx, *NEAR) == 1
        assert hold.decision(tx, *NEAR) is None


def test_what_a_dead_process_left_is_counted(store: Store) -> None:
    """Every appointment since the first that nobody judged, once, be it owed to anybody or not; none before it."""
    make(store, cancelled("a", 1))
    with store.writing() as tx:
        hold.settle(tx, *NEAR, NOW)
        assert list(hold.left(tx, *NEAR)) == []
    make(store, cancelled("a", 2))
    make(store, cancelled("a", 3))
    make(store, cancelled("b", 1), channels=())
    make(store, cancelled("c", 1, source="other"))
    with store.reading() as tx:
        assert list(hold.left(tx, *NEAR)) == [((Kind.STATUS_CHANGED,), ("status",))] * 2
    with store.writing() as tx:
        hold.trip(tx, *NEAR, NOW)
        assert list(hold.left(tx, *NEAR)) == []


def test_a_doubt_and_a_decision_last_until_a_reading_went_well(store: Store) -> None:
    """A doubt begins once, however often the brake trips; the last decision counts."""
    with store.writing() as tx:
        assert (hold.doubted_at(tx, *NEAR), hold.decision(tx, *NEAR)) == (None, None)
        hold.trip(tx, *NEAR, NOW)
        hold.trip(tx, *NEAR, NOW + MINUTE)
        hold.release(tx, *NEAR, NOW)
        hold.discard(tx, *NEAR, NOW)
    with store.writing() as tx:
        assert hold.doubted_at(tx, *NEAR) == NOW
        assert hold.doubted_at(tx, "acme", "far") is None
        assert hold.decision(tx, *NEAR) is Decision.DISCARDED
        hold.end_decision(tx, *NEAR)
        hold.end_decision(tx, *NEAR)
    with store.reading() as tx:
        assert (hold.doubted_at(tx, *NEAR), hold.decision(tx, *NEAR)) == (None, None)


def test_the_end_of_a_run_looks_at_nothing_but_what_is_held(store: Store) -> None:
    """However much is on record, and however much the brake holds of other sweeps."""
    make(store, cancelled("a", 1))
    asked: list[str] = []
    with store.writing() as tx:
        raw = tx.connection().connection.dbapi_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.set_trace_callback(asked.append)
        list(hold.left(tx, *NEAR))
        hold.settle(tx, *NEAR, NOW)
        hold.held(tx, *NEAR)
        hold.release(tx, *NEAR, NOW)
        raw.set_trace_callback(None)
        plans = {
            statement: " | ".join(row[-1] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}"))
            for statement in asked
            if "delivery" in statement
        }
    assert len(plans) == 4
    for statement, steps in plans.items():
        assert "INDEX ix_delivery_held (state=? AND reason=?" in steps, (statement, steps)
        assert "event USING INDEX sqlite_autoindex_event_1 (id=?" in steps, (statement, steps)
        assert "SCAN" not in steps, (statement, steps)
