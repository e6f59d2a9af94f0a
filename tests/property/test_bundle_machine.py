"""The laws of what is told together, whatever happens in whatever order: nothing doubled, nothing swallowed.

There are rules with a group, a digest, a throttle, both, and none, which all ask for every change. So what each of them
tells of an appointment is one chain of states that ends where the appointment is, however it is bundled.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import structs

from notifier.core.bundle import BundleKind, read_bundle
from notifier.core.delivery import Delivery, Reason, Result, State
from notifier.core.policy import Policy, Trial, after_attempt
from notifier.core.recheck import Terms
from notifier.core.route import Context, route
from notifier.core.rule import Rule
from notifier.core.walk import walk
from notifier.store import history, hold, letters, outbox, snapshot
from notifier.store.claimed import Claimed
from notifier.store.database import open_store
from notifier.store.driver import driver
from notifier.store.history import DeliveryRecord
from notifier.store.letters import DECIDABLE, Selection
from tests.bundle_model import (
    ROOMS,
    RULES,
    Ear,
    behind,
    claimable,
    is_incomplete,
    is_put_off_rightly,
    kind_of,
    left_behind,
    most,
    was_over,
)
from tests.outbox_model import OUTCOMES, step
from tests.property.test_outbox_machine import fresh_store
from tests.store_values import MINUTE, NOW, appointment, known, plan

APPOINTMENTS = ("a", "b", "c", "d")
STATUSES = ("ACCEPTED", "CANCELLED", "NO_SHOW")
POLICY = Policy(delays=(2 * MINUTE, 6 * MINUTE), recheck_after=2 * MINUTE)
TRIES = len(POLICY.delays) + 1
TURNS = st.tuples(*(st.sampled_from((1, 2, 0, 0)) for _ in APPOINTMENTS))
LIKELY_ROOMS = ("words", "words", "words", "documents", "documents", "narrow")
TERMS = Terms(POLICY.recheck_after, RULES)


class BundleMachine(RuleBasedStateMachine):
    """A store, the lane of one channel, and who listens there."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.now = NOW
        self.states = {name: appointment(name) for name in APPOINTMENTS}
        self.revisions = 0
        self.made: dict[str, Delivery] = {}
        #: When each of them had to go out, once it was let go.
        self.first_due: dict[str, datetime] = {}
        self.asking: list[Rule] = []
        self.ears: dict[tuple[str, str], Ear] = {}
        #: Whether the run of a sweep has not ended yet.
        self.held = False
        #: Whether anything was given up.
        self.given_up = False
        #: What is being sent.
        self.hands: list[Claimed] = []
        #: By the id of the leader: what its message tells, and when it was first begun.
        self.messages: dict[str, tuple[tuple[str, str], ...]] = {}
        self.begun: dict[str, tuple[datetime, str]] = {}
        #: With those that were handed back.
        self.ever_begun: list[tuple[datetime, str]] = []
        self.room = ROOMS["words"]

    @initialize(
        one=st.sampled_from([one.name for one in RULES.values() if one.name != "now"]),
        other=st.sampled_from(list(RULES)),
        room=st.sampled_from(LIKELY_ROOMS),
    )
    def open(self, one: str, other: str, room: str) -> None:
        names = {one, other}
        self.asking = [rule for name, rule in RULES.items() if name in names]
        self.ears = {(name, f"acme/{id_}"): Ear() for name in names for id_ in APPOINTMENTS}
        path = Path(self.folder.name) / "notifier.db"
        path.write_bytes(fresh_store())
        self.store = open_store(path, synchronous="normal")
        self.room = ROOMS[room]

    def teardown(self) -> None:
        with self.folder, closing(self.store) if hasattr(self, "store") else nullcontext() as opened:
            if opened is not None:
                self.all_goes_out_in_the_end()

    # What may happen

    @rule(
        turns=TURNS,
        born=st.sampled_from([State.PENDING] * 3 + [State.HELD]),
    )
    def commit(self, turns: tuple[int, ...], born: State) -> None:
        """A poll commits what became of the appointments."""
        events = []
        for name, turn in zip(APPOINTMENTS, turns, strict=True):
            before = self.states[name]
            if turn:
                status = STATUSES[(STATUSES.index(before.status) + turn) % len(STATUSES)]
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
        self.first_due |= {delivery.id: delivery.due_at for delivery in deliveries}
        self.held = self.held or born is State.HELD

    @precondition(lambda self: self.held)
    @rule()
    def end_run(self) -> None:
        """A run of the sweep ends, and the brake finds it good."""
        held = {one.delivery.id for one in self.records() if one.state is State.HELD}
        self.first_due |= {name: max(self.first_due[name], self.now) for name in held}
        with self.store.writing() as tx:
            hold.settle(tx, "acme", "near", self.now)
        self.held = False

    @rule(minutes=st.integers(1, 12))
    def wait(self, minutes: int) -> None:
        """Time passes."""
        self.now += timedelta(minutes=minutes)

    @precondition(lambda self: not self.hands)
    @rule(late=st.integers(0, 4), limit=st.sampled_from((1, 1, 1, 3)), turns=st.none() | TURNS)
    def begin(self, late: int, limit: int, turns: tuple[int, ...] | None) -> None:
        """The lane waits for what is due, looks a little late, maybe just after a poll, and claims it."""
        with self.store.reading() as tx:
            due = outbox.next_due(tx, "chat")
        self.now = max(self.now, due or self.now) + late * MINUTE
        if turns is not None:
            self.commit(turns, State.PENDING)
        self.claim(limit)

    def claim(self, limit: int) -> None:
        due_at = {one.delivery.id: one.delivery.due_at for one in self.records()}
        with self.store.writing() as tx:
            found = outbox.claim(tx, "chat", self.now, limit, TERMS, room=self.room)
            left = outbox.due(tx, "chat", self.now)
        assert len(found) == limit or not left
        records = self.records()
        for message in found:
            self.hands.append(message)
            self.check_message(message)
            self.check_time(message, due_at)
            self.check_truth(message, records)
            if message.attempt == 1 and kind_of(message) not in {None, BundleKind.THROTTLE}:
                assert list(left_behind(message, records, self.now, self.room)) == []

    @precondition(lambda self: not self.hands and RULES["now"] in self.asking)
    @rule()
    def begin_young(self) -> None:
        """The lane claims one beside a record, which is never one of those that wait for others."""
        with self.store.writing_plainly() as connection:
            found = outbox.claim_young(connection, "chat", self.now, POLICY.recheck_after)
        if found:
            assert found.delivery.bundle is None
            self.hands.append(found)
            self.check_message(found)

    @precondition(lambda self: not self.hands)
    @rule(
        late=st.integers(0, 4),
        results=st.lists(st.sampled_from([Result.DELIVERED, Result.RETRY, Result.UNCERTAIN]), min_size=1, max_size=4),
    )
    def send(self, late: int, results: list[Result]) -> None:
        """The lane sends one after the other."""
        for result in results:
            self.begin(late, 1, None)
            if self.hands:
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
        assert message.attempt == 1 or former
        if message.attempt == 1:
            self.begun[leader.id] = (self.now, leader.rule)
            self.ever_begun.append(self.begun[leader.id])
            self.check_throttle(leader.rule)
        assert {(one.delivery.rule, one.delivery.channel) for one in message.together} == {(leader.rule, "chat")}
        if message.members:
            assert leader.bundle is not None
            assert len(tells) <= most(leader.rule)
            bundles = {read_bundle(one.delivery.bundle or "") for one in message.together}
            assert len({one.by for one in bundles}) == 1
            # What a throttle lets through goes by itself, unless it waited behind what was too much.
            over = {one.kind for one in bundles} != {BundleKind.THROTTLE}
            assert over or former or was_over(leader.rule, self.records(), self.now)
            assert self.room.size == 0 or len(tells) <= self.room.size
        self.messages[leader.id] = tells

    def check_time(self, message: Claimed, due_at: Mapping[str, datetime]) -> None:
        """Something of the rule was due, if only what was overtaken; a digest has nothing that is for the next one."""
        rule = message.delivery.rule
        assert any(due <= self.now for name, due in due_at.items() if self.made[name].rule == rule)
        if rule == "digest":
            assert all(one.delivery.due_at <= self.now for one in message.together)
        if kind_of(message) is BundleKind.THROTTLE and not message.members and message.attempt == 1:
            # What was too much is told with others.
            assert due_at[message.delivery.id] <= self.first_due[message.delivery.id]

    def check_truth(self, message: Claimed, records: Sequence[DeliveryRecord]) -> None:
        """What waited tells an appointment as it is, unless each change is told, or more is on its way."""
        if message.attempt > 1 or RULES[message.delivery.rule].always:
            return
        for one in message.together:
            others = behind(one, records)
            assert kind_of(message) in {None, BundleKind.THROTTLE} or not is_incomplete(message, others)
            if not others and (one.delivery.not_before or one.made_at + POLICY.recheck_after < self.now):
                assert one.event.after.status == self.states[one.event.after.id].status

    def check_throttle(self, name: str) -> None:
        throttle = RULES[name].throttle
        if throttle is not None:
            lately = [at for at, of in self.begun.values() if of == name and at > self.now - throttle.per]
            assert len(lately) <= throttle.most

    @precondition(lambda self: self.hands)
    @rule(result=st.sampled_from([Result.DELIVERED, Result.RETRY, *OUTCOMES]))
    def end(self, result: Result) -> None:
        """A message in hand comes to its end."""
        claimed = self.hands.pop(0)
        outcome = OUTCOMES[result]
        trial = Trial(tries=claimed.tries, made_at=claimed.made_at)
        settlement = after_attempt(trial, outcome, self.now, 0.5, POLICY)
        with self.store.writing() as tx:
            outbox.record(driver(tx), claimed, outcome, settlement, self.now)
        if result in {Result.DELIVERED, Result.UNCERTAIN}:
            self.hear(claimed)
        if settlement.state is State.DEAD:
            self.give_up(claimed)

    @precondition(lambda self: self.hands)
    @rule()
    def hand_back(self) -> None:
        """Nothing was made of what is in hand."""
        claimed = self.hands.pop()
        with self.store.writing_plainly() as connection:
            outbox.hand_back(connection, claimed)
        if claimed.attempt == 1:
            del self.messages[claimed.delivery.id]
            del self.begun[claimed.delivery.id]

    @precondition(lambda self: self.hands)
    @rule()
    def crash(self) -> None:
        """The process dies and the next one takes over."""
        path = self.store.path
        self.store.close()
        self.store = open_store(path, synchronous="normal")
        with self.store.writing() as tx:
            assert outbox.recover(tx, self.now, {"chat": TRIES}) == len(self.hands)
        for message in self.hands:
            self.hear(message)
            if message.tries >= TRIES:
                self.give_up(message)
        self.hands.clear()

    @precondition(lambda self: self.given_up)
    @rule(data=st.data())
    def revive(self, data: st.DataObject) -> None:
        """A person has a dead letter sent again, and with it all that its message tells."""
        dead = [one for one in self.records() if one.state in DECIDABLE]
        one = data.draw(st.sampled_from(dead))
        with self.store.writing() as tx:
            found = letters.find(tx, Selection(ids=(one.delivery.id,)))
            letters.retry(tx, found, self.now)
        together = [other.delivery.id for other in dead if one.bundled_in and other.bundled_in == one.bundled_in]
        assert sorted(letter.id for letter in found) == sorted(together or [one.delivery.id])
        for letter in found:
            self.ears[letter.rule, self.made[letter.id].order_key].broken = True
        self.given_up = len(dead) > len(found)

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
        self.given_up = True
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
        assert sending == {one.delivery.id for message in self.hands for one in message.together}

    @invariant()
    def all_have_their_turn(self) -> None:
        """What may be claimed is due in its time: of a message one, of a throttle what is not too much."""
        if not hasattr(self, "store"):
            return
        found = self.records()
        with self.store.reading() as tx:
            due, next_due = outbox.due(tx, "chat", self.now), outbox.next_due(tx, "chat")
        turns = [one.delivery.due_at for one in claimable(found)]
        assert (due, next_due) == (sum(turn <= self.now for turn in turns), min(turns, default=None))
        for one in found:
            if one.state is State.PENDING and not one.attempts and one.delivery.due_at > self.now:
                begun = [at for at, rule in self.ever_begun if rule == one.delivery.rule]
                assert is_put_off_rightly(one, self.first_due[one.delivery.id], begun)

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
        while self.hands:
            self.end(Result.DELIVERED)
        self.end_run()
        for _ in range(60):
            self.now += 10 * MINUTE
            self.claim(1)
            while self.hands:
                self.end(Result.DELIVERED)
                self.claim(1)
            if not any(one.state is State.PENDING for one in self.records()):
                break
        assert not any(one.state in {State.PENDING, State.HELD, State.SENDING} for one in self.records())
        for (_, key), ear in self.ears.items():
            assert ear.broken or ear.state == self.states[key.removeprefix("acme/")].status


TestBundleMachine = BundleMachine.TestCase
TestBundleMachine.settings = settings(
    max_examples=int(os.environ.get("NOTIFIER_OUTBOX_EXAMPLES", "30")), stateful_step_count=25, deadline=None
)
