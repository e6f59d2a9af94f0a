"""The outbox: what is due goes out in order, every try is on record, and a crash loses nothing."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notifier.core.delivery import Outcome, Reason, Result, Settlement, State
from notifier.core.event import Event
from notifier.errors import StoreError
from notifier.store import history, outbox, rows, snapshot
from notifier.store.claimed import Claimed
from notifier.store.database import Store, open_store
from notifier.store.driver import driver
from notifier.store.history import AttemptRecord
from tests.store_values import MINUTE, NOW, cancelled, owed, plan

DELIVERED = Outcome(Result.DELIVERED, Reason.OK, 200)
FAILED = Outcome(Result.RETRY, Reason.UNAVAILABLE, 503, timedelta(seconds=5), "HTTP 503")
DONE = Settlement(State.DELIVERED, Reason.OK)
LATER = Settlement(State.PENDING, Reason.UNAVAILABLE, NOW + 5 * MINUTE)
DEAD = Settlement(State.DEAD, Reason.EXHAUSTED)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "notifier.db", synchronous="normal") as opened:
        yield opened


def owe(store: Store, *events: Event, channel: str = "chat", minutes: float = 0) -> None:
    with store.writing() as tx:
        deliveries = [owed(event, channel, f"to-{channel}", NOW + minutes * MINUTE) for event in events]
        snapshot.apply(tx, plan(events, deliveries), NOW)


def claim(store: Store, limit: int = 10, minutes: float = 0, channel: str = "chat") -> list[Claimed]:
    with store.writing() as tx:
        return outbox.claim(tx, channel, NOW + minutes * MINUTE, limit)


def record(store: Store, claimed: Claimed, outcome: Outcome, settlement: Settlement) -> None:
    with store.writing() as tx:
        outbox.record(driver(tx), claimed, outcome, settlement, NOW + MINUTE)


def ids(claimed: list[Claimed]) -> list[str]:
    return [each.event.after.id for each in claimed]


def numbers(store: Store, channel: str = "chat") -> dict[str, int]:
    with store.reading() as tx:
        return {state.value: number for state, number in outbox.counts(tx)[channel].items() if number}


def test_a_claim_brings_all_that_a_message_needs(store: Store) -> None:
    """The delivery, the number of the try and the event as it was recorded."""
    event = cancelled()
    owe(store, event)

    (claimed,) = claim(store)

    assert (claimed.event, claimed.attempt) == (event, 1)
    assert claimed.delivery == owed(event, rule="to-chat")
    assert numbers(store) == {"sending": 1}


def test_deliveries_go_out_in_the_order_in_which_they_were_made(store: Store) -> None:
    """Whatever the order of their ids, and in batches as in one go."""
    owe(store, *(cancelled(name) for name in ("c", "a", "d")))
    owe(store, cancelled("b"))

    assert ids(claim(store, 2)) == ["c", "a"]
    assert ids(claim(store, 2)) == ["d", "b"]
    assert claim(store) == []


def test_what_is_not_due_waits(store: Store) -> None:
    """A delivery is claimed at its time, not before; what fell due first goes first."""
    owe(store, cancelled("late"), minutes=10)
    owe(store, cancelled("early"), minutes=5)

    assert claim(store, minutes=4.9) == []
    assert ids(claim(store, 1, minutes=10)) == ["early"]
    assert ids(claim(store, 1, minutes=10)) == ["late"]


def test_one_appointment_is_told_in_order(store: Store) -> None:
    """Nothing goes out while something older of the same appointment and channel is unsettled."""
    owe(store, cancelled("a", 1), cancelled("a", 2), cancelled("b", 1))

    first, other = claim(store)
    assert ids([first, other]) == ["a", "b"]
    assert claim(store) == []

    record(store, first, FAILED, LATER)
    assert claim(store) == []
    (again,) = claim(store, minutes=5)
    assert (again.event, again.attempt) == (first.event, 2)

    record(store, again, DELIVERED, DONE)
    (second,) = claim(store)
    assert second.event == cancelled("a", 2)


def test_a_dead_delivery_stands_in_nobodys_way(store: Store) -> None:
    """Once given up, the next of the same appointment goes out."""
    owe(store, cancelled("a", 1), cancelled("a", 2))
    (first,) = claim(store)
    record(store, first, FAILED, DEAD)

    assert [each.event for each in claim(store)] == [cancelled("a", 2)]
    assert numbers(store) == {"dead": 1, "sending": 1}


def test_channels_do_not_wait_for_each_other(store: Store) -> None:
    """A channel that is stuck with an appointment delays no other channel."""
    event, later = cancelled("a", 1), cancelled("a", 2)
    with store.writing() as tx:
        deliveries = [owed(each, channel) for each in (event, later) for channel in ("chat", "desk")]
        snapshot.apply(tx, plan([event, later], deliveries), NOW)
    claim(store)

    (there,) = claim(store, channel="desk")
    record(store, there, DELIVERED, DONE)
    assert [each.event for each in claim(store, channel="desk")] == [later]
    assert numbers(store) == {"pending": 1, "sending": 1}


def test_two_rules_to_one_channel_are_told_one_after_the_other(store: Store) -> None:
    """Two messages about one event to one channel keep the order of their rules."""
    event = cancelled()
    with store.writing() as tx:
        snapshot.apply(tx, plan([event], [owed(event, rule="one"), owed(event, rule="two")]), NOW)

    (one,) = claim(store)
    assert one.delivery.rule == "one"
    record(store, one, DELIVERED, DONE)
    assert [each.delivery.rule for each in claim(store)] == ["two"]


def test_every_try_is_on_record(store: Store) -> None:
    """With its number, times, result, reason and status; the delivery tells where it stands."""
    owe(store, cancelled())
    (first,) = claim(store)
    record(store, first, FAILED, LATER)
    (second,) = claim(store, minutes=7)

    with store.reading() as tx:
        (entry,) = history.deliveries(tx, 10)
        tries = history.attempts(tx, entry.seq)
    assert (entry.state, entry.reason, entry.attempts) == (State.SENDING, Reason.UNAVAILABLE, 2)
    assert tries == [
        AttemptRecord(
            number=1,
            started_at=NOW,
            finished_at=NOW + MINUTE,
            result=Result.RETRY,
            reason=Reason.UNAVAILABLE,
            status=503,
            detail="HTTP 503",
        ),
        AttemptRecord(
            number=2,
            started_at=NOW + 7 * MINUTE,
            finished_at=None,
            result=None,
            reason=None,
            status=None,
            detail="",
        ),
    ]

    record(store, second, DELIVERED, DONE)
    with store.reading() as tx:
        (entry,) = history.deliveries(tx, 10)
    assert (entry.state, entry.reason, entry.settled_at) == (State.DELIVERED, Reason.OK, NOW + MINUTE)


def test_an_attempt_is_recorded_once(store: Store) -> None:
    """A second end of the same attempt is refused, and so is one of an attempt that is over."""
    owe(store, cancelled())
    (first,) = claim(store)
    record(store, first, FAILED, LATER)
    with pytest.raises(StoreError, match="attempt 1"):
        record(store, first, DELIVERED, DONE)

    claim(store, minutes=7)
    with pytest.raises(StoreError, match="attempt 1"):
        record(store, first, DELIVERED, DONE)
    assert numbers(store) == {"sending": 1}


# After a crash


def test_what_a_dead_process_was_sending_is_due_at_once(store: Store) -> None:
    """The open attempt ends as interrupted and counts; what was not being sent is left alone."""
    owe(store, cancelled("a", 1), cancelled("a", 2), cancelled("b"))
    claim(store, 1)
    with store.writing() as tx:
        assert outbox.recover(tx, NOW + MINUTE) == 1
        assert outbox.recover(tx, NOW + MINUTE) == 0

    assert numbers(store) == {"pending": 3}
    again = claim(store, minutes=1)
    assert [(each.event.after.id, each.attempt) for each in again] == [("b", 1), ("a", 2)]
    with store.reading() as tx:
        interrupted, _ = history.attempts(tx, again[1].seq)
    assert (interrupted.finished_at, interrupted.result) == (NOW + MINUTE, Result.RETRY)
    assert interrupted.reason is Reason.INTERRUPTED


def test_a_message_that_always_kills_the_process_is_given_up(store: Store) -> None:
    """Interrupted tries count like others, so that even such a message ends as a dead letter."""
    owe(store, cancelled("a", 1), cancelled("a", 2))
    for _ in range(outbox.TRIES):
        claim(store)
        with store.writing() as tx:
            assert outbox.recover(tx, NOW) == 1

    assert numbers(store) == {"dead": 1, "pending": 1}
    with store.reading() as tx:
        (dead,) = history.deliveries(tx, 10, states=[State.DEAD])
    assert (dead.reason, dead.attempts, dead.settled_at) == (Reason.EXHAUSTED, outbox.TRIES, NOW)


def test_a_channel_may_want_more_tries(store: Store) -> None:
    """How often a message may kill the process is what its channel wants; others are given up as usual."""
    owe(store, cancelled("a"))
    for _ in range(outbox.TRIES + 1):
        claim(store)
        with store.writing() as tx:
            assert outbox.recover(tx, NOW, {"chat": outbox.TRIES + 1, "desk": 1}) == 1
    assert numbers(store) == {"dead": 1}


# Figures


def test_the_next_due_time_is_that_of_something_claimable(store: Store) -> None:
    """What waits for an older one of its appointment does not count, nor what is being sent."""
    with store.reading() as tx:
        assert outbox.next_due(tx, "chat") is None

    owe(store, cancelled("a", 1), minutes=3)
    owe(store, cancelled("a", 2))
    owe(store, cancelled("b", 1), minutes=5)
    with store.reading() as tx:
        assert outbox.next_due(tx, "chat") == NOW + 3 * MINUTE
        assert outbox.next_due(tx, "desk") is None

    claim(store, minutes=3)
    with store.reading() as tx:
        assert outbox.next_due(tx, "chat") == NOW + 5 * MINUTE


def test_counts_know_every_state(store: Store) -> None:
    """A channel that owes or owed anything has a figure for every state, zeros included."""
    owe(store, cancelled("a"), cancelled("b"))
    owe(store, cancelled("c"), channel="desk")
    (claimed,) = claim(store, 1)
    record(store, claimed, DELIVERED, DONE)

    with store.reading() as tx:
        assert outbox.counts(tx) == {
            "chat": dict.fromkeys(State, 0) | {State.PENDING: 1, State.DELIVERED: 1},
            "desk": dict.fromkeys(State, 0) | {State.PENDING: 1},
        }


def test_what_could_be_sent_now(store: Store) -> None:
    """What is being sent is not due, nor what stands behind it or waits for a later time."""

    def due() -> int:
        with store.reading() as tx:
            return outbox.due(tx, "chat", NOW)

    assert due() == 0
    owe(store, cancelled("a", 1), cancelled("a", 2), cancelled("b"))
    assert due() == 2
    first, other = claim(store)
    assert due() == 0
    record(store, other, DELIVERED, DONE)
    record(store, first, FAILED, LATER)
    assert due() == 0


@pytest.mark.parametrize(
    ("statement", "values"), [(outbox._DUE, ("chat", rows.stored(NOW), 10)), (outbox._NEXT_DUE, ("chat",))]
)
def test_a_claim_stays_away_from_settled_deliveries(store: Store, statement: str, values: tuple[Any, ...]) -> None:
    """Its plan uses the partial indexes, whose size is that of the backlog and not of the history."""
    with store.reading() as tx:
        explained = tx.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        steps = " | ".join(row[-1] for row in explained)
    assert "INDEX ix_delivery_due (channel=? AND state=?" in steps
    assert "ix_delivery_order (channel=? AND order_key=? AND seq<?)" in steps
    assert "TEMP B-TREE" not in steps
