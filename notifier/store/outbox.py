"""The outbox: the deliveries that are owed, handed out in order and settled by their attempts.

Order holds for each channel and order key: nothing is handed out while something older of the same key is
unsettled. An attempt is a row before it is a try, so that a process which dies in the middle leaves a trace.

What is done for every delivery is written in SQL with plain values: made of rows and objects it takes five times as
long.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, func, or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from notifier.core.delivery import Delivery, Outcome, Reason, Result, Settlement, State
from notifier.core.event import Event
from notifier.core.policy import RETRY_DELAYS
from notifier.core.recheck import Terms
from notifier.errors import StoreError
from notifier.store import rows, texts
from notifier.store.backlog import Superseded, recheck_head
from notifier.store.driver import driver
from notifier.store.gate import postpone, swallow
from notifier.store.tables import AttemptRow, DeliveryRow

TRIES = len(RETRY_DELAYS) + 1
"""How often a delivery is usually tried in all."""

_older = aliased(DeliveryRow)
_BLOCKED = exists().where(
    col(_older.settled_at).is_(None),
    col(_older.channel) == col(DeliveryRow.channel),
    col(_older.order_key) == col(DeliveryRow.order_key),
    col(_older.seq) < col(DeliveryRow.seq),
    # What waits for its time stands before what its own rule owes, and not before what is due sooner by another.
    or_(
        col(_older.not_before).is_(None),
        col(_older.not_before) <= col(DeliveryRow.due_at),
        col(_older.rule) == col(DeliveryRow.rule),
        col(_older.state) != State.PENDING,
        col(_older.attempts) > 0,
    ),
)
#: The condition of the partial indexes, which serve only queries that state it.
_UNSETTLED = col(DeliveryRow.settled_at).is_(None)
_SENDING = and_(_UNSETTLED, col(DeliveryRow.state) == State.SENDING)
_CLAIMABLE = and_(_UNSETTLED, col(DeliveryRow.state) == State.PENDING, ~_BLOCKED)

# The same for the channel that is asked for.
_OF_CHANNEL = (
    "delivery.settled_at IS NULL AND delivery.channel = ? AND delivery.state = 'pending'"
    " AND NOT EXISTS (SELECT 1 FROM delivery AS older WHERE older.settled_at IS NULL"
    " AND older.channel = delivery.channel AND older.order_key = delivery.order_key AND older.seq < delivery.seq"
    " AND (older.not_before IS NULL OR older.not_before <= delivery.due_at OR older.rule = delivery.rule"
    " OR older.state <> 'pending' OR older.attempts > 0))"
)
_NEXT_DUE = f"SELECT due_at FROM delivery WHERE {_OF_CHANNEL} ORDER BY due_at LIMIT 1"  # noqa: S608 - all ours
# As the index has them, so that a long backlog is not read; of what fell due together the older goes first.
_DUE = (
    "SELECT delivery.seq, delivery.id, event_id, rule, channel, order_key, due_at, not_before,"  # noqa: S608 - all ours
    f" attempts, tries, created_at, told, {rows.EVENT_COLUMNS} FROM delivery CROSS JOIN event ON event.id = event_id"
    f" WHERE {_OF_CHANNEL} AND due_at <= ? ORDER BY due_at, delivery.seq LIMIT ?"
)
_START = "UPDATE delivery SET state = 'sending', attempts = ?, tries = ? WHERE seq = ?"
_BEGIN = "INSERT INTO attempt (delivery_seq, number, started_at, detail) VALUES (?, ?, ?, '')"
_UNSTART = (
    "UPDATE delivery SET state = 'pending', attempts = attempts - 1, tries = tries - 1"
    " WHERE seq = ? AND state = 'sending' AND attempts = ?"
)
_UNBEGIN = "DELETE FROM attempt WHERE delivery_seq = ? AND number = ?"
_SETTLE = (
    "UPDATE delivery SET state = ?, reason = ?, due_at = coalesce(?, due_at), settled_at = ?,"
    " in_doubt = in_doubt OR ?, tries = tries - ? WHERE seq = ? AND state = 'sending' AND attempts = ?"
)
_END = (
    "UPDATE attempt SET finished_at = ?, result = ?, reason = ?, status = ?, detail = ?"
    " WHERE delivery_seq = ? AND number = ?"
)

MOST_SUPERSEDED = 100
"""A claim that has superseded so many ends, that others may write: there can be as many as there are deliveries."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is being sent, with what a message needs."""

    #: Of the delivery's row.
    seq: int
    delivery: Delivery
    #: Which attempt this is, from 1.
    attempt: int
    #: How many of them count, this one included.
    tries: int
    made_at: datetime
    #: What its message tells: its event, or what became of that while it waited.
    event: Event


def _nobody(_: Superseded) -> None:
    """Hears of what is superseded."""


def claim(
    tx: Session,
    channel: str,
    now: datetime,
    limit: int,
    terms: Terms | None = None,
    tell: Callable[[Superseded], None] = _nobody,
) -> list[Claimed]:
    """Marks up to `limit` due deliveries of the channel as being sent and returns them, the longest due first.

    The attempt of each is on record from here on, so claim no more than will be tried at once: after a crash all
    of them have one try less.

    By the terms, unless there are none, what has waited is put off where its rule has hours and these are over, is
    re-checked, and may be swallowed by a silence. `tell` hears of what is not sent by that; if nothing else comes of
    a claim, there may be more to claim.
    """
    claimed: list[Claimed] = []
    most, connection = MOST_SUPERSEDED, driver(tx)
    while True:
        superseded: list[Superseded] = []
        put_off = 0
        for head in _due(connection, channel, now, limit - len(claimed)):
            passed: Claimed | None = head
            if terms is not None and not _is_young(head, now, terms.after):
                if postpone(tx, head.seq, head.delivery, head.event, terms, now):
                    put_off += 1
                    continue
                passed = _recheck(tx, head, terms, now, superseded)
            if passed is not None:
                claimed.append(_start(connection, passed, now))
        for one in superseded:
            tell(one)
        most -= len(superseded) + put_off
        # What does not go out may have stood before others.
        if not (superseded or put_off) or len(claimed) == limit or most <= 0:
            return claimed


def claim_young(connection: sqlite3.Connection, channel: str, now: datetime, young: timedelta) -> Claimed | None:
    """Claims the channel's first due delivery if it is so young that it need not be re-checked; None for none such."""
    for head in _due(connection, channel, now, 1):
        if _is_young(head, now, young):
            return _start(connection, head, now)
    return None


def hand_back(connection: sqlite3.Connection, claimed: Claimed) -> None:
    """Takes back a claim that nothing was made of."""
    attempt = (claimed.seq, claimed.attempt)
    if connection.execute(_UNSTART, attempt).rowcount == 1:
        connection.execute(_UNBEGIN, attempt)


def record(
    connection: sqlite3.Connection,
    claimed: Claimed,
    outcome: Outcome,
    settlement: Settlement,
    now: datetime,
    *,
    counts: bool = True,
) -> None:
    """Stores how an attempt ended and what that means for its delivery; `counts` says whether it was one of its tries.

    Raises:
        StoreError: the delivery is not in this attempt any more.
    """
    ended, attempt = rows.stored(now), (claimed.seq, claimed.attempt)
    due_at = None if settlement.due_at is None else rows.stored(settlement.due_at)
    settled_at = None if settlement.state is State.PENDING else ended
    doubt, uncounted = outcome.result is Result.UNCERTAIN, not counts
    settled = (settlement.state.value, settlement.reason.value, due_at, settled_at, doubt, uncounted)
    if connection.execute(_SETTLE, (*settled, *attempt)).rowcount != 1:
        raise StoreError(f"delivery {claimed.delivery.id} is not in attempt {claimed.attempt} any more")
    came = (ended, outcome.result.value, outcome.reason.value, outcome.status, outcome.detail)
    connection.execute(_END, (*came, *attempt))
    texts.prune_one(connection, claimed.delivery.id)


def recover(tx: Session, now: datetime, tries: Mapping[str, int] | None = None) -> int:
    """Ends the attempts that a process which died left open and returns how many there were.

    Only for the start of the one process that sends. Their deliveries are due at once; but a message that killed
    the process at every try is given up like any other: `tries` says how many there are for which channel, where they
    are not as many as usual.
    """
    most = tries or {}
    interrupted = Outcome(Result.RETRY, Reason.INTERRUPTED)
    again = Settlement(State.PENDING, Reason.INTERRUPTED, now)
    given_up = Settlement(State.DEAD, Reason.EXHAUSTED)
    left = tx.exec(select(DeliveryRow).where(_SENDING)).all()
    for row in left:
        _end(_open_attempt(tx, row), interrupted, now)
        row.in_doubt = True
        _settle(row, again if row.tries < most.get(row.channel, TRIES) else given_up, now)
    tx.flush()
    texts.prune(tx)
    return len(left)


def next_due(tx: Session, channel: str) -> datetime | None:
    """Returns when the channel's next delivery falls due that nothing older stands before; None for none."""
    found = driver(tx).execute(_NEXT_DUE, (channel,)).fetchone()
    return None if found is None else rows.moment_of(found[0])


def counts(tx: Session) -> dict[str, dict[State, int]]:
    """Returns how many deliveries each channel has in each state, zeros included."""
    query = select(DeliveryRow.channel, DeliveryRow.state, func.count()).group_by(
        col(DeliveryRow.state), col(DeliveryRow.channel)
    )
    found: dict[str, dict[State, int]] = {}
    for channel, state, number in tx.exec(query):
        found.setdefault(channel, dict.fromkeys(State, 0))[State(state)] = number
    return found


def due(tx: Session, channel: str, now: datetime) -> int:
    """Returns how many deliveries of a channel are due that nothing older stands before."""
    query = select(func.count()).select_from(DeliveryRow).where(_CLAIMABLE, DeliveryRow.channel == channel)
    return tx.exec(query.where(col(DeliveryRow.due_at) <= now)).one()


def unfinished(tx: Session, now: datetime) -> int:
    """Returns how many deliveries are being sent or could be claimed by now; zero means that a round is done."""
    due = and_(_CLAIMABLE, col(DeliveryRow.due_at) <= now)
    return tx.exec(select(func.count()).select_from(DeliveryRow).where(or_(_SENDING, due))).one()


def _due(connection: sqlite3.Connection, channel: str, now: datetime, limit: int) -> Sequence[Claimed]:
    """Returns what could be claimed, as it is before."""
    found = connection.execute(_DUE, (channel, rows.stored(now), limit)).fetchall()
    return [
        Claimed(
            seq,
            Delivery(
                id=id_,
                event_id=event_id,
                rule=rule,
                channel=name,
                order_key=order_key,
                due_at=rows.moment_of(due_at),
                not_before=None if begins is None else rows.moment_of(begins),
            ),
            attempts,
            tries,
            rows.moment_of(made_at),
            rows.read_event(event, told),
        )
        for seq, id_, event_id, rule, name, order_key, due_at, begins, attempts, tries, made_at, told, *event in found
    ]


def _is_young(head: Claimed, now: datetime, after: timedelta) -> bool:
    """Whether a delivery has not waited, so that nothing has come between."""
    return head.delivery.not_before is None and now - head.made_at <= after


def _recheck(tx: Session, head: Claimed, terms: Terms, now: datetime, superseded: list[Superseded]) -> Claimed | None:
    """Returns what is sent in place of what could be; None for nothing, or for something that has to be asked for."""
    rechecked = recheck_head(tx, head.seq, head.delivery, terms, now)
    superseded += rechecked.superseded
    if rechecked.event is None:
        return None
    passed = replace(head, event=rechecked.event)
    # What was tried may have arrived, so that more is to be told.
    swallowed = None if passed.attempt else swallow(tx, passed.seq, passed.delivery, passed.event, now)
    superseded += [swallowed] if swallowed else []
    return None if swallowed else passed


def _start(connection: sqlite3.Connection, head: Claimed, now: datetime) -> Claimed:
    attempt, tries = head.attempt + 1, head.tries + 1
    connection.execute(_START, (attempt, tries, head.seq))
    connection.execute(_BEGIN, (head.seq, attempt, rows.stored(now)))
    return replace(head, attempt=attempt, tries=tries)


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
