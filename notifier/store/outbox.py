"""The outbox: the deliveries that are owed, handed out in order and settled by their attempts.

Order holds for each channel and order key: nothing is handed out while something older of the same key is
unsettled. An attempt is a row before it is a try, so that a process which dies in the middle leaves a trace.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, exists, func, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import Select

from notifier.core.delivery import RETRY_DELAYS, Delivery, Outcome, Reason, Result, Settlement, State
from notifier.core.event import Event
from notifier.errors import StoreError
from notifier.store import rows
from notifier.store.tables import AttemptRow, DeliveryRow, EventRow

TRIES = len(RETRY_DELAYS) + 1
"""How often a delivery is tried in all."""

_older = aliased(DeliveryRow)
_BLOCKED = exists().where(
    col(_older.settled_at).is_(None),
    col(_older.channel) == col(DeliveryRow.channel),
    col(_older.order_key) == col(DeliveryRow.order_key),
    col(_older.seq) < col(DeliveryRow.seq),
)
#: The condition of the partial indexes, which serve only queries that state it.
_UNSETTLED = col(DeliveryRow.settled_at).is_(None)
_SENDING = and_(_UNSETTLED, col(DeliveryRow.state) == State.SENDING)
_CLAIMABLE = and_(_UNSETTLED, col(DeliveryRow.state) == State.PENDING, ~_BLOCKED)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is being sent, with what a message needs."""

    #: Of the delivery's row.
    seq: int
    delivery: Delivery
    #: Which try this is, from 1.
    attempt: int
    event: Event


def claim(tx: Session, channel: str, now: datetime, limit: int) -> list[Claimed]:
    """Marks up to `limit` due deliveries of the channel as being sent and returns them, the longest due first.

    The attempt of each is on record from here on, so claim no more than will be tried at once: after a crash all
    of them have one try less.
    """
    found = tx.exec(_due(channel, now, limit)).all()
    return [_start(tx, delivery, event, now) for delivery, event in found]


def record(tx: Session, claimed: Claimed, outcome: Outcome, settlement: Settlement, now: datetime) -> None:
    """Stores how an attempt ended and what that means for its delivery.

    Raises:
        StoreError: the delivery is not in this attempt any more.
    """
    row = tx.get(DeliveryRow, claimed.seq)
    if row is None or row.state != State.SENDING or row.attempts != claimed.attempt:
        raise StoreError(f"delivery {claimed.delivery.id} is not in attempt {claimed.attempt} any more")
    _end(_open_attempt(tx, row), outcome, now)
    _settle(row, settlement, now)
    tx.flush()


def recover(tx: Session, now: datetime, tries: int = TRIES) -> int:
    """Ends the attempts that a process which died left open and returns how many there were.

    Only for the start of the one process that sends. Their deliveries are due at once; but a message that killed
    the process at every try is given up like any other.
    """
    interrupted = Outcome(Result.RETRY, Reason.INTERRUPTED)
    again = Settlement(State.PENDING, Reason.INTERRUPTED, now)
    given_up = Settlement(State.DEAD, Reason.EXHAUSTED)
    left = tx.exec(select(DeliveryRow).where(_SENDING)).all()
    for row in left:
        _end(_open_attempt(tx, row), interrupted, now)
        _settle(row, again if row.attempts < tries else given_up, now)
    tx.flush()
    return len(left)


def next_due(tx: Session, channel: str) -> datetime | None:
    """Returns when the channel's next delivery falls due that nothing older stands before; None for none."""
    query = (
        select(DeliveryRow.due_at)
        .where(_CLAIMABLE, DeliveryRow.channel == channel)
        .order_by(col(DeliveryRow.due_at))
        .limit(1)
    )
    return tx.exec(query).first()


def counts(tx: Session) -> dict[str, dict[State, int]]:
    """Returns how many deliveries each channel has in each state, zeros included."""
    query = select(DeliveryRow.channel, DeliveryRow.state, func.count()).group_by(
        col(DeliveryRow.state), col(DeliveryRow.channel)
    )
    found: dict[str, dict[State, int]] = {}
    for channel, state, number in tx.exec(query):
        found.setdefault(channel, dict.fromkeys(State, 0))[State(state)] = number
    return found


def unfinished(tx: Session, now: datetime) -> int:
    """Returns how many deliveries are being sent or could be claimed by now; zero means that a round is done."""
    due = and_(_CLAIMABLE, col(DeliveryRow.due_at) <= now)
    return tx.exec(select(func.count()).select_from(DeliveryRow).where(or_(_SENDING, due))).one()


def _due(channel: str, now: datetime, limit: int) -> Select[DeliveryRow, EventRow]:
    return (
        select(DeliveryRow, EventRow)
        .join(EventRow, col(EventRow.id) == col(DeliveryRow.event_id))
        .where(_CLAIMABLE, DeliveryRow.channel == channel, DeliveryRow.due_at <= now)
        # As the index has them, so that a long backlog is not read; of what fell due together the older goes first.
        .order_by(col(DeliveryRow.due_at), col(DeliveryRow.seq))
        .limit(limit)
    )


def _start(tx: Session, row: DeliveryRow, event: EventRow, now: datetime) -> Claimed:
    assert row.seq is not None
    row.state = State.SENDING
    row.attempts += 1
    tx.add(AttemptRow(delivery_seq=row.seq, number=row.attempts, started_at=now))
    return Claimed(row.seq, rows.delivery_of(row), row.attempts, rows.event_of(event))


def _open_attempt(tx: Session, row: DeliveryRow) -> AttemptRow:
    query = select(AttemptRow).where(AttemptRow.delivery_seq == row.seq, AttemptRow.number == row.attempts)
    return tx.exec(query).one()


def _end(attempt: AttemptRow, outcome: Outcome, now: datetime) -> None:
    attempt.finished_at = now
    attempt.result = outcome.result
    attempt.reason = outcome.reason
    attempt.status = outcome.status
    attempt.detail = outcome.detail


def _settle(row: DeliveryRow, settlement: Settlement, now: datetime) -> None:
    row.state = settlement.state
    row.reason = settlement.reason
    if settlement.due_at is not None:
        row.due_at = settlement.due_at
    row.settled_at = None if settlement.state is State.PENDING else now
