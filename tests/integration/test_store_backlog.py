"""What waited is re-checked when it is claimed: what goes out, what does not, and what is on record of it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from notifier.core.change import Kind
from notifier.core.delivery import Outcome, Reason, Result, Settlement, State
from notifier.core.plan import OwedText
from notifier.core.recheck import Terms
from notifier.core.rule import to_status
from notifier.store import backlog, history, hold, letters, outbox, snapshot, texts
from notifier.store.backlog import Superseded
from notifier.store.claimed import Claimed
from notifier.store.database import Store, open_store
from notifier.store.driver import driver
from notifier.store.history import DeliveryRecord, Successor
from notifier.store.letters import Selection
from tests.builders import rule
from tests.one_life import ACCEPTED, CANCELLED, MOVED, MOVED_ON, Life
from tests.store_values import MINUTE, NOW, appointment, known, plan

RULES = {
    "all": rule(name="all"),
    "other": rule(name="other"),
    "cancelled": rule(to_status(["CANCELLED"]), name="cancelled"),
    "always": rule(name="always", always=True),
}
TERMS = Terms(MINUTE, RULES)
LATER = NOW + timedelta(hours=1)

FAILED = Outcome(Result.RETRY, Reason.UNAVAILABLE, 503)
UNCERTAIN = Outcome(Result.UNCERTAIN, Reason.UNCERTAIN)
DONE = Settlement(State.DELIVERED, Reason.OK)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "notifier.db", synchronous="normal") as opened:
        yield opened


@pytest.fixture
def life(store: Store) -> Life:
    return Life(store)


def claim(
    store: Store, now: datetime = LATER, limit: int = 9, terms: Terms | None = TERMS
) -> tuple[list[Claimed], list[Superseded]]:
    """Returns what was claimed, and what was superseded by that."""
    superseded: list[Superseded] = []
    with store.writing() as tx:
        return outbox.claim(tx, "chat", now, limit, terms, superseded.append), superseded


def end(store: Store, claimed: Claimed, outcome: Outcome, settlement: Settlement) -> None:
    with store.writing() as tx:
        outbox.record(driver(tx), claimed, outcome, settlement, LATER)


def again(outcome: Outcome, due_at: datetime = LATER) -> Settlement:
    return Settlement(State.PENDING, outcome.reason, due_at)


def on_record(store: Store) -> dict[str, DeliveryRecord]:
    with store.reading() as tx:
        return {one.delivery.id: one for one in reversed(history.deliveries(tx, 1000))}


def states(store: Store) -> list[tuple[State, Reason | None]]:
    return [(one.state, one.reason) for one in on_record(store).values()]


# What is claimed


def test_what_is_young_goes_out_as_it_was(store: Store, life: Life) -> None:
    """Up to the limit nothing is compared, though it was undone; a moment later it is."""
    life.goes_to(CANCELLED, "all")
    life.goes_to(ACCEPTED)
    ((claimed,), superseded) = claim(store, NOW + MINUTE)
    assert (claimed.event, superseded) == (life.events[0], [])
    end(store, claimed, FAILED, again(FAILED, NOW))
    assert claim(store, NOW + MINUTE + timedelta(milliseconds=1))[0] == []


def test_what_is_young_costs_no_more_than_without_terms(store: Store, life: Life) -> None:
    """It is found, marked, and its attempt begun, and nothing else is asked; nor is it for a rule that is gone."""
    statements: list[str] = []
    life.goes_to(CANCELLED, "all")
    with store.writing() as tx:
        driver(tx).set_trace_callback(statements.append)
        assert outbox.claim(tx, "chat", NOW + MINUTE, 1, TERMS)
        driver(tx).set_trace_callback(None)
    assert [statement.split()[0] for statement in statements] == ["SELECT", "UPDATE", "INSERT"]


def test_a_queue_is_found_by_its_index(store: Store) -> None:
    """What waits of one appointment and channel is read, and nothing else, nor sorted."""
    with store.reading() as tx:
        explained = tx.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {backlog._QUEUE}", ("chat", "acme/a1", 1))
        steps = " | ".join(row[-1] for row in explained)
    assert "INDEX ix_delivery_order (channel=? AND order_key=? AND seq>?)" in steps
    assert "SCAN" not in steps
    assert "TEMP B-TREE" not in steps


def test_several_become_one(store: Store, life: Life) -> None:
    """The last goes out under its id and tells the whole way; the others are on record with what overtook them."""
    first, second, third = (life.goes_to(state, "all")[0] for state in (CANCELLED, MOVED, MOVED_ON))
    ((claimed,), superseded) = claim(store)
    assert (claimed.delivery.id, claimed.event.id) == (third, life.events[2].id)
    assert (claimed.event.before, claimed.event.after) == (ACCEPTED, MOVED_ON)
    assert claimed.event.kinds == (Kind.RESCHEDULED,)
    assert [(one.delivery, one.reason, one.by) for one in superseded] == [
        (id_, Reason.COLLAPSED, third) for id_ in (first, second)
    ]
    record = on_record(store)
    assert (record[first].state, record[first].reason, record[first].settled_at) == (
        State.SUPERSEDED,
        Reason.COLLAPSED,
        LATER,
    )
    assert record[first].superseded_by == Successor(third, life.events[2].id)
    assert (record[third].told, record[first].told) == (claimed.event, None)
    assert [record[id_].attempts for id_ in (first, second, third)] == [0, 0, 1]


def test_what_was_undone_is_not_sent(store: Store, life: Life) -> None:
    """Both steps end on record, and others of the channel go out."""
    life.goes_to(CANCELLED, "all")
    life.goes_to(ACCEPTED, "all")
    other = Life(store, appointment("b1"))
    other.goes_to(appointment("b1", "CANCELLED"), "all")
    ((claimed,), superseded) = claim(store, limit=1)
    assert claimed.event == other.events[0]
    assert [(one.appointment, one.rule, one.reason, one.by) for one in superseded] == [
        ("a1", "all", Reason.UNDONE, None)
    ] * 2
    assert states(store)[:2] == [(State.SUPERSEDED, Reason.UNDONE)] * 2


def test_what_led_elsewhere_is_not_sent(store: Store, life: Life) -> None:
    """The rule is asked again with the state of now."""
    life.goes_to(CANCELLED, "cancelled")
    life.goes_to(MOVED)
    assert claim(store)[0] == []
    assert states(store) == [(State.SUPERSEDED, Reason.UNDONE)]
    life.goes_to(CANCELLED, "cancelled")
    life.goes_to(appointment(status="NO_SHOW"))
    assert claim(store)[0] == []
    assert states(store)[1:] == [(State.SUPERSEDED, Reason.OUTDATED)]


@pytest.mark.parametrize("name", ["always", "a rule that was taken out"])
def test_some_rules_have_every_step_told(store: Store, life: Life, name: str) -> None:
    """One after the other, as it was."""
    life.goes_to(CANCELLED, name)
    life.goes_to(ACCEPTED, name)
    for told in life.events:
        ((claimed,), superseded) = claim(store)
        assert (claimed.event, superseded) == (told, [])
        end(store, claimed, Outcome(Result.DELIVERED, Reason.OK), DONE)


def test_each_rule_has_its_own(store: Store, life: Life) -> None:
    """What another rule owes in between keeps its turn: it goes out before the one that tells the whole way."""
    life.goes_to(MOVED, "all")
    (between,) = life.goes_to(CANCELLED, "other")
    (last,) = life.goes_to(MOVED_ON, "all")
    ((claimed,), superseded) = claim(store)
    # It has led on as well.
    assert (claimed.delivery.id, claimed.event.after) == (between, MOVED_ON)
    assert len(superseded) == 1
    end(store, claimed, Outcome(Result.DELIVERED, Reason.OK), DONE)
    ((claimed,), _) = claim(store)
    assert (claimed.delivery.id, claimed.event.before, claimed.event.after) == (last, ACCEPTED, MOVED_ON)


def test_what_is_no_longer_known_is_told_as_it_was(store: Store, life: Life) -> None:
    """An appointment that was let go has no newest state."""
    life.goes_to(CANCELLED, "all")
    life.goes_to(ACCEPTED)
    with store.writing() as tx:
        snapshot.forget(tx, "acme", ["a1"])
    assert claim(store)[0][0].event == life.events[0]


def test_a_vanished_one_is_told_as_vanished(store: Store, life: Life) -> None:
    """That is in the snapshot too."""
    life.goes_to(CANCELLED, "all")
    gone = structs.replace(known(CANCELLED, 2), vanished_at=NOW + MINUTE)
    with store.writing() as tx:
        snapshot.apply(tx, plan(rows=[gone]), NOW)
    assert claim(store)[0][0].event.kinds == (Kind.STATUS_CHANGED, Kind.VANISHED)


# What keeps its place


def test_what_is_held_is_not_passed(store: Store, life: Life) -> None:
    """What waits before it is compared with what was known before it, and goes out; what waits behind it waits."""
    first, second = life.goes_to(CANCELLED, "all")[0], life.goes_to(MOVED, "all")[0]
    life.goes_to(ACCEPTED, "all", born=State.HELD)
    (behind,) = life.goes_to(MOVED_ON, "all")
    ((claimed,), superseded) = claim(store)
    assert (claimed.delivery.id, claimed.event.after) == (second, MOVED)
    assert [one.delivery for one in superseded] == [first]
    end(store, claimed, Outcome(Result.DELIVERED, Reason.OK), DONE)
    assert claim(store) == ([], [])

    with store.writing() as tx:
        hold.settle(tx, "acme", "near", LATER)
    ((claimed,), superseded) = claim(store)
    assert (claimed.delivery.id, claimed.event.before, claimed.event.after) == (behind, MOVED, MOVED_ON)


def test_what_is_held_is_not_yet_true(store: Store, life: Life) -> None:
    """What was undone before something is held is not sent, though it is so again if that is right."""
    life.goes_to(CANCELLED, "cancelled")
    life.goes_to(MOVED)
    life.goes_to(CANCELLED, "all", born=State.HELD)
    assert claim(store)[0] == []
    assert states(store) == [(State.SUPERSEDED, Reason.UNDONE), (State.HELD, None)]


def test_a_doubted_snapshot_is_not_relied_on(store: Store, life: Life) -> None:
    """While a sweep is doubted nothing is given up because of what it read; what waits is collapsed all the same."""
    life.goes_to(MOVED, "all")
    life.goes_to(CANCELLED, "all")
    with store.writing() as tx:
        hold.trip(tx, "acme", "far", NOW)
    life.goes_to(appointment(status="NONSENSE"))
    ((claimed,), _) = claim(store)
    assert (claimed.event.before, claimed.event.after) == (ACCEPTED, CANCELLED)


def test_what_is_released_is_relied_on(store: Store, life: Life) -> None:
    """A person says that what was read is right: then what was undone since it was held is not sent."""
    life.goes_to(CANCELLED, "cancelled", born=State.HELD)
    with store.writing() as tx:
        hold.trip(tx, "acme", "near", NOW)
    life.goes_to(MOVED)
    with store.writing() as tx:
        assert hold.release(tx, "acme", "near", LATER) == 1
    assert claim(store)[0] == []
    assert states(store) == [(State.SUPERSEDED, Reason.UNDONE)]


# Later tries


def test_a_later_try_tells_the_same(store: Store, life: Life) -> None:
    """While nothing has happened since; and what has happened is told with it."""
    first, second = life.goes_to(CANCELLED, "all")[0], life.goes_to(MOVED, "all")[0]
    ((claimed,), _) = claim(store)
    end(store, claimed, FAILED, again(FAILED))
    ((retried,), superseded) = claim(store)
    assert (retried.seq, retried.event, retried.attempt) == (claimed.seq, claimed.event, 2)
    assert superseded == []
    end(store, retried, FAILED, again(FAILED))

    (third,) = life.goes_to(MOVED_ON, "all", at=LATER)
    ((claimed,), superseded) = claim(store)
    assert (claimed.delivery.id, claimed.event.before, claimed.event.after) == (third, ACCEPTED, MOVED_ON)
    record = on_record(store)
    # Whoever asks what became of the first is told of the one that went out.
    assert {record[id_].superseded_by for id_ in (first, second)} == {Successor(third, life.events[2].id)}


def test_what_may_have_arrived_tells_what_it_told(store: Store, life: Life) -> None:
    """Even what it was made into by a re-check, and whatever has happened since; in doubt after a crash as well."""
    life.goes_to(MOVED, "all")
    life.goes_to(MOVED_ON)
    ((claimed,), _) = claim(store)
    assert claimed.event.after == MOVED_ON
    end(store, claimed, UNCERTAIN, again(UNCERTAIN))
    life.goes_to(appointment(start=NOW + timedelta(days=4)))
    ((retried,), _) = claim(store)
    assert retried.event == claimed.event
    with store.writing() as tx:
        outbox.recover(tx, LATER)
    assert claim(store)[0][0].event == claimed.event


def test_what_may_have_arrived_is_followed_by_what_came_of_it(store: Store, life: Life) -> None:
    """A later one overtakes it, and begins where it ends."""
    (first,) = life.goes_to(CANCELLED, "all")
    ((claimed,), _) = claim(store)
    end(store, claimed, UNCERTAIN, again(UNCERTAIN))
    (second,) = life.goes_to(ACCEPTED, "all")
    ((claimed,), superseded) = claim(store)
    assert (claimed.delivery.id, claimed.event) == (second, life.events[1])
    assert [(one.delivery, one.by) for one in superseded] == [(first, second)]
    assert on_record(store)[first].in_doubt


def test_what_a_later_one_may_have_told_is_not_changed(store: Store, life: Life) -> None:
    """A dead letter is sent again; the one behind it may have arrived, and keeps its words."""
    (first,) = life.goes_to(MOVED, "all")
    (second,) = life.goes_to(MOVED_ON, "all", at=LATER)
    with store.writing() as tx:
        (one,) = outbox.claim(tx, "chat", LATER, 1)
        outbox.record(driver(tx), one, FAILED, Settlement(State.DEAD, Reason.EXHAUSTED), LATER)
        (two,) = outbox.claim(tx, "chat", LATER, 1)
        outbox.record(driver(tx), two, UNCERTAIN, again(UNCERTAIN), LATER)
        letters.retry(tx, letters.find(tx, Selection()), LATER)
    ((claimed,), superseded) = claim(store, LATER + timedelta(hours=1))
    assert (claimed.delivery.id, claimed.event, superseded) == (first, life.events[0], [])
    end(store, claimed, Outcome(Result.DELIVERED, Reason.OK), DONE)
    assert claim(store, LATER + timedelta(hours=1))[0][0].delivery.id == second


def test_a_dead_letter_that_was_undone_is_not_sent_again(store: Store, life: Life) -> None:
    """A person has it sent again, and it is not true any more."""
    life.goes_to(CANCELLED, "cancelled")
    ((claimed,), _) = claim(store)
    end(store, claimed, FAILED, Settlement(State.DEAD, Reason.EXHAUSTED))
    life.goes_to(ACCEPTED)
    with store.writing() as tx:
        letters.retry(tx, letters.find(tx, Selection()), LATER)
    assert claim(store)[0] == []
    assert states(store) == [(State.SUPERSEDED, Reason.UNDONE)]


def test_what_survives_is_due_as_soon_as_what_it_tells(store: Store, life: Life) -> None:
    """A dead letter is sent again while a later one waits for its next try: that tells both, now."""
    life.goes_to(CANCELLED, "all")
    ((claimed,), _) = claim(store)
    end(store, claimed, FAILED, Settlement(State.DEAD, Reason.EXHAUSTED))
    (second,) = life.goes_to(MOVED, "all")
    ((claimed,), _) = claim(store)
    end(store, claimed, FAILED, again(FAILED, LATER + timedelta(hours=5)))
    with store.writing() as tx:
        letters.retry(tx, letters.find(tx, Selection()), LATER)
    ((claimed,), _) = claim(store)
    assert (claimed.delivery.id, claimed.event.before, claimed.event.after) == (second, ACCEPTED, MOVED)


def test_personal_texts_go_with_what_is_superseded(store: Store, life: Life) -> None:
    """What is not sent needs no text."""
    ids = [life.goes_to(state, "all")[0] for state in (CANCELLED, MOVED)]
    deliveries = [one.delivery for one in on_record(store).values()]
    with store.writing() as tx:
        texts.keep(tx, [OwedText(id_, "internal_notes", "Canary", "") for id_ in ids], deliveries)
    claim(store)
    with store.reading() as tx:
        assert [texts.of_delivery(driver(tx), id_, MOVED) for id_ in ids] == [{}, {"internal_notes": "Canary"}]


def test_others_may_write_between_many(store: Store) -> None:
    """A claim ends when it has superseded a hundred, and says by them that there may be more."""
    for number in range(outbox.MOST_SUPERSEDED + 1):
        life = Life(store, appointment(f"a{number}"))
        life.goes_to(appointment(f"a{number}", "CANCELLED"), "all")
        life.goes_to(appointment(f"a{number}"))
    claimed, superseded = claim(store, limit=1)
    assert (claimed, len(superseded)) == ([], outbox.MOST_SUPERSEDED)
    assert [len(part) for part in claim(store, limit=1)] == [0, 1]
    assert [len(part) for part in claim(store, limit=1)] == [0, 0]
