"""The laws of the outbox, whatever happens in whatever order: nothing lost, nothing twice, nothing out of turn.

And nothing that is not true any more: appointments go on while their messages wait, and what was overtaken is merged,
or not sent.
"""

import os
from dataclasses import replace
from datetime import timedelta
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
    precondition,
    rule,
)
from msgspec import structs

from notifier.core.delivery import Reason, Result, State
from notifier.core.policy import Trial, after_attempt
from notifier.core.rule import judge
from notifier.store import history, hold, letters, outbox, snapshot
from notifier.store.backlog import Superseded
from notifier.store.claimed import Claimed
from notifier.store.database import open_store
from notifier.store.driver import driver
from notifier.store.history import Successor
from notifier.store.letters import DECIDABLE, Selection
from tests.outbox_model import (
    APPOINTMENTS,
    CHANNELS,
    OUTCOMES,
    POLICIES,
    RECHECK_AFTER,
    RULES,
    STATUSES,
    TERMS,
    TRIES,
    OutboxModel,
    Owed,
    step,
)
from tests.store_values import MINUTE, NOW, known, owed, plan


@cache
def fresh_store() -> bytes:
    """Returns the bytes of a store in which nothing has happened yet, since making one takes a while."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "fresh.db"
        open_store(path).close()
        return path.read_bytes()


class OutboxMachine(RuleBasedStateMachine):
    """A store beside a list that says what should be in it."""

    in_hand: Bundle[Claimed] = Bundle("in_hand")

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.model = OutboxModel()
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
        name=st.sampled_from(APPOINTMENTS),
        status=st.sampled_from(STATUSES),
        minutes=st.sampled_from([0, 0, 0, 2]),
        again=st.booleans(),
        born=st.sampled_from([State.PENDING] * 4 + [State.HELD]),
        waits=st.sampled_from([0, 0, 1, 5]),
        waiting=st.sampled_from(list(RULES)),
    )
    def commit(self, name: str, status: str, minutes: int, again: bool, born: State, waits: int, waiting: str) -> None:
        """A poll commits what became of an appointment, and perhaps commits it once more; one rule may wait."""
        before = self.model.states[name]
        if status == before.status:
            return
        self.revisions += 1
        after = structs.replace(before, status=status, updated_at=NOW + self.revisions * MINUTE)
        event = step(before, after, self.revisions)
        due_at = self.model.now + timedelta(minutes=minutes)
        opens_at = self.model.now + timedelta(minutes=waits) if waits else None
        deliveries = [
            replace(owed(event, channel, one.name, opens_at), not_before=opens_at)
            if opens_at and one.name == waiting
            else owed(event, channel, one.name, due_at)
            for one in RULES.values()
            if judge(one, event).matched
            for channel in one.channels
        ]
        for _ in range(1 + again):
            with self.store.writing() as tx:
                snapshot.apply(tx, plan([event], deliveries, [known(after, self.revisions)]), self.model.now, born)
        self.model.states[name] = after
        for delivery in deliveries:
            made = Owed(len(self.model.owed) + 1, delivery, event, self.model.now, delivery.due_at)
            made.state, made.not_before = born, delivery.not_before
            self.model.owed[delivery.id] = made

    @rule(trips=st.booleans())
    def end_run(self, trips: bool) -> None:
        """A run of the sweep ends, and the brake judges what was left unjudged."""
        judged = [each for each in self.model.owed.values() if each.state is State.HELD and not each.braked]
        with self.store.writing() as tx:
            if trips:
                assert hold.trip(tx, "acme", "near", self.model.now) == len(judged)
            else:
                assert hold.settle(tx, "acme", "near", self.model.now) == len(judged)
        self.model.doubted = self.model.doubted or trips
        for each in judged:
            if trips:
                each.braked = True
            else:
                each.state = State.PENDING
                each.let_go(self.model.now)

    @rule(released=st.booleans())
    def decide(self, released: bool) -> None:
        """A person releases or discards what the brake holds, and the next reading goes well."""
        braked = [each for each in self.model.owed.values() if each.state is State.HELD and each.braked]
        with self.store.writing() as tx:
            end = hold.release if released else hold.discard
            assert end(tx, "acme", "near", self.model.now) == len(braked)
            hold.end_decision(tx, "acme", "near")
        self.model.doubted = False
        for each in braked:
            each.state = State.PENDING if released else State.DISCARDED
            if released:
                each.let_go(self.model.now)
            self.model.ears[each.key].broken |= not released

    @rule(minutes=st.integers(1, 8))
    def wait(self, minutes: int) -> None:
        """Time passes."""
        self.model.now += timedelta(minutes=minutes)

    @rule(target=in_hand, channel=st.sampled_from(CHANNELS), limit=st.integers(1, 4))
    def claim(self, channel: str, limit: int) -> MultipleResults[Claimed]:
        """The send line claims what the model says is claimable, the longest due first."""
        return multiple(*self.claim_due(channel, limit))

    @rule(channel=st.sampled_from(CHANNELS), results=st.lists(st.sampled_from(list(OUTCOMES)), min_size=1, max_size=5))
    def send(self, channel: str, results: list[Result]) -> None:
        """The send line sends one after the other."""
        for result in results:
            for claimed in self.claim_due(channel, 1):
                self.end(claimed, result)

    def claim_due(self, channel: str, limit: int) -> list[Claimed]:
        expected, overtaken = self.model.expect(channel, limit)
        superseded: list[Superseded] = []
        with self.store.writing() as tx:
            claimed = outbox.claim(tx, channel, self.model.now, limit, TERMS, superseded.append)
        for each in expected:
            each.state = State.SENDING
            each.attempts += 1
            each.tries += 1
            each.reasons.append(None)
        assert [one.delivery.id for one in claimed] == [each.delivery.id for each in expected]
        assert [(one.attempt, one.tries) for one in claimed] == [(each.attempts, each.tries) for each in expected]
        assert [one.event for one in claimed] == [each.event for each in expected]
        assert all(one.event.id == one.delivery.event_id for one in claimed)
        assert [one.delivery for one in superseded] == [each.delivery.id for each in overtaken]
        for each in expected:
            self.model.check_truth(each)
        return claimed

    @rule(target=in_hand, channel=st.sampled_from(CHANNELS))
    def claim_young(self, channel: str) -> MultipleResults[Claimed]:
        """The send line claims the next one beside a record: the longest due, if that need not be re-checked."""
        now = self.model.now
        due = [each for each in self.model.claimable() if each.delivery.channel == channel and each.due_at <= now]
        head = min(due, key=lambda each: (each.due_at, each.seq), default=None)
        with self.store.writing_plainly(lazily=True) as connection:
            claimed = outbox.claim_young(connection, channel, now, RECHECK_AFTER)
        if head is None or self.model.has_waited(head):
            assert claimed is None
            return multiple()
        assert claimed is not None
        head.state = State.SENDING
        head.attempts += 1
        head.tries += 1
        head.reasons.append(None)
        assert (claimed.delivery.id, claimed.event) == (head.delivery.id, head.event)
        assert (claimed.attempt, claimed.tries) == (head.attempts, head.tries)
        return multiple(claimed)

    @rule(claimed=consumes(in_hand))
    def hand_back(self, claimed: Claimed) -> None:
        """What was claimed and not begun is as it was; unless a process that died since had claimed it."""
        with self.store.writing_plainly() as connection:
            outbox.hand_back(connection, claimed)
        each = self.model.owed[claimed.delivery.id]
        if each.state is State.SENDING and each.attempts == claimed.attempt:
            each.state = State.PENDING
            each.attempts -= 1
            each.tries -= 1
            each.reasons.pop()

    @rule(claimed=consumes(in_hand), result=st.sampled_from(list(OUTCOMES)))
    def record(self, claimed: Claimed, result: Result) -> None:
        """An attempt of this process ends."""
        self.end(claimed, result)

    def end(self, claimed: Claimed, result: Result) -> None:
        each = self.model.owed[claimed.delivery.id]
        if each.state is not State.SENDING or each.attempts != claimed.attempt:
            return  # claimed by a process that died since
        trial = Trial(tries=claimed.tries, made_at=claimed.made_at)
        policy = POLICIES[claimed.delivery.channel]
        settlement = after_attempt(trial, OUTCOMES[result], self.model.now, 0.5, policy)
        with self.store.writing() as tx:
            outbox.record(driver(tx), claimed, OUTCOMES[result], settlement, self.model.now)
        each.state = settlement.state
        each.due_at = settlement.due_at or each.due_at
        each.reasons[-1] = OUTCOMES[result].reason
        if result in {Result.DELIVERED, Result.UNCERTAIN}:
            self.model.arrive(each, doubtful=result is Result.UNCERTAIN)
        self.model.ears[each.key].broken |= each.state is State.DEAD and not each.in_doubt

    @rule()
    def crash(self) -> None:
        """The process dies and the next one takes over."""
        path = self.store.path
        self.store.close()
        self.store = open_store(path, synchronous="normal")
        dead = [each for each in self.model.owed.values() if each.state is State.SENDING]
        with self.store.writing() as tx:
            assert outbox.recover(tx, self.model.now, dict.fromkeys(CHANNELS, TRIES)) == len(dead)
        for each in dead:
            given_up = each.tries >= TRIES
            each.state = State.DEAD if given_up else State.PENDING
            each.due_at = each.due_at if given_up else self.model.now
            each.reasons[-1] = Reason.INTERRUPTED
            self.model.arrive(each, doubtful=True)

    @precondition(lambda self: any(each.state in DECIDABLE for each in self.model.owed.values()))
    @rule(data=st.data())
    def revive(self, data: st.DataObject) -> None:
        """A person has a dead letter sent again."""
        decidable = [each for each in self.model.owed.values() if each.state in DECIDABLE]
        each = data.draw(st.sampled_from(decidable))
        with self.store.writing() as tx:
            letters.retry(tx, letters.find(tx, Selection(ids=(each.delivery.id,))), self.model.now)
        each.state, each.due_at, each.tries, each.revived = State.PENDING, self.model.now, 0, True
        # It is told behind others.
        self.model.ears[each.key].broken = True

    # What always holds

    @invariant()
    def nothing_is_lost_or_made_up(self) -> None:
        """Every delivery that was committed is on record, in its turn and state, with all of its attempts."""
        if not hasattr(self, "store"):
            return
        with self.store.reading() as tx:
            found = history.deliveries(tx, 10_000)[::-1]
            attempts = [[one.reason for one in history.attempts(tx, each.seq)] for each in found]
        assert [(each.delivery.id, each.state, each.attempts, each.tries, each.in_doubt) for each in found] == [
            (each.delivery.id, each.state, each.attempts, each.tries, each.in_doubt)
            for each in self.model.owed.values()
        ]
        assert [each.delivery.due_at for each in found] == [each.due_at for each in self.model.owed.values()]
        assert attempts == [each.reasons for each in self.model.owed.values()]
        assert [each.superseded_by for each in found] == [
            None if each.by is None else Successor(each.by.delivery.id, each.by.delivery.event_id)
            for each in self.model.owed.values()
        ]
        assert all(each.told is None or each.told == self.model.owed[each.delivery.id].event for each in found)
        assert all(each.tries <= TRIES for each in found)

    @invariant()
    def the_figures_are_right(self) -> None:
        """Counts, what is due and the next due time follow from the deliveries."""
        if not hasattr(self, "store"):
            return
        claimable = self.model.claimable()
        with self.store.reading() as tx:
            counts = outbox.counts(tx)
            now = {channel: outbox.due(tx, channel, self.model.now) for channel in CHANNELS}
            due = {channel: outbox.next_due(tx, channel) for channel in CHANNELS}
        assert sum(sum(states.values()) for states in counts.values()) == len(self.model.owed)
        for each in self.model.owed.values():
            assert counts[each.delivery.channel][each.state] > 0
        for channel in CHANNELS:
            times = [each.due_at for each in claimable if each.delivery.channel == channel]
            assert due[channel] == min(times, default=None)
            assert now[channel] == sum(time <= self.model.now for time in times)

    @invariant()
    def one_appointment_is_told_in_turn(self) -> None:
        """Of one appointment and channel, nothing was tried before everything older was settled."""
        for key in self.model.ears:
            turns = [each for each in self.model.owed.values() if each.key == key and not each.revived]
            for older, later in pairwise(turns):
                passed = older.not_before is not None and older.delivery.rule != later.delivery.rule
                assert later.attempts == 0 or not older.unsettled or passed

    @invariant()
    def all_was_told_in_the_end(self) -> None:
        """Where nothing waits any more and nothing was given up, a channel has heard where the appointment is."""
        for (channel, key), ear in self.model.ears.items():
            if ear.broken or any(each.key == (channel, key) and each.unsettled for each in self.model.owed.values()):
                continue
            assert ear.state == self.model.states[key.removeprefix("acme/")].status


TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(
    max_examples=int(os.environ.get("NOTIFIER_OUTBOX_EXAMPLES", "40")), stateful_step_count=30, deadline=None
)
