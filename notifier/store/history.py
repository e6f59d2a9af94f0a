"""What happened, for people who ask: events with their verdicts, deliveries with their attempts; newest first."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import and_, func
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from notifier.core.delivery import Delivery, Reason, Result, State
from notifier.core.event import Event
from notifier.core.rule import Verdict
from notifier.errors import StoreError
from notifier.store import rows
from notifier.store.delivery_tables import AttemptRow, DeliveryRow
from notifier.store.tables import EventRow


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event as it is on record."""

    #: Events are numbered in the order in which they were recorded.
    seq: int
    event: Event
    #: What each rule said to it, in the order of the rules.
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Successor:
    """What tells of a delivery that was superseded."""

    #: The id of the delivery.
    delivery: str
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRecord:
    """A delivery and what became of it so far."""

    #: Deliveries are numbered in the order in which they were made.
    seq: int
    delivery: Delivery
    state: State
    #: Of the last attempt that ended; None before.
    reason: Reason | None
    created_at: datetime
    #: When it was delivered or given up.
    settled_at: datetime | None
    attempts: int
    #: How many of them count.
    tries: int
    #: Whether one of them was not answered, so that it may have arrived.
    in_doubt: bool
    #: None for one that was not superseded, and where nothing is told.
    superseded_by: Successor | None = None
    #: The id of the delivery that leads the message which tells it, its own for that one; None for one that went by
    #: itself, or was not tried yet.
    bundled_in: str | None = None
    #: How many deliveries that message tells.
    told_with: int = 1
    #: What its message tells where that is not just its event, of which something came while it waited.
    told: Event | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One try of a delivery; what it came to is None while it lasts."""

    number: int
    started_at: datetime
    finished_at: datetime | None
    result: Result | None
    reason: Reason | None
    #: The HTTP or SMTP status, where one was recovered.
    status: int | None
    detail: str


def events(
    tx: Session,
    limit: int,
    *,
    since: datetime | None = None,
    source: str | None = None,
    appointment: str | None = None,
) -> list[EventRecord]:
    """Returns the newest events, of one source or appointment and detected since a time where these are given."""
    query = select(EventRow).order_by(col(EventRow.seq).desc()).limit(limit)
    if since is not None:
        query = query.where(EventRow.detected_at >= since)
    if source is not None:
        query = query.where(EventRow.source == source)
    if appointment is not None:
        query = query.where(EventRow.appointment_id == appointment)
    return [_event_record(row) for row in tx.exec(query)]


def event(tx: Session, id_: str) -> EventRecord:
    """Returns the event with this id, or the only one whose id begins like this.

    Raises:
        StoreError: there is none, or there are several.
    """
    # Ids are hexadecimal: "g" follows every digit.
    query = select(EventRow).where(EventRow.id >= id_, EventRow.id < f"{id_}g").limit(2)
    found = tx.exec(query).all()
    if not found:
        raise StoreError(f"there is no event {id_!r} on record")
    if len(found) > 1:
        raise StoreError(f"more than one event's id begins with {id_!r}; write more of it")
    return _event_record(found[0])


def deliveries(
    tx: Session,
    limit: int,
    *,
    states: Collection[State] = (),
    channel: str | None = None,
    rule: str | None = None,
    since: datetime | None = None,
) -> list[DeliveryRecord]:
    """Returns the newest deliveries: in one of these states, of one channel or rule, settled since a time."""
    query = _DELIVERIES.order_by(col(DeliveryRow.seq).desc()).limit(limit)
    if states:
        query = query.where(col(DeliveryRow.state).in_(states))
    if channel is not None:
        query = query.where(DeliveryRow.channel == channel)
    if rule is not None:
        query = query.where(DeliveryRow.rule == rule)
    if since is not None:
        query = query.where(col(DeliveryRow.settled_at) >= since)
    return _counted(tx, [_delivery_record(*found) for found in tx.exec(query)])


def deliveries_of(tx: Session, event_id: str) -> list[DeliveryRecord]:
    """Returns the deliveries of an event, in the order in which they were made."""
    query = _DELIVERIES.where(DeliveryRow.event_id == event_id).order_by(col(DeliveryRow.seq))
    return _counted(tx, [_delivery_record(*found) for found in tx.exec(query)])


def attempts(tx: Session, delivery_seq: int) -> list[AttemptRecord]:
    """Returns the attempts of a delivery, first to last; those of its message, where that tells others too."""
    leader = select(func.coalesce(DeliveryRow.bundled_in, DeliveryRow.seq)).where(DeliveryRow.seq == delivery_seq)
    query = select(AttemptRow).where(col(AttemptRow.delivery_seq) == leader.scalar_subquery())
    query = query.order_by(col(AttemptRow.number))
    return [_attempt_record(row) for row in tx.exec(query)]


_successor = aliased(DeliveryRow)
_leader = aliased(DeliveryRow)
# The events only of those that tell something else.
_DELIVERIES = (
    select(DeliveryRow, _successor, _leader, EventRow)
    .outerjoin(_successor, col(_successor.seq) == col(DeliveryRow.superseded_by))
    .outerjoin(_leader, col(_leader.seq) == col(DeliveryRow.bundled_in))
    .outerjoin(EventRow, and_(col(DeliveryRow.told).is_not(None), col(EventRow.id) == col(DeliveryRow.event_id)))
)


def _counted(tx: Session, records: Sequence[DeliveryRecord]) -> list[DeliveryRecord]:
    """Returns the records, each with how many deliveries its message tells."""
    leaders = {record.bundled_in for record in records if record.bundled_in is not None}
    query = select(_leader.id, func.count()).join(DeliveryRow, col(_leader.seq) == col(DeliveryRow.bundled_in))
    sizes = dict(tx.exec(query.where(col(_leader.id).in_(leaders)).group_by(_leader.id)).all()) if leaders else {}
    return [
        record if record.bundled_in is None else replace(record, told_with=sizes[record.bundled_in])
        for record in records
    ]


def _event_record(row: EventRow) -> EventRecord:
    assert row.seq is not None
    return EventRecord(row.seq, rows.event_of(row), rows.verdicts_of(row))


def _delivery_record(
    row: DeliveryRow,
    successor: DeliveryRow | None,
    leader: DeliveryRow | None,
    event: EventRow | None,
) -> DeliveryRecord:
    assert row.seq is not None
    return DeliveryRecord(
        seq=row.seq,
        delivery=rows.delivery_of(row),
        state=State(row.state),
        reason=None if row.reason is None else Reason(row.reason),
        created_at=row.created_at,
        settled_at=row.settled_at,
        attempts=row.attempts,
        tries=row.tries,
        in_doubt=row.in_doubt,
        superseded_by=None if successor is None else Successor(successor.id, successor.event_id),
        bundled_in=None if leader is None else leader.id,
        told=None if event is None else rows.event_of(event, row.told),
    )


def _attempt_record(row: AttemptRow) -> AttemptRecord:
    return AttemptRecord(
        number=row.number,
        started_at=row.started_at,
        finished_at=row.finished_at,
        result=None if row.result is None else Result(row.result),
        reason=None if row.reason is None else Reason(row.reason),
        status=row.status,
        detail=row.detail,
    )
