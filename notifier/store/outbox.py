"""The outbox: the deliveries that are owed, handed out in order and settled by their attempts.

Order holds for each channel and order key: nothing is handed out while something older of the same key is
unsettled. An attempt is a row before it is a try, so that a process which dies in the middle leaves a trace.

What is done for every delivery is written in SQL with plain values: made of rows and objects it takes five times as
long.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import and_, func
from sqlmodel import Session, col, select

from notifier.core.delivery import Outcome, Reason, Result, Settlement, State
from notifier.core.policy import RETRY_DELAYS
from notifier.core.recheck import Terms
from notifier.errors import StoreError
from notifier.store import bundles, rows, texts
from notifier.store import claimed as claims
from notifier.store.backlog import Superseded
from notifier.store.bundles import AMPLE, Room, close, hold_back, is_gathering
from notifier.store.claimed import Claimed
from notifier.store.delivery_tables import AttemptRow, DeliveryRow
from notifier.store.driver import driver
from notifier.store.gate import postpone, recheck

TRIES = len(RETRY_DELAYS) + 1
"""How often a delivery is usually tried in all."""

#: The condition of the partial indexes, which serve only queries that state it.
_SENDING = and_(col(DeliveryRow.settled_at).is_(None), col(DeliveryRow.state) == State.SENDING)
# What could be claimed, for the channel that is asked for: whose message none leads, and none older stands before.
_OF_CHANNEL = (
    "delivery.settled_at IS NULL AND delivery.channel = ? AND delivery.state = 'pending'"  # noqa: S608 - all ours
    " AND (delivery.bundled_in IS NULL OR delivery.bundled_in = delivery.seq)"
    f" AND NOT EXISTS (SELECT 1 FROM delivery AS older WHERE {claims.BARS})"
)
_NEXT_DUE = f"SELECT due_at FROM delivery WHERE {_OF_CHANNEL} ORDER BY due_at LIMIT 1"  # noqa: S608 - all ours
_COUNT_DUE = f"SELECT count(*) FROM delivery WHERE {_OF_CHANNEL} AND due_at <= ?"  # noqa: S608 - all ours
# As the index has them, so that a long backlog is not read; of what fell due together the older goes first.
_DUE = f"{claims.SELECT} WHERE {_OF_CHANNEL} AND due_at <= ? ORDER BY due_at, delivery.seq LIMIT ?"
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
# Of those that were told with it.
_SETTLE_MEMBERS = _SETTLE.replace("WHERE seq = ?", "WHERE bundled_in = ?")
_END = (
    "UPDATE attempt SET finished_at = ?, result = ?, reason = ?, status = ?, detail = ?"
    " WHERE delivery_seq = ? AND number = ?"
)

MOST_SUPERSEDED = 100
"""A claim that has superseded so many ends, that others may write: there can be as many as there are deliveries."""


@dataclass(slots=True)
class _Tally:
    """What a look at what is due came to, beside what is claimed."""

    superseded: list[Superseded] = field(default_factory=list)
    put_off: int = 0
    #: Whether one of them had to do with others, so that it has to be looked anew at what is due.
    stale: bool = False

    @property
    def changes(self) -> bool:
        """Whether others may be due by that."""
        return bool(self.superseded or self.put_off or self.stale)


def _nobody(_: Superseded) -> None:
    """Hears of what is superseded."""


def claim(
    tx: Session,
    channel: str,
    now: datetime,
    limit: int,
    terms: Terms | None = None,
    tell: Callable[[Superseded], None] = _nobody,
    room: Room = AMPLE,
) -> list[Claimed]:
    """Marks up to `limit` due deliveries of the channel as being sent and returns them, the longest due first.

    The attempt of each is on record from here on, so claim no more than will be tried at once: after a crash all
    of them have one try less.

    By the terms, unless there are none, what has waited is put off where its rule has hours and these are over, or
    where too much went out lately; it is re-checked, and may be swallowed by a silence. What waits for others is
    claimed together with them, as far as there is room in a message. `tell` hears of what is not sent by that; if
    nothing else comes of a claim, there may be more to claim.
    """
    claimed: list[Claimed] = []
    most, connection = MOST_SUPERSEDED, driver(tx)
    while True:
        tally = _Tally()
        for head in _due(connection, channel, now, limit - len(claimed)):
            passed = _admit(tx, head, terms, now, room, tally)
            if passed is not None:
                claimed.append(_start(connection, passed, now))
            if tally.stale:
                break
        for one in tally.superseded:
            tell(one)
        most -= len(tally.superseded) + tally.put_off
        # What does not go out may have stood before others.
        if not tally.changes or len(claimed) == limit or most <= 0:
            return claimed


def claim_young(connection: sqlite3.Connection, channel: str, now: datetime, young: timedelta) -> Claimed | None:
    """Claims the channel's first due delivery if it goes by itself and is so young that it need not be re-checked.

    Returns None for none such.
    """
    for head in _due(connection, channel, now, 1):
        if head.delivery.bundle is None and _is_young(head, now, young):
            return _start(connection, head, now)
    return None


def hand_back(connection: sqlite3.Connection, claimed: Claimed) -> None:
    """Takes back a claim that nothing was made of."""
    attempt = (claimed.seq, claimed.attempt)
    if connection.execute(_UNSTART, attempt).rowcount == 1:
        connection.execute(_UNBEGIN, attempt)
        if claimed.members:
            bundles.unstart(connection, claimed)


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
    if claimed.members:
        _settle_members(connection, claimed, settled)
    for one in claimed.together:
        texts.prune_one(connection, one.delivery.id)


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
    leaders = [row for row in left if row.bundled_in in {None, row.seq}]
    for row in leaders:
        _end(_open_attempt(tx, row), interrupted, now)
    for row in left:
        row.in_doubt = True
        _settle(row, again if row.tries < most.get(row.channel, TRIES) else given_up, now)
    tx.flush()
    texts.prune(tx)
    return len(leaders)


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
    number: int = driver(tx).execute(_COUNT_DUE, (channel, rows.stored(now))).fetchone()[0]
    return number


def _due(connection: sqlite3.Connection, channel: str, now: datetime, limit: int) -> Sequence[Claimed]:
    """Returns what could be claimed, as it is before."""
    found = connection.execute(_DUE, (channel, rows.stored(now), limit)).fetchall()
    return [claims.read(columns) for columns in found]


def _admit(tx: Session, head: Claimed, terms: Terms | None, now: datetime, room: Room, tally: _Tally) -> Claimed | None:
    """Returns what goes out now of what is due; None for nothing."""
    waited = terms is not None and not _is_young(head, now, terms.after)
    if terms is not None:
        if waited and postpone(tx, head.seq, head.delivery, head.event, terms, now):
            tally.put_off += 1
            return None
        if held_back := hold_back(tx, head, terms, now):
            tally.put_off += held_back
            tally.stale = True
            return None
    if head.bundled_in is not None:
        return bundles.with_members(driver(tx), head)
    if is_gathering(head):
        tally.stale = True
        return close(tx, head, terms, now, room, tally.superseded)
    return recheck(tx, head, terms, now, tally.superseded) if terms is not None and waited else head


def _is_young(head: Claimed, now: datetime, after: timedelta) -> bool:
    """Whether a delivery has not waited, so that nothing has come between."""
    return head.delivery.not_before is None and now - head.made_at <= after


def _start(connection: sqlite3.Connection, head: Claimed, now: datetime) -> Claimed:
    attempt, tries = head.attempt + 1, head.tries + 1
    connection.execute(_START, (attempt, tries, head.seq))
    connection.execute(_BEGIN, (head.seq, attempt, rows.stored(now)))
    started = replace(head, attempt=attempt, tries=tries)
    if head.members:
        if head.bundled_in is None:
            bundles.join(connection, head)
        bundles.start(connection, started)
    return started


def _settle_members(connection: sqlite3.Connection, leader: Claimed, settled: Sequence[object]) -> None:
    """Lets the members of a message share what became of it."""
    connection.execute(_SETTLE_MEMBERS, (*settled, leader.seq, leader.attempt))


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
