"""What an outbox should hold, kept as a list of what is owed, and what should be claimed, superseded and heard.

The rule `all` asks for every change: so what a channel hears because of it is one chain of states, that ends where the
appointment is.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from notifier.core.appointment import Appointment
from notifier.core.change import compare, kinds_of
from notifier.core.delivery import Delivery, Outcome, Reason, Result, State
from notifier.core.event import Event, event_id
from notifier.core.policy import Policy
from notifier.core.recheck import Sight, Terms, Waiting, recheck, sight_before
from notifier.core.rule import to_status
from tests.builders import rule
from tests.store_values import MINUTE, NOW, appointment

CHANNELS = ("chat", "desk")
APPOINTMENTS = ("a", "b")
STATUSES = ("ACCEPTED", "CANCELLED", "NO_SHOW")
RECHECK_AFTER = 2 * MINUTE
DELAYS = (timedelta(minutes=1), timedelta(minutes=3))
TRIES = len(DELAYS) + 1
POLICIES = {"chat": Policy(delays=DELAYS, resend=False), "desk": Policy(delays=DELAYS)}

RULES = {
    one.name: one
    for one in (
        rule(name="all", channels=CHANNELS),
        rule(to_status(["CANCELLED"]), name="cancelled", channels=("chat",)),
        rule(name="always", channels=("desk",), always=True),
    )
}
TERMS = Terms(RECHECK_AFTER, RULES)

OUTCOMES = {
    Result.DELIVERED: Outcome(Result.DELIVERED, Reason.OK),
    Result.RETRY: Outcome(Result.RETRY, Reason.UNAVAILABLE),
    Result.UNCERTAIN: Outcome(Result.UNCERTAIN, Reason.UNCERTAIN),
    Result.DEAD: Outcome(Result.DEAD, Reason.GONE),
}


@dataclass
class Owed:
    """What the model knows of a delivery; its place in the list is its turn."""

    seq: int
    delivery: Delivery
    #: What its message tells.
    event: Event
    made_at: datetime
    due_at: datetime
    #: When the time begins for which it waits.
    not_before: datetime | None = None
    state: State = State.PENDING
    attempts: int = 0
    tries: int = 0
    in_doubt: bool = False
    reasons: list[Reason | None] = field(default_factory=list)
    #: Whether it is held by the brake; else it waits for the end of its run.
    braked: bool = False
    by: "Owed | None" = None
    #: Whether a person had it sent again.
    revived: bool = False

    @property
    def unsettled(self) -> bool:
        return self.state in {State.HELD, State.PENDING, State.SENDING}

    def bars(self, younger: "Owed") -> bool:
        """Whether a younger one of the same key has to wait for this one: not if another rule's is due sooner."""
        if self.not_before is None or self.attempts or self.state is not State.PENDING:
            return True
        return self.not_before <= younger.due_at or self.delivery.rule == younger.delivery.rule

    def let_go(self, now: datetime) -> None:
        """Makes it due now, or when the time begins for which it waits."""
        self.due_at = max(now, self.not_before or now)

    @property
    def key(self) -> tuple[str, str]:
        return self.delivery.channel, self.delivery.order_key


@dataclass
class Ear:
    """What one channel heard of one appointment because of the rule `all`, as far as that may have arrived."""

    state: str
    #: The id of the last message.
    last: str = ""
    #: Whether a message was given up or dropped, so that the chain has a gap.
    broken: bool = False


class OutboxModel:
    """What is owed, and where each appointment is."""

    def __init__(self) -> None:
        self.now = NOW
        #: In their turn, by their ids.
        self.owed: dict[str, Owed] = {}
        self.states = {name: appointment(name) for name in APPOINTMENTS}
        self.ears = {(channel, f"acme/{name}"): Ear("ACCEPTED") for channel in CHANNELS for name in APPOINTMENTS}
        #: Whether the sweep is doubted.
        self.doubted = False

    def claimable(self) -> list[Owed]:
        unsettled = [each for each in self.owed.values() if each.unsettled]
        return [
            each
            for each in unsettled
            if each.state is State.PENDING
            and not any(older.seq < each.seq and older.key == each.key and older.bars(each) for older in unsettled)
        ]

    def expect(self, channel: str, limit: int) -> tuple[list[Owed], list[Owed]]:
        """Returns what is claimed now, and what is superseded by that, which the model then knows."""
        claimed: list[Owed] = []
        overtaken: list[Owed] = []
        while True:
            due = [each for each in self.claimable() if each.delivery.channel == channel and each.due_at <= self.now]
            due = [each for each in due if each not in claimed]
            passed: list[Owed] = []
            for head in sorted(due, key=lambda each: each.due_at)[: limit - len(claimed)]:
                gone = self.expect_recheck(head) if self.has_waited(head) else []
                passed += gone
                if head.state is State.PENDING and (not gone or head not in gone):
                    claimed.append(head)
            overtaken += passed
            if not passed or len(claimed) == limit:
                return claimed, overtaken

    def has_waited(self, head: Owed) -> bool:
        return head.not_before is not None or self.now - head.made_at > RECHECK_AFTER

    def expect_recheck(self, head: Owed) -> list[Owed]:
        queue = [
            each for each in self.owed.values() if each.key == head.key and each.unsettled and each.seq >= head.seq
        ]
        waiting: list[Owed] = []
        blocker: Owed | None = None
        for each in queue:
            same = each.delivery.rule == head.delivery.rule
            if each.state is State.HELD or (same and (each.state is State.SENDING or (each.in_doubt and waiting))):
                blocker = each
                break
            if same:
                waiting.append(each)
        newest = None if self.doubted else Sight(self.states[head.event.after.id], listed=True)
        decided = recheck(
            [Waiting(each.seq, each.event, each.in_doubt) for each in waiting],
            sight_before(blocker.event) if blocker else newest,
            RULES[head.delivery.rule],
        )
        by_seq = {each.seq: each for each in waiting}
        for one in decided.overtaken:
            gone = by_seq[one.seq]
            gone.state, gone.by = State.SUPERSEDED, by_seq[one.by] if one.by else None
            for former in self.owed.values():
                if gone.by and former.by is gone:
                    former.by = gone.by
        if decided.survivor is not None:
            survivor = by_seq[decided.survivor.seq]
            survivor.event = decided.survivor.event
            survivor.due_at = min(survivor.due_at, head.due_at)
        return [by_seq[one.seq] for one in decided.overtaken]

    def check_truth(self, each: Owed) -> None:
        """What waited tells the appointment as it is, unless it is held back, or may have told otherwise."""
        waited = self.has_waited(each)
        firm = each.in_doubt or RULES[each.delivery.rule].always or self.doubted
        behind = any(other.key == each.key and other.seq > each.seq and other.unsettled for other in self.owed.values())
        if waited and not firm and not behind:
            assert each.event.after.status == self.states[each.event.after.id].status

    def arrive(self, each: Owed, *, doubtful: bool) -> None:
        """What may have arrived begins where the last ended, or is that once more."""
        each.in_doubt = each.in_doubt or doubtful
        ear = self.ears[each.key]
        if each.delivery.rule != "all" or ear.broken:
            return
        assert each.event.before is not None
        assert each.event.before.status == ear.state or each.delivery.id == ear.last
        ear.state, ear.last = each.event.after.status, each.delivery.id


def step(before: Appointment, after: Appointment, revision: int) -> Event:
    """Returns the event that one state became another."""
    changes = compare(before, after)
    return Event(
        id=event_id("acme", after.id, revision, b""),
        source="acme",
        sweep="near",
        kinds=kinds_of(changes),
        changes=changes,
        before=before,
        after=after,
        detected_at=NOW + revision * MINUTE,
    )
