"""Personal texts in the store: kept with what owes them, gone with its end."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from sqlmodel import select

from notifier.core.brake import Decision
from notifier.core.delivery import Delivery, Outcome, Reason, Result, Settlement, State
from notifier.core.event import Event
from notifier.core.plan import OwedText
from notifier.store import hold, letters, outbox, snapshot, texts
from notifier.store.database import Store
from notifier.store.delivery_tables import TextRow
from notifier.store.driver import driver
from notifier.store.letters import Selection
from tests.store_values import NOW, cancelled, owed, plan

NOTE = "Call the neighbour first"


def noted(revision: int = 1) -> Event:
    """Returns a cancellation with notes."""
    event = cancelled("a1", revision)
    return replace(event, after=structs.replace(event.after, fingerprints=(("internal_notes", "f1"),)))


def text_of(
    delivery: Delivery, name: str = "internal_notes", value: object = NOTE, fingerprint: str = "f1"
) -> OwedText:
    return OwedText(delivery.id, name, value, fingerprint)


def owe(store: Store, *channels: str, born: State = State.PENDING, revision: int = 1) -> list[Delivery]:
    """Owes a cancellation, and its notes, to these channels."""
    event = noted(revision)
    made = [owed(event, channel) for channel in channels]
    with store.writing() as tx:
        snapshot.apply(tx, replace(plan([event], made), texts=tuple(map(text_of, made))), NOW, born)
    return made


def kept(store: Store) -> set[tuple[str, str]]:
    """Returns the deliveries and fields of which there is a text."""
    with store.reading() as tx:
        return {(row.delivery_id, row.field) for row in tx.exec(select(TextRow))}


def attempt(store: Store, channel: str, state: State, result: Result = Result.RETRY) -> None:
    """Claims the delivery of a channel, and settles it."""
    due = NOW if state is State.PENDING else None
    with store.writing() as tx:
        (claimed,) = outbox.claim(tx, channel, NOW + timedelta(minutes=1), 1)
    with store.writing() as tx:
        outbox.record(driver(tx), claimed, Outcome(result, Reason.OK), Settlement(state, Reason.OK, due), NOW)


@pytest.mark.parametrize("value", [NOTE, ["a", {"b": None}], {"any": 1.5}, "ä\u2028"])
def test_a_text_comes_back_as_it_was(store: Store, value: Any) -> None:
    """In whatever shape the source has it."""
    event = noted()
    made = owed(event)
    with store.writing() as tx:
        snapshot.apply(tx, replace(plan([event], [made]), texts=(text_of(made, value=value),)), NOW)
    with store.reading() as tx:
        assert texts.of_delivery(driver(tx), made.id, event.after) == {"internal_notes": value}
        assert texts.of_delivery(driver(tx), "another", event.after) == {}


def test_a_text_that_is_not_so_any_more_is_not_told(store: Store) -> None:
    """What is told of a later state must not have the text of an earlier one."""
    (made,) = owe(store, "crm")
    later = structs.replace(noted().after, fingerprints=(("internal_notes", "f2"),))
    with store.reading() as tx:
        assert texts.of_delivery(driver(tx), made.id, later) == {}
        assert texts.of_delivery(driver(tx), made.id, structs.replace(later, fingerprints=())) == {}


def test_a_plan_that_is_applied_again_keeps_no_text_twice(store: Store) -> None:
    """As after a crash: the delivery may have ended meanwhile."""
    owe(store, "crm")
    attempt(store, "crm", State.DELIVERED, Result.DELIVERED)
    owe(store, "crm")
    assert kept(store) == set()


def test_a_text_that_no_json_can_hold_is_left_out(store: Store) -> None:
    """It is nested more deeply than anything that was meant."""
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    event = noted()
    made = owed(event)
    with store.writing() as tx:
        snapshot.apply(tx, replace(plan([event], [made]), texts=(text_of(made, value=deep),)), NOW)
    assert kept(store) == set()


@pytest.mark.parametrize(
    ("state", "stays"),
    [
        (State.PENDING, True),
        (State.DEAD, True),
        (State.UNCERTAIN, True),
        (State.DELIVERED, False),
        (State.SUPERSEDED, False),
        (State.DROPPED, False),
    ],
)
def test_a_text_stays_as_long_as_it_may_still_be_sent(store: Store, state: State, stays: bool) -> None:
    """To one channel; the other one's is its own."""
    crm, desk = owe(store, "crm", "desk")
    attempt(store, "crm", state)
    assert ((crm.id, "internal_notes") in kept(store)) is stays
    assert (desk.id, "internal_notes") in kept(store)


def test_what_a_dead_process_was_sending_keeps_its_text(store: Store) -> None:
    """It is sent again."""
    (made,) = owe(store, "crm")
    with store.writing() as tx:
        outbox.claim(tx, "crm", NOW + timedelta(minutes=1), 1)
    with store.writing() as tx:
        outbox.recover(tx, NOW, {})
    assert kept(store) == {(made.id, "internal_notes")}


def test_what_is_dropped_loses_its_text(store: Store) -> None:
    """And what is sent again keeps it."""
    (first,) = owe(store, "crm")
    attempt(store, "crm", State.DEAD)
    with store.writing() as tx:
        letters.retry(tx, letters.find(tx, Selection(ids=(first.id,))), NOW)
    assert kept(store) == {(first.id, "internal_notes")}
    attempt(store, "crm", State.DEAD)
    with store.writing() as tx:
        letters.drop(tx, letters.find(tx, Selection(ids=(first.id,))), NOW)
    assert kept(store) == set()


@pytest.mark.parametrize(("decided", "stays"), [(Decision.RELEASED, True), (Decision.DISCARDED, False)])
def test_what_the_brake_holds_keeps_its_text(store: Store, decided: Decision, stays: bool) -> None:
    """Until a person has decided that nobody is to hear of it."""
    owe(store, "crm", born=State.HELD)
    with store.writing() as tx:
        hold.trip(tx, "acme", "near", NOW)
    assert kept(store)
    with store.writing() as tx:
        (hold.release if decided is Decision.RELEASED else hold.discard)(tx, "acme", "near", NOW)
    assert bool(kept(store)) is stays


def test_what_a_channel_may_not_see_any_more_goes(store: Store) -> None:
    """Field by field, and all of it for a channel that is not there any more."""
    event = noted()
    made = [owed(event, channel) for channel in ("crm", "desk", "gone")]
    owing = tuple(text_of(one, name) for one in made for name in ("internal_notes", "answers"))
    with store.writing() as tx:
        snapshot.apply(tx, replace(plan([event], made), texts=owing), NOW)
    with store.writing() as tx:
        texts.revoke(tx, {"crm": ["answers"], "desk": ["answers", "internal_notes"]})
    assert kept(store) == {(made[0].id, "answers"), (made[1].id, "answers"), (made[1].id, "internal_notes")}


def test_nothing_deleted_is_left_in_the_file(store: Store, tmp_path: Path) -> None:
    """Neither in its free pages nor in the log beside it, however long the text was."""
    event = noted()
    made = owed(event)
    long = (text_of(made, value=NOTE * 1000), text_of(made, "answers", [NOTE]))
    with store.writing() as tx:
        snapshot.apply(tx, replace(plan([event], [made]), texts=long), NOW)
    store.wipe_log()
    assert any(NOTE.encode() in file.read_bytes() for file in tmp_path.iterdir())
    attempt(store, made.channel, State.DELIVERED, Result.DELIVERED)
    store.wipe_log()
    assert not any(NOTE.encode() in file.read_bytes() for file in tmp_path.iterdir())


def test_the_log_is_left_alone_while_somebody_reads_it(store: Store) -> None:
    """Wiping it is for the next time, and delays nobody."""
    with store.reading() as tx:
        tx.exec(select(TextRow)).all()
        owe(store, "crm")
        store.wipe_log()
    assert kept(store)
    owe(store, "crm", revision=2)


def test_an_error_of_the_store_tells_no_text(store: Store) -> None:
    """It goes into the log."""
    (made,) = owe(store, "crm")
    with pytest.raises(Exception, match="UNIQUE") as caught, store.writing() as tx:
        texts.keep(tx, [text_of(made)], [made])
    assert NOTE not in str(caught.value)
