"""What is told together by rules of every kind, and what has to go out with what, as the records of a store have it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from zoneinfo import ZoneInfo

from notifier.core.bundle import LARGEST, Bundle, BundleKind, Digest, Group, Throttle, read_bundle
from notifier.core.delivery import State
from notifier.core.rule import Rule
from notifier.store.bundles import Room
from notifier.store.claimed import Claimed
from notifier.store.history import DeliveryRecord
from tests.builders import rule
from tests.store_values import MINUTE

UTC = ZoneInfo("UTC")
DUE = tuple(time(hour, minute) for hour in range(24) for minute in range(0, 60, 10))
RULES: Mapping[str, Rule] = {
    one.name: one
    for one in (
        rule(name="now", channels=("chat",)),
        rule(name="group", channels=("chat",), group=Group(3 * MINUTE, ("status",), most=2)),
        rule(name="each", channels=("chat",), group=Group(2 * MINUTE), always=True),
        rule(name="digest", channels=("chat",), digest=Digest(DUE, UTC)),
        rule(name="throttle", channels=("chat",), throttle=Throttle(2, 7 * MINUTE)),
        rule(name="both", channels=("chat",), group=Group(MINUTE), throttle=Throttle(1, 5 * MINUTE), always=True),
    )
}
ROOMS = {"words": Room(0, lambda *_: 0), "documents": Room(2, lambda *_: 1), "narrow": Room(1, lambda *_: 2)}
UNSETTLED = frozenset({State.HELD, State.PENDING, State.SENDING})


@dataclass
class Ear:
    """What was heard of one appointment because of one rule, as far as that may have arrived."""

    state: str = "ACCEPTED"
    #: The ids of the deliveries that were heard.
    heard: list[str] = field(default_factory=list)
    #: Whether something was given up, so that the chain has a gap.
    broken: bool = False


def bars(older: DeliveryRecord, younger: DeliveryRecord) -> bool:
    """Whether a delivery waits for another one: not for one of another rule that is due later."""
    if older.state not in UNSETTLED or older.seq >= younger.seq:
        return False
    mine, theirs = younger.delivery, older.delivery
    if theirs.order_key != mine.order_key:
        return False
    firm = theirs.not_before is None or older.attempts > 0 or older.state is not State.PENDING
    return firm or theirs.rule == mine.rule or (theirs.not_before or mine.due_at) <= mine.due_at


def claimable(records: Sequence[DeliveryRecord]) -> list[DeliveryRecord]:
    """Returns those that a claim may begin with, as soon as they are due: of a message only the one that leads it."""
    return [
        one
        for one in records
        if one.state is State.PENDING
        and one.bundled_in in {None, one.delivery.id}
        and not any(bars(older, one) for older in records)
    ]


def left_behind(message: Claimed, records: Sequence[DeliveryRecord], now: datetime, room: Room) -> Iterator[str]:
    """Yields the ids of what should have gone out with a message that was just closed, and did not."""
    bundle, told = read_bundle(message.delivery.bundle or ""), {one.delivery.id for one in message.together}
    if is_full(message, bundle, room):
        return
    for one in records:
        if one.state is not State.PENDING or one.attempts or not _joins(one, bundle):
            continue
        if bundle.kind is BundleKind.DIGEST and one.delivery.due_at > now:
            continue
        if not any(bars(older, one) and older.delivery.id not in told for older in records):
            yield one.delivery.id


def behind(one: Claimed, records: Sequence[DeliveryRecord]) -> list[DeliveryRecord]:
    """Returns what is unsettled of the same appointment and younger."""
    return [
        other
        for other in records
        if other.seq > one.seq and other.state in UNSETTLED and other.delivery.order_key == one.delivery.order_key
    ]


def is_incomplete(message: Claimed, others: Sequence[DeliveryRecord]) -> bool:
    """Whether what became of an appointment meanwhile is not told with it, though nothing held lies between."""
    for one in others:
        if one.state is State.HELD:
            return False
        if one.delivery.rule == message.delivery.rule and one.state is State.PENDING and not one.attempts:
            return True
    return False


def was_over(name: str, records: Sequence[DeliveryRecord], now: datetime) -> bool:
    """Whether something of the rule was too much, and has just been overtaken."""
    return any(
        one.delivery.rule == name
        and (one.state, one.settled_at) == (State.SUPERSEDED, now)
        and read_bundle(one.delivery.bundle or "").kind is BundleKind.OVER
        for one in records
    )


def is_full(message: Claimed, bundle: Bundle, room: Room) -> bool:
    """Whether there was no room for more."""
    number = len(message.together)
    return number == most(bundle.rule) or 0 < room.size <= number


def most(name: str) -> int:
    """Returns how many changes one message of a rule tells."""
    group = RULES[name].group
    return group.most if group else LARGEST


def kind_of(message: Claimed) -> BundleKind | None:
    """Returns of which kind the bundle is that a message is told in; None for none."""
    return None if message.delivery.bundle is None else read_bundle(message.delivery.bundle).kind


def _joins(one: DeliveryRecord, bundle: Bundle) -> bool:
    return one.delivery.bundle is not None and read_bundle(one.delivery.bundle) in bundle.joined


def is_put_off_rightly(one: DeliveryRecord, first_due: datetime, begun: Collection[datetime]) -> bool:
    """Whether what waits longer than it had to at first does so since too many messages were begun lately."""
    throttle = RULES[one.delivery.rule].throttle
    if RULES[one.delivery.rule].always and one.delivery.due_at < first_due:
        return False
    if one.delivery.due_at == first_due or throttle is None:
        return one.delivery.due_at <= first_due
    then = one.delivery.due_at - throttle.per
    return then in begun and sum(at >= then for at in begun) >= throttle.most
