"""The laws of what is told together, whatever happens in whatever order: nothing doubled, nothing swallowed.

There are rules with a group, a digest, a throttle, both, and none, which all ask for every change. So what each of them
tells of an appointment is one chain of states that ends where the appointment is, however it is bundled.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import structs

from notifier.core.bundle import Digest, Group, Throttle, most_of, read_bundle
from notifier.core.delivery import Delivery, Reason, Result, State
from notifier.core.policy import Policy, Trial, after_attempt
from notifier.core.recheck import Terms
from notifier.core.route import Context, route
from notifier.core.rule import Rule, walk
from notifier.store import history, hold, letters, outbox, snapshot
from notifier.store.bundles import Room
from notifier.store.claimed import Claimed
from notifier.store.database import open_store
from notifier.store.driver import driver
from notifier.store.history import DeliveryRecord
from notifier.store.letters import DECIDABLE, Selection
from tests.builders import rule as any_rule
from tests.outbox_model import OUTCOMES, step
from tests.property.test_outbox_machine import fresh_store
from tests.store_values import MINUTE, NOW, appointment, known, plan

APPOINTMENTS = ("a", "b", "c", "d")
STATUSES = ("ACCEPTED", "CANCELLED", "NO_SHOW")
POLICY = Policy(delays=(2 * MINUTE, 6 * MINUTE), recheck_after=2 * MINUTE)
TRIES = len(POLICY.delays) + 1
UTC = ZoneInfo("UTC")
DUE = tuple(time(hour, minute) for hour in range(24) for minute in range(0, 60, 10))
RULES: Mapping[str, Rule] = {
    one.name: one
    for one in (
        any_rule(name="now", channels=("chat",)),
        any_rule(name="group", channels=("chat",), group=Group(3 * MINUTE, ("status",), most=2)),
        any_rule(name="each", channels=("chat",), group=Group(2 * MINUTE), always=True),
        any_rule(name="digest", channels=("chat",), digest=Digest(DUE, UTC)),
        any_rule(name="throttle", channels=("chat",), throttle=Throttle(2, 7 * MINUTE)),
        any_rule(name="both", channels=("chat",), group=Group(MINUTE), throttle=Throttle(1, 5 * MINUTE), always=True),
    )
}
TERMS = Terms(POLICY.recheck_after, RULES)
ROOMS = {"words": Room(0, lambda *_: 0), "documents": Room(2, lambda *_: 1)}


@dataclass
class Ear:
    """What was heard of one appointment because of one rule, as far as that may have arrived."""

    state: str = "ACCEPTED"
    #: The ids of the deliveries that were heard.
    heard: list[str] = field(default_factory=list)
    #: Whether something was given up, so that the chain has a gap.
    broken: bool = False


class BundleMachine(RuleBasedStateMachine):
    """A store, the lane of one channel, and who listens there."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.now = NOW
        self.states = {name: appointment(name) for name in APPOINTMENTS}
        self.revisions = 0
        self.made: dict[str, Delivery] = {}
        self.asking: list[Rule] = []
        self.ears: dict[tuple[str, str], Ear] = {}
        self.hand: Claimed | None = None
        #: By the id of the leader: what its message tells, and when it was first begun.
        self.messages: dict[str, tuple[tuple[str, str], ...]] = {}
        self.begun: list[tuple[datetime, str, str]] = []
        self.room = ROOMS["words"]

    @initialize(names=st.sets(st.sampled_from(list(RULES)), min_size=1, max_size=2), room=st.sampled_from(list(ROOMS)))
    def open(self, names: set[str], room: str) -> None:
        self.asking = [one for name, one in RULES.items() if name in names]
        self.ears = {(name, f"acme/{id_}"): Ear() for name in names for id_ in APPOINTMENTS}
        path = Path(self.folder.name) / "notifier.db"
        path.write_bytes(fresh_store())
        self.store = open_store(path, synchronous="normal")
        self.room = ROOMS[room]

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.all_goes_out_in_the_end()
            self.store.close()
        self.folder.cleanup()

    # What may happen

    @rule(
        statuses=st.tuples(*(st.sampled_from((None, *STATUSES)) for _ in APPOINTMENTS)),
        born=st.sampled_from([State.PENDING] * 3 + [State.HELD]),
    )
    def commit(self, statuses: tuple[str | None, ...], born: State) -> None:
        """A poll commits what became of the appointments."""
        events = []
        for name, status in zip(APPOINTMENTS, statuses, strict=True):
            before = self.states[name]
            if status not in {None, before.status}:
                self.revisions += 1
                after = structs.replace(before, status=status, updated_at=NOW + self.revisions * MINUTE)
                events.append(step(before, after, self.revisions))
                self.states[name] = after
        context = Context(now=self.now)
        deliveries = [one for event in events for one in route(RULES, event, walk(self.asking, event), context)]
        rows = [known(event.after, self.revisions) for event in events]
        with self.store.writing() as tx:
            snapshot.apply(tx, plan(events, deliveries, rows), self.now, born)
        self.made |= {delivery.id: delivery for delivery in deliveries}

    @rule()
    def end_run(self) -> None:
        """A run of the sweep ends, and the brake finds it good."""
        with self.store.writing() as tx:
            hold.settle(tx, "acme", "near", self.now)

    @rule(minutes=st.integers(1, 12))
    def wait(self, minutes: int) -> None:
        """Time passes."""
        self.now += timedelta(minutes=minutes)

    @precondition(lambda self: self.hand is None)
    @rule()
    def begin(self) -> None:
        """The lane claims one message."""
        with self.store.writing() as tx:
            found = outbox.claim(tx, "chat", self.now, 1, TERMS, room=self.room)
        if found:
            (self.hand,) = found
            self.check_message(self.hand)

    @precondition(lambda self: self.hand is None)
    @rule()
    def begin_young(self) -> None:
        """The lane claims one beside a record, which is never one of those that wait for others."""
        with self.store.writing_plainly() as connection:
            found = outbox.claim_young(connection, "chat", self.now, POLICY.recheck_after)
        if found:
            assert found.delivery.bundle is None
            self.hand = found
            self.check_message(found)

    @precondition(lambda self: self.hand is None)
    @rule(results=st.lists(st.sampled_from([Result.DELIVERED, Result.RETRY, Result.UNCERTAIN]), min_size=1, max_size=4))
    def send(self, results: list[Result]) -> None:
        """The lane sends one after the other."""
        for result in results:
            self.begin()
            if self.hand is not None:
                self.end(result)

    def check_message(self, message: Claimed) -> None:
        """It keeps its members, has no more than it may, and is not begun too soon after others."""
        leader = message.delivery
        tells = tuple((one.delivery.id, repr(one.event)) for one in message.together)
        assert len({id_ for id_, _ in tells}) == len(tells)
        former = self.messages.get(leader.id, ()) if message.attempt > 1 else ()
        # One by itself is compared again before another try.
        assert not former or [id_ for id_, _ in former] == [id_ for id_, _ in tells]
        assert len(former) < 2 or former == tells
        if message.attempt == 1:
            self.begun.append((self.now, leader.rule, leader.bundle or ""))
            self.check_throttle(leader.rule)
            self.check_time(message)
        assert {(one.delivery.rule, one.delivery.channel) for one in message.together} == {(leader.rule, "chat")}
        if message.members:
            assert leader.bundle is not None
            assert len(tells) <= most_of(read_bundle(leader.bundle), RULES[leader.rule].group)
            by = {read_bundle(one.delivery.bundle or "").by for one in message.together}
            assert len(by) == 1
            assert self.room.size == 0 or len(tells) <= self.room.size
        self.messages[leader.id] = tells

    def check_time(self, message: Claimed) -> None:
        """The first of them has waited as long as it had to."""
        first = min(message.together, key=lambda one: one.delivery.due_at)
        assert first.delivery.due_at <= self.now
        if message.delivery.rule == "digest":
            assert all(one.delivery.due_at <= self.now for one in message.together)

    def check_throttle(self, name: str) -> None:
        throttle = RULES[name].throttle
        if throttle is not None:
            lately = [at for at, of, _ in self.begun if of == name and at > self.now - throttle.per]
            assert len(lately) <= throttle.most

    @precondition(lambda self: self.hand is not None)
    @rule(result=st.sampled_from([Result.DELIVERED] * 3 + list(OUTCOMES)))
    def end(self, result: Result) -> None:
        """The message in hand comes to its end."""
        assert self.hand is not None
        claimed, self.hand = self.hand, None
        outcome = OUTCOMES[result]
        trial = Trial(tries=claimed.tries, made_at=claimed.made_at)
        settlement = after_attempt(trial, outcome, self.now, 0.5, POLICY)
        with self.store.writing() as tx:
            outbox.record(driver(tx), claimed, outcome, settlement, self.now)
        if result in {Result.DELIVERED, Result.UNCERTAIN}:
            self.hear(claimed)
        if settlement.state is State.DEAD:
            self.give_up(claimed)

    @precondition(lambda self: self.hand is not None)
    @rule()
    def hand_back(self) -> None:
        """Nothing was made of what is in hand."""
        assert self.hand is not None
        claimed, self.hand = self.hand, None
        with self.store.writing_plainly() as connection:
            outbox.hand_back(connection, claimed)
        if claimed.attempt == 1:
            del self.messages[claimed.delivery.id]
            self.begun.pop()

    @rule()
    def crash(self) -> None:
        """The process dies and the next one takes over."""
        path = self.store.path
        self.store.close()
        self.store = open_store(path, synchronous="normal")
        with self.store.writing() as tx:
            assert outbox.recover(tx, self.now, {"chat": TRIES}) == (self.hand is not None)
        if self.hand is not None:
            self.hear(self.hand)
            if self.hand.tries >= TRIES:
                self.give_up(self.hand)
            self.hand = None

    @rule(data=st.data())
    def revive(self, data: st.DataObject) -> None:
        """A person has a dead letter sent again, and with it all that its message tells."""
        dead = [one for one in self.records() if one.state in DECIDABLE]
        if not dead:
            return
        one = data.draw(st.sampled_from(dead))
        with self.store.writing() as tx:
            found = letters.find(tx, Selection(ids=(one.delivery.id,)))
            letters.retry(tx, found, self.now)
        together = [other.delivery.id for other in dead if one.bundled_in and other.bundled_in == one.bundled_in]
        assert sorted(letter.id for letter in found) == sorted(together or [one.delivery.id])
        for letter in found:
            self.ears[letter.rule, self.made[letter.id].order_key].broken = True

    # Who listens

    def hear(self, message: Claimed) -> None:
        """What may have arrived goes on where the last ended, or is that once more."""
        for one in sorted(message.together, key=lambda one: one.seq):
            ear = self.ears[one.delivery.rule, one.delivery.order_key]
            assert one.event.before is not None
            again = one.delivery.id in ear.heard
            if not ear.broken and not again:
                assert one.event.before.status == ear.state
            ear.state = one.event.after.status
            ear.heard.append(one.delivery.id)

    def give_up(self, message: Claimed) -> None:
        for one in message.together:
            self.ears[one.delivery.rule, one.delivery.order_key].broken = True

    # What always holds

    def records(self) -> list[DeliveryRecord]:
        with self.store.reading() as tx:
            return history.deliveries(tx, 10_000)[::-1]

    @invariant()
    def nothing_is_lost_or_made_up(self) -> None:
        """Every delivery is on record, and what is one message stands as one."""
        if not hasattr(self, "store"):
            return
        found = self.records()
        assert {one.delivery.id for one in found} == self.made.keys()
        by_id = {one.delivery.id: one for one in found}
        for one in found:
            leader = by_id[one.bundled_in or one.delivery.id]
            assert (one.state, one.reason, one.attempts, one.tries, one.in_doubt) == (
                leader.state,
                leader.reason,
                leader.attempts,
                leader.tries,
                leader.in_doubt,
            )
            assert one.bundled_in is None or one.attempts > 0
        sending = {one.delivery.id for one in found if one.state is State.SENDING}
        assert sending == {one.delivery.id for one in self.hand.together} if self.hand else not sending

    @invariant()
    def nothing_is_doubled(self) -> None:
        """Each delivery is told by one message, or by that which it was tried in before it was collapsed."""
        if not hasattr(self, "store"):
            return
        for one in self.records():
            telling = [id_ for id_, tells in self.messages.items() if one.delivery.id in {other for other, _ in tells}]
            assert len(telling) <= 1
            if one.state is State.DELIVERED:
                assert telling == [one.bundled_in or one.delivery.id]
            if one.state is State.SUPERSEDED and not one.attempts:
                assert telling == []
                assert one.reason in {Reason.COLLAPSED, Reason.UNDONE}

    def all_goes_out_in_the_end(self) -> None:
        """When all is sent, nothing waits, and whoever was told of everything knows where each appointment is."""
        if self.hand is not None:
            self.end(Result.DELIVERED)
        self.end_run()
        for _ in range(60):
            self.now += 10 * MINUTE
            self.begin()
            while self.hand is not None:
                self.end(Result.DELIVERED)
                self.begin()
            if not any(one.state is State.PENDING for one in self.records()):
                break
        assert not any(one.state in {State.PENDING, State.HELD, State.SENDING} for one in self.records())
        for (_, key), ear in self.ears.items():
            assert ear.broken or ear.state == self.states[key.removeprefix("acme/")].status


TestBundleMachine = BundleMachine.TestCase
TestBundleMachine.settings = settings(
    max_examples=int(os.environ.get("NOTIFIER_OUTBOX_EXAMPLES", "30")), stateful_step_count=25, deadline=None
)
