"""The backlog of one appointment at one channel: gathered for a re-check, with what that decides put on record."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from notifier.core.delivery import Delivery, Reason, State
from notifier.core.event import Event
from notifier.core.recheck import Overtaken, Sight, Terms, Waiting, recheck, sight_before
from notifier.store import hold, rows, snapshot, texts
from notifier.store.driver import driver

# What is unsettled of one order key is found by an index that has nothing else.
_QUEUE = (
    f"SELECT delivery.seq, delivery.id, rule, state, in_doubt, bundled_in, told, {rows.EVENT_COLUMNS}"  # noqa: S608 - all ours
    " FROM delivery CROSS JOIN event ON event.id = event_id"
    " WHERE settled_at IS NULL AND channel = ? AND order_key = ? AND delivery.seq >= ? ORDER BY delivery.seq"
)
_SUPERSEDE = (
    "UPDATE delivery SET state = 'superseded', reason = ?, settled_at = ?, superseded_by = ?"
    " WHERE seq = ? AND state = 'pending'"
)
# Whoever asks what overtook it is to be told of the one that went out.
_INHERIT = "UPDATE delivery SET superseded_by = ? WHERE superseded_by = ?"
_TELL = "UPDATE delivery SET told = ? WHERE seq = ?"
_HASTEN = "UPDATE delivery SET due_at = min(due_at, ?) WHERE seq = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """A delivery that is not sent after all: it was overtaken, or a silence swallowed it."""

    delivery: str
    event_id: str
    appointment: str
    rule: str
    channel: str
    reason: Reason
    #: The id of the delivery that tells of it too; None where nothing is told.
    by: str | None


@dataclass(frozen=True, slots=True)
class Rechecked:
    """What a re-check came to."""

    #: What the delivery that was about to be sent is to tell; None if it is not sent now.
    event: Event | None
    superseded: tuple[Superseded, ...]


@dataclass(frozen=True, slots=True)
class _Queued:
    seq: int
    id: str
    rule: str
    state: str
    in_doubt: bool
    #: Whether it is part of a message that was tried.
    bundled: bool
    event: Event


def recheck_head(tx: Session, head: int, delivery: Delivery, terms: Terms, now: datetime) -> Rechecked:
    """Compares the first delivery of its appointment and channel, and what waits behind it, with the snapshot.

    `head` is of its row. What survives in its place, and can't go out at once, does so in its turn.
    """
    queue = _queue(tx, head, delivery)
    waiting, blocker = _gather(queue.values(), delivery.rule)
    newest = sight_before(blocker) if blocker else _newest(tx, waiting[0].event)
    decided = recheck(waiting, newest, terms.rules.get(delivery.rule), now)
    for one in decided.overtaken:
        _supersede(tx, one, now)
        texts.prune_one(driver(tx), queue[one.seq].id)
    superseded = tuple(_superseded(one, queue, delivery.channel) for one in decided.overtaken)
    survivor = decided.survivor
    if survivor is None:
        return Rechecked(None, superseded)
    if survivor.event != queue[survivor.seq].event:
        _run(tx, _TELL, rows.write_told(survivor.event), survivor.seq)
    if survivor.seq != head:
        _run(tx, _HASTEN, rows.stored(delivery.due_at), survivor.seq)
        return Rechecked(None, superseded)
    return Rechecked(survivor.event, superseded)


def _queue(tx: Session, head: int, delivery: Delivery) -> dict[int, _Queued]:
    """Returns what is unsettled from the head on, by its rows and in their order."""
    found = driver(tx).execute(_QUEUE, (delivery.channel, delivery.order_key, head))
    return {
        seq: _Queued(seq, id_, rule, state, bool(in_doubt), bundle is not None, rows.read_event(event, told))
        for seq, id_, rule, state, in_doubt, bundle, told, *event in found
    }


def _gather(queue: Iterable[_Queued], rule: str) -> tuple[list[Waiting], Event | None]:
    """Returns what waits of the rule up to what is not to be passed, and the event of that.

    Whatever is held keeps its place; and nothing is added to what may have arrived, or was tried together with others.
    """
    waiting: list[Waiting] = []
    for one in queue:
        firm = one.state != State.PENDING or one.bundled or (one.in_doubt and waiting)
        # What another rule is just telling was not told too early.
        if one.state == State.HELD or (one.rule == rule and firm):
            return waiting, one.event
        if one.rule == rule:
            waiting.append(Waiting(one.seq, one.event, one.in_doubt))
    return waiting, None


def _newest(tx: Session, event: Event) -> Sight | None:
    """Returns what the snapshot has; nothing while a sweep is doubted, since what that read may be nonsense."""
    if hold.doubts(tx, event.source):
        return None
    known = snapshot.known(tx, event.source, [event.after.id]).get(event.after.id)
    return None if known is None else Sight(known.appointment, known.vanished_at is None, known.since)


def _supersede(tx: Session, overtaken: Overtaken, now: datetime) -> None:
    _run(tx, _SUPERSEDE, overtaken.reason.value, rows.stored(now), overtaken.by, overtaken.seq)
    if overtaken.by is not None:
        _run(tx, _INHERIT, overtaken.by, overtaken.seq)


def _superseded(overtaken: Overtaken, queue: Mapping[int, _Queued], channel: str) -> Superseded:
    one = queue[overtaken.seq]
    return Superseded(
        delivery=one.id,
        event_id=one.event.id,
        appointment=one.event.after.id,
        rule=one.rule,
        channel=channel,
        reason=overtaken.reason,
        by=None if overtaken.by is None else queue[overtaken.by].id,
    )


def _run(tx: Session, statement: str, *values: object) -> None:
    driver(tx).execute(statement, values)
