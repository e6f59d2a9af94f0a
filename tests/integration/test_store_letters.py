"""Dead letters in the store: which are meant, and what a decision about them changes."""

from datetime import timedelta

import pytest

from notifier.core.delivery import Outcome, Reason, Result, Settlement, State
from notifier.core.event import Event
from notifier.errors import StoreError
from notifier.store import history, letters, outbox, snapshot
from notifier.store.database import Store
from notifier.store.driver import driver
from notifier.store.history import DeliveryRecord
from notifier.store.letters import Letter, Selection
from tests.store_values import MINUTE, NOW, cancelled, owed, plan

BOTH = frozenset({State.DEAD, State.UNCERTAIN})

ENDS = {
    State.DELIVERED: Outcome(Result.DELIVERED, Reason.OK),
    State.DEAD: Outcome(Result.DEAD, Reason.NOT_FOUND),
    State.UNCERTAIN: Outcome(Result.UNCERTAIN, Reason.UNCERTAIN),
}


def put(
    store: Store, event: Event, state: State = State.DEAD, channel: str = "chat", rule: str = "all", minutes: int = 0
) -> str:
    """Puts a delivery on record that came to this state so many minutes later; returns its id."""
    delivery, then = owed(event, channel, rule), NOW + minutes * MINUTE
    with store.writing() as tx:
        snapshot.apply(tx, plan([event], [delivery]), NOW)
        if state is not State.PENDING:
            (claimed,) = outbox.claim(tx, channel, then, limit=1)
            outbox.record(driver(tx), claimed, ENDS[state], Settlement(state, ENDS[state].reason), then)
    return delivery.id


def found(store: Store, **wanted: object) -> list[str]:
    """Returns the ids of what a selection means."""
    with store.reading() as tx:
        return [letter.id for letter in letters.find(tx, Selection(**wanted))]  # type: ignore[arg-type]


def of(store: Store, id_: str) -> DeliveryRecord:
    with store.reading() as tx:
        (record,) = [one for one in history.deliveries(tx, 100) if one.delivery.id == id_]
        return record


def find_and(store: Store, make: object, **wanted: object) -> list[Letter]:
    """Decides about what a selection means."""
    with store.writing() as tx:
        meant = letters.find(tx, Selection(**wanted))  # type: ignore[arg-type]
        assert callable(make)
        make(tx, meant, NOW + 60 * MINUTE)
    return meant


def test_which_are_meant(store: Store) -> None:
    """Those that are dead, of a rule, a channel, or given up lately, of which all must hold; the oldest first."""
    old = put(store, cancelled("a"), minutes=0)
    new = put(store, cancelled("b"), minutes=30)
    other = put(store, cancelled("c"), channel="desk", rule="late", minutes=20)
    silent = put(store, cancelled("d"), State.UNCERTAIN, minutes=40)
    put(store, cancelled("e"), State.DELIVERED, minutes=40)
    put(store, cancelled("f"), State.PENDING)
    assert found(store) == [old, new, other]
    assert found(store, rule="late") == found(store, channel="desk") == [other]
    assert found(store, channel="chat", rule="late") == []
    assert found(store, since=NOW + 20 * MINUTE) == [new, other]
    assert found(store, since=NOW + 20 * MINUTE, channel="chat") == [new]
    assert found(store, states=frozenset({State.UNCERTAIN})) == [silent]
    assert found(store, states=BOTH) == [old, new, other, silent]


def test_by_id(store: Store) -> None:
    """An id, or its beginning, names what is dead or uncertain, once, however often it is written."""
    dead, silent = put(store, cancelled("a")), put(store, cancelled("b"), State.UNCERTAIN)
    assert found(store, ids=(silent, dead, dead[:8], silent[:-1])) == [dead, silent]


@pytest.mark.parametrize("state", [State.DELIVERED, State.PENDING])
def test_by_an_id_that_is_none(store: Store, state: State) -> None:
    """What no delivery has, several begin with, or belongs to one about which there is nothing to decide, is told."""
    dead, other = put(store, cancelled("a")), put(store, cancelled("b"), state)
    for ids, told in [
        (("zz",), "there is no delivery 'zz' on record"),
        (("",), "more than one delivery's id begins with ''; write more of it"),
        ((dead, other), f"the delivery '{other}' is {state.value}; there is nothing to decide about it"),
    ]:
        with pytest.raises(StoreError) as raised:
            found(store, ids=ids)
        assert str(raised.value) == told


@pytest.mark.parametrize("state", [State.DEAD, State.UNCERTAIN])
def test_what_is_sent_again(store: Store, state: State) -> None:
    """It is due at once under its id, its tries count anew, its attempts stay, and so does what may have arrived."""
    id_ = put(store, cancelled("a"), state)
    assert [letter.state for letter in find_and(store, letters.retry, states=BOTH)] == [state]
    record = of(store, id_)
    assert (record.state, record.reason, record.settled_at) == (State.PENDING, Reason.RETRIED, None)
    assert (record.delivery.due_at, record.attempts, record.tries) == (NOW + 60 * MINUTE, 1, 0)
    assert record.in_doubt is (state is State.UNCERTAIN)
    with store.writing() as tx:
        assert outbox.claim(tx, "chat", NOW + 59 * MINUTE, limit=1) == []
        (claimed,) = outbox.claim(tx, "chat", NOW + 60 * MINUTE, limit=1)
    assert (claimed.delivery.id, claimed.attempt, claimed.tries) == (id_, 2, 1)


def test_what_is_sent_again_keeps_its_place(store: Store) -> None:
    """It goes before what is owed of its appointment since; several of them go in the order in which they were made."""
    first, second = put(store, cancelled("a", 1)), put(store, cancelled("a", 2))
    later = put(store, cancelled("a", 3), State.PENDING)
    find_and(store, letters.retry)
    sent = []
    for minutes in range(60, 64):
        with store.writing() as tx:
            for claimed in outbox.claim(tx, "chat", NOW + minutes * MINUTE, limit=9):
                outbox.record(driver(tx), claimed, ENDS[State.DELIVERED], Settlement(State.DELIVERED, Reason.OK), NOW)
                sent.append(claimed.delivery.id)
    assert sent == [first, second, later]


@pytest.mark.parametrize("state", [State.DEAD, State.UNCERTAIN])
def test_what_is_dropped(store: Store, state: State) -> None:
    """It is never sent, stays on record with the time of the decision, and is not meant again."""
    id_ = put(store, cancelled("a"), state)
    find_and(store, letters.drop, ids=(id_,))
    record = of(store, id_)
    assert (record.state, record.reason, record.settled_at) == (State.DROPPED, Reason.DROPPED, NOW + 60 * MINUTE)
    assert found(store, states=BOTH) == []
    with store.writing() as tx:
        assert outbox.next_due(tx, "chat") is None


def test_only_what_is_meant_is_changed(store: Store) -> None:
    """Whatever else is on record stays as it is."""
    dead, other = put(store, cancelled("a")), put(store, cancelled("b"), channel="desk")
    rest = [put(store, cancelled(str(state)), state) for state in (State.DELIVERED, State.UNCERTAIN)]
    before = [of(store, id_) for id_ in (other, *rest)]
    find_and(store, letters.drop, channel="chat")
    assert of(store, dead).state is State.DROPPED
    assert [of(store, id_) for id_ in (other, *rest)] == before


def test_as_many_as_there_are(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one statement can change are changed all the same."""
    monkeypatch.setattr(letters, "_AT_ONCE", 3)
    ids = [put(store, cancelled(str(number))) for number in range(10)]
    assert [letter.id for letter in find_and(store, letters.retry)] == ids
    with store.reading() as tx:
        assert outbox.due(tx, "chat", NOW + timedelta(hours=1)) == 10


def test_the_channels_that_there_were(store: Store) -> None:
    """Every channel to which there was a delivery is known, whatever became of it."""
    put(store, cancelled("a"), State.PENDING, channel="desk")
    put(store, cancelled("b"), State.DELIVERED)
    with store.reading() as tx:
        assert letters.channels(tx) == {"chat", "desk"}
