"""The laws of the outbox, whatever happens in whatever order: nothing lost, nothing twice, nothing out of turn."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from notifier.core.delivery import Delivery, Outcome, Reason, Result, State, after_attempt
from notifier.store import history, hold, outbox, snapshot
from notifier.store.database import open_store
from notifier.store.outbox import Claimed
from tests.store_values import NOW, cancelled, owed, plan

CHANNELS = ("chat", "desk")
APPOINTMENTS = ("a", "b", "c")
DELAYS = (timedelta(minutes=1), timedelta(minutes=3))
TRIES = len(DELAYS) + 1

OUTCOMES = {
    Result.DELIVERED: Outcome(Result.DELIVERED, Reason.OK),
    Result.RETRY: Outcome(Result.RETRY, Reason.UNAVAILABLE),
    Result.DEAD: Outcome(Result.DEAD, Reason.GONE),
}


@cache
def fresh_store() -> bytes:
    """Returns the bytes of a store in which nothing has happened yet, since making one takes a while."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "fresh.db"
        open_store(path).close()
        return path.read_bytes()


@dataclass
class Owed:
    """What the model knows of a delivery; its place in the list is its turn."""

    delivery: Delivery
    due_at: datetime
    state: State = State.PENDING
    attempts: int = 0
    reasons: list[Reason | None] = field(default_factory=list)
    #: Whether it is held by the brake; else it waits for the end of its run.
    braked: bool = False

    @property
    def unsettled(self) -> bool:
        return self.state in {State.HELD, State.PENDING, State.SENDING}


class OutboxMachine(RuleBasedStateMachine):
    """A store beside a list that says what should be in it."""

    in_hand: Bundle[Claimed] = Bundle("in_hand")

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.now = NOW
        self.owed: dict[str, Owed] = {}
        self.revisions = 0

    @initialize()
    def open(self) -> None:
        path = Path(self.folder.name) / "notifier.db"
        path.write_bytes(fresh_store())
        self.store = open_store(path, synchronous="normal")

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
        self.folder.cleanup()

    # What may happen

    @rule(
        appointment=st.sampled_from(APPOINTMENTS),
        channels=st.lists(st.sampled_from(CHANNELS), unique=True),
        minutes=st.sampled_from([0, 0, 0, 2]),
        again=st.booleans(),
        born=st.sampled_from([State.PENDING, State.HELD]),
    )
    def commit(self, appointment: str, channels: list[str], minutes: int, again: bool, born: State) -> None:
        """A poll commits an event and its deliveries, and perhaps commits them once more."""
        self.revisions += 1
        event = cancelled(appointment, self.revisions)
        due_at = self.now + timedelta(minutes=minutes)
        deliveries = [owed(event, channel, due_at=due_at) for channel in channels]
        for _ in range(1 + again):
            with self.store.writing() as tx:
                snapshot.apply(tx, plan([event], deliveries), self.now, born)
        self.owed |= {delivery.id: Owed(delivery, due_at, born) for delivery in deliveries}

    @rule(trips=st.booleans())
    def end_run(self, trips: bool) -> None:
        """A run of the sweep ends, and the brake judges what was left unjudged."""
        judged = [each for each in self.owed.values() if each.state is State.HELD and not each.braked]
        with self.store.writing() as tx:
            if trips:
                assert hold.trip(tx, "acme", "near", self.now) == len(judged)
            else:
                assert hold.settle(tx, "acme", "near", self.now) == len(judged)
        for each in judged:
            if trips:
                each.braked = True
            else:
                each.state, each.due_at = State.PENDING, self.now

    @rule(released=st.booleans())
    def decide(self, released: bool) -> None:
        """A person releases or discards what the brake holds."""
        braked = [each for each in self.owed.values() if each.state is State.HELD and each.braked]
        with self.store.writing() as tx:
            end = hold.release if released else hold.discard
            assert end(tx, "acme", "near", self.now) == len(braked)
        for each in braked:
            each.state = State.PENDING if released else State.DISCARDED
            each.due_at = self.now if released else each.due_at

    @rule(minutes=st.integers(1, 5))
    def wait(self, minutes: int) -> None:
        """Time passes."""
        self.now += timedelta(minutes=minutes)

    @rule(target=in_hand, channel=st.sampled_from(CHANNELS), limit=st.integers(1, 4))
    def claim(self, channel: str, limit: int) -> MultipleResults[Claimed]:
        """The send line claims what the model says is claimable, the longest due first."""
        expected = sorted(
            (each for each in self.claimable() if each.delivery.channel == channel and each.due_at <= self.now),
            key=lambda each: each.due_at,
        )[:limit]
        with self.store.writing() as tx:
            claimed = outbox.claim(tx, channel, self.now, limit)
        for each in expected:
            each.state = State.SENDING
            each.attempts += 1
            each.reasons.append(None)
        assert [one.delivery.id for one in claimed] == [each.delivery.id for each in expected]
        assert [one.attempt for one in claimed] == [each.attempts for each in expected]
        assert all(one.event.id == one.delivery.event_id for one in claimed)
        return multiple(*claimed)

    @rule(claimed=consumes(in_hand), result=st.sampled_from(list(OUTCOMES)))
    def record(self, claimed: Claimed, result: Result) -> None:
        """An attempt of this process ends."""
        each = self.owed[claimed.delivery.id]
        if each.state is not State.SENDING or each.attempts != claimed.attempt:
            return  # claimed by a process that died since
        settlement = after_attempt(claimed.attempt, OUTCOMES[result], self.now, 0.5, DELAYS)
        with self.store.writing() as tx:
            outbox.record(tx, claimed, OUTCOMES[result], settlement, self.now)
        each.state = settlement.state
        each.due_at = settlement.due_at or each.due_at
        each.reasons[-1] = OUTCOMES[result].reason

    @rule()
    def crash(self) -> None:
        """The process dies and the next one takes over."""
        path = self.store.path
        self.store.close()
        self.store = open_store(path, synchronous="normal")
        dead = [each for each in self.owed.values() if each.state is State.SENDING]
        with self.store.writing() as tx:
            assert outbox.recover(tx, self.now, TRIES) == len(dead)
        for each in dead:
            given_up = each.attempts >= TRIES
            each.state = State.DEAD if given_up else State.PENDING
            each.due_at = each.due_at if given_up else self.now
            each.reasons[-1] = Reason.INTERRUPTED

    # What always holds

    def claimable(self) -> list[Owed]:
        heads: dict[tuple[str, str], Owed] = {}
        for each in self.owed.values():
            if each.unsettled:
                heads.setdefault((each.delivery.channel, each.delivery.order_key), each)
        return [each for each in self.owed.values() if each in heads.values() and each.state is State.PENDING]

    @invariant()
    def nothing_is_lost_or_made_up(self) -> None:
        """Every delivery that was committed is on record, in its turn and state, with all of its attempts."""
        if not hasattr(self, "store"):
            return
        with self.store.reading() as tx:
            found = history.deliveries(tx, 10_000)[::-1]
            attempts = [[one.reason for one in history.attempts(tx, each.seq)] for each in found]
        assert [(each.delivery.id, each.state, each.attempts) for each in found] == [
            (each.delivery.id, each.state, each.attempts) for each in self.owed.values()
        ]
        assert [each.delivery.due_at for each in found] == [each.due_at for each in self.owed.values()]
        assert attempts == [each.reasons for each in self.owed.values()]
        assert all(each.attempts <= TRIES for each in found)

    @invariant()
    def the_figures_are_right(self) -> None:
        """Counts, the next due time and what is unfinished follow from the deliveries."""
        if not hasattr(self, "store"):
            return
        claimable = self.claimable()
        sending = [each for each in self.owed.values() if each.state is State.SENDING]
        with self.store.reading() as tx:
            counts = outbox.counts(tx)
            unfinished = outbox.unfinished(tx, self.now)
            due = {channel: outbox.next_due(tx, channel) for channel in CHANNELS}
        assert sum(sum(states.values()) for states in counts.values()) == len(self.owed)
        for each in self.owed.values():
            assert counts[each.delivery.channel][each.state] > 0
        assert unfinished == len(sending) + sum(each.due_at <= self.now for each in claimable)
        for channel in CHANNELS:
            times = [each.due_at for each in claimable if each.delivery.channel == channel]
            assert due[channel] == min(times, default=None)

    @invariant()
    def one_appointment_is_told_in_turn(self) -> None:
        """Of one appointment and channel, nothing was tried before everything older was settled."""
        for channel in CHANNELS:
            for appointment in APPOINTMENTS:
                turns = [
                    each
                    for each in self.owed.values()
                    if each.delivery.channel == channel and each.delivery.order_key == f"acme/{appointment}"
                ]
                for older, later in pairwise(turns):
                    assert later.attempts == 0 or not older.unsettled


TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
