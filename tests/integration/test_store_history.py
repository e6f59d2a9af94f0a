"""The history: people find an event by a piece of its id, and see what became of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from notifier.core.delivery import Outcome, Reason, Result, Settlement, State
from notifier.core.rule import Verdict
from notifier.errors import StoreError
from notifier.store import history, outbox, snapshot
from notifier.store.database import Store, open_store
from notifier.store.driver import driver
from tests.store_values import MINUTE, NOW, cancelled, owed, plan

EVENTS = [cancelled("a", 1), cancelled("b", 2), cancelled("a", 3), cancelled("c", 4)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "notifier.db", synchronous="normal") as opened:
        with opened.writing() as tx:
            deliveries = [owed(event, channel) for event in EVENTS for channel in ("chat", "desk")]
            snapshot.apply(tx, plan(EVENTS, deliveries), NOW)
        yield opened


def test_events_are_listed_newest_first(store: Store) -> None:
    """Up to the limit."""
    with store.reading() as tx:
        assert [entry.event for entry in history.events(tx, 3)] == EVENTS[:0:-1]


def test_events_are_picked_by_time_source_and_appointment(store: Store) -> None:
    """Every condition that is given must hold; the time is included."""
    with store.reading() as tx:
        assert [entry.event for entry in history.events(tx, 9, appointment="a")] == [EVENTS[2], EVENTS[0]]
        since = history.events(tx, 9, since=NOW + 3 * MINUTE)
        assert [entry.event for entry in since] == [EVENTS[3], EVENTS[2]]
        assert history.events(tx, 9, source="acme", since=NOW + 3 * MINUTE) == since
        assert history.events(tx, 9, source="other") == []
        assert history.events(tx, 9, appointment="a", since=NOW + 4 * MINUTE) == []


def test_an_event_is_found_by_its_id_or_the_beginning_of_it(store: Store) -> None:
    """As much of the id as tells it from all others, with the verdicts of the rules."""
    with store.reading() as tx:
        for event in EVENTS:
            assert history.event(tx, event.id).event == event
            assert history.event(tx, event.id[:10]).event == event
        assert history.event(tx, EVENTS[0].id).verdicts == (Verdict("all", matched=True),)


def test_an_unclear_id_is_refused(store: Store) -> None:
    """Whoever asks is told whether there is none or whether there are several."""
    with store.reading() as tx:
        with pytest.raises(StoreError, match="there is no event 'zz'"):
            history.event(tx, "zz")
        with pytest.raises(StoreError, match="more than one"):
            history.event(tx, "")
        with pytest.raises(StoreError, match="there is no event"):
            history.event(tx, f"{EVENTS[0].id}0")


def test_the_deliveries_of_an_event_are_listed_as_they_were_made(store: Store) -> None:
    """Each with its state."""
    with store.reading() as tx:
        found = history.deliveries_of(tx, EVENTS[1].id)
    assert [entry.delivery for entry in found] == [owed(EVENTS[1], "chat"), owed(EVENTS[1], "desk")]
    assert {entry.state for entry in found} == {State.PENDING}
    assert {entry.created_at for entry in found} == {NOW}


def test_deliveries_are_picked_by_state_and_channel(store: Store) -> None:
    """Newest first, up to the limit."""
    with store.writing() as tx:
        first, second = outbox.claim(tx, "chat", NOW, 2)
        gone = Outcome(Result.DEAD, Reason.GONE, 410)
        outbox.record(driver(tx), first, gone, Settlement(State.DEAD, Reason.GONE), NOW + MINUTE)

    with store.reading() as tx:
        assert len(history.deliveries(tx, 99)) == 8
        assert [entry.delivery for entry in history.deliveries(tx, 1)] == [owed(EVENTS[3], "desk")]
        assert len(history.deliveries(tx, 99, channel="desk")) == 4
        (dead,) = history.deliveries(tx, 99, states=[State.DEAD])
        assert (dead.delivery, dead.reason, dead.settled_at) == (first.delivery, Reason.GONE, NOW + MINUTE)
        both = history.deliveries(tx, 99, states=[State.DEAD, State.SENDING], channel="chat")
        assert [entry.delivery for entry in both] == [second.delivery, first.delivery]
        assert history.deliveries(tx, 99, states=[State.DEAD], channel="desk") == []
