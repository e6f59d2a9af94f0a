"""What the operator is to hear: the troubles on record, and the outbox of notices.

A trouble and the notices that tell of it are written in one transaction. Notices are claimed, recorded and taken up
after a crash as deliveries are, by the same schedule; of one trouble the earlier one goes first.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, func
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import aliased
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session, col, select

from notifier.core.checkup import BadTemplate, DeadLetters, NoticeCount
from notifier.core.delivery import Outcome, Reason, Settlement, State
from notifier.core.notice import Notice
from notifier.core.policy import RETRY_DELAYS
from notifier.core.trouble import Edge, OpenTrouble, TroubleKind
from notifier.errors import StoreError
from notifier.store.delivery_tables import AttemptRow, DeliveryRow, NoticeRow, TroubleRow

TRIES = len(RETRY_DELAYS) + 1
"""How often a notice is tried in all."""

BROKEN_FOR = timedelta(days=1)
"""How long a channel counts as broken for the operator after a notice to it was given up."""

_UNSETTLED = col(NoticeRow.settled_at).is_(None)
_PENDING = and_(_UNSETTLED, col(NoticeRow.state) == State.PENDING)
_SENDING = and_(_UNSETTLED, col(NoticeRow.state) == State.SENDING)
_older = aliased(NoticeRow)
_BLOCKED = exists().where(
    col(_older.settled_at).is_(None),
    col(_older.channel) == col(NoticeRow.channel),
    col(_older.trouble) == col(NoticeRow.trouble),
    col(_older.seq) < col(NoticeRow.seq),
)


@dataclass(frozen=True, slots=True)
class ClaimedNotice:
    """A notice that is being sent."""

    #: Of its row.
    seq: int
    notice: Notice
    #: Which try this is, from 1.
    attempt: int


def troubles(tx: Session) -> dict[str, OpenTrouble]:
    """Returns the troubles on record by name, the oldest first."""
    query = select(TroubleRow).order_by(col(TroubleRow.began_at), col(TroubleRow.name))
    return {row.name: _trouble_of(row) for row in tx.exec(query)}


def keep(tx: Session, trouble: OpenTrouble) -> None:
    """Puts a trouble on record, in place of what was there under its name."""
    tx.merge(
        TroubleRow(
            name=trouble.name,
            kind=trouble.kind.value,
            text=trouble.text,
            began_at=trouble.began_at,
            told_at=trouble.told_at,
            well_since=trouble.well_since,
        )
    )
    tx.flush()


def forget(tx: Session, name: str) -> None:
    """Takes a trouble off the record."""
    if row := tx.get(TroubleRow, name):
        tx.delete(row)
        tx.flush()


def owe(tx: Session, notices: Iterable[Notice]) -> None:
    """Owes these notices from now on; one that was owed before, under its id, is left as it is."""
    for notice in notices:
        values = {
            "id": notice.id,
            "channel": notice.channel,
            "trouble": notice.trouble,
            "kind": notice.kind.value,
            "edge": notice.edge.value,
            "title": notice.title,
            "body": notice.body,
            "state": State.PENDING.value,
            "detail": "",
            "due_at": notice.made_at,
            "created_at": notice.made_at,
            "attempts": 0,
        }
        tx.execute(insert(NoticeRow).values(values).on_conflict_do_nothing())


def claim(tx: Session, channel: str, now: datetime) -> ClaimedNotice | None:
    """Marks the channel's first notice that is due as being sent and returns it; None where none is."""
    query = (
        select(NoticeRow)
        .where(_PENDING, ~_BLOCKED, NoticeRow.channel == channel, NoticeRow.due_at <= now)
        .order_by(col(NoticeRow.due_at), col(NoticeRow.seq))
        .limit(1)
    )
    row = tx.exec(query).first()
    if row is None:
        return None
    assert row.seq is not None
    row.state = State.SENDING
    row.attempts += 1
    tx.flush()
    return ClaimedNotice(row.seq, _notice_of(row), row.attempts)


def record(tx: Session, claimed: ClaimedNotice, outcome: Outcome, settlement: Settlement, now: datetime) -> None:
    """Stores how an attempt ended and what that means for its notice.

    Raises:
        StoreError: the notice is not in this attempt any more.
    """
    row = tx.get(NoticeRow, claimed.seq)
    if row is None or row.state != State.SENDING or row.attempts != claimed.attempt:
        raise StoreError(f"notice {claimed.notice.id} is not in attempt {claimed.attempt} any more")
    row.detail = outcome.detail
    _settle(row, settlement, now)
    tx.flush()


def recover(tx: Session, channels: Collection[str], now: datetime) -> int:
    """Takes up the notices that a process which died was sending; returns how many there were.

    What is owed to a channel that is not the operator's any more is discarded.
    """
    left = tx.exec(select(NoticeRow).where(_SENDING)).all()
    again = Settlement(State.PENDING, Reason.INTERRUPTED, now)
    given_up = Settlement(State.DEAD, Reason.EXHAUSTED)
    for row in left:
        _settle(row, again if row.attempts < TRIES else given_up, now)
    for row in tx.exec(select(NoticeRow).where(_UNSETTLED, col(NoticeRow.channel).not_in(channels))):
        _settle(row, Settlement(State.DISCARDED, Reason.DISCARDED), now)
    tx.flush()
    return len(left)


def next_due(tx: Session, channel: str) -> datetime | None:
    """Returns when the channel's next notice falls due that none of its trouble stands before; None for none."""
    query = select(func.min(NoticeRow.due_at)).where(_PENDING, ~_BLOCKED, NoticeRow.channel == channel)
    return tx.exec(query).one()


def counts(tx: Session, now: datetime) -> dict[str, NoticeCount]:
    """Returns how the notices to each channel fare."""
    query = select(NoticeRow.channel, func.count(col(NoticeRow.seq)) - func.count(col(NoticeRow.settled_at)))
    unsent = dict(tx.exec(query.group_by(col(NoticeRow.channel))).all())
    return {channel: _count(tx, channel, number, now) for channel, number in unsent.items()}


def dead_letters(tx: Session, channel: str, since: datetime) -> DeadLetters | None:
    """Returns which deliveries to a channel were given up since then; None where none was.

    Those whose template failed tell of their rule, not of the channel.
    """
    dead = and_(_given_up([channel], since), col(DeliveryRow.reason) != Reason.TEMPLATE)
    query = select(DeliveryRow.settled_at, DeliveryRow.reason).where(dead)
    newest = tx.exec(query.order_by(col(DeliveryRow.settled_at).desc()).limit(1)).first()
    if newest is None or newest[0] is None:
        return None
    count = tx.exec(select(func.count()).select_from(DeliveryRow).where(dead)).one()
    return DeadLetters(channel, count, newest[0], newest[1] or "")


def bad_templates(tx: Session, channels: Collection[str], since: datetime) -> list[BadTemplate]:
    """Returns what was given up since then to any of these channels for its template, for each rule."""
    failed = and_(_given_up(channels, since), col(DeliveryRow.reason) == Reason.TEMPLATE)
    query = select(DeliveryRow.rule, func.count(), func.max(col(DeliveryRow.settled_at))).where(failed)
    groups = tx.exec(query.group_by(col(DeliveryRow.rule)).order_by(col(DeliveryRow.rule))).all()
    return [BadTemplate(rule, count, at, _last_detail(tx, failed, rule)) for rule, count, at in groups if at]


def _last_detail(tx: Session, failed: ColumnElement[bool], rule: str) -> str:
    query = (
        select(AttemptRow.detail)
        .join(DeliveryRow, col(DeliveryRow.seq) == col(AttemptRow.delivery_seq))
        .where(failed, DeliveryRow.rule == rule)
        .order_by(col(DeliveryRow.settled_at).desc(), col(AttemptRow.number).desc())
    )
    return tx.exec(query.limit(1)).first() or ""


def owed(tx: Session, channel: str) -> int:
    """Returns how many deliveries wait for a channel."""
    waiting = and_(col(DeliveryRow.settled_at).is_(None), col(DeliveryRow.state) == State.PENDING)
    query = select(func.count()).select_from(DeliveryRow).where(waiting, col(DeliveryRow.channel) == channel)
    return tx.exec(query).one()


def waiting(tx: Session, channels: Collection[str]) -> dict[str, int]:
    """Returns how many deliveries wait for channels that are none of these."""
    open_ = and_(col(DeliveryRow.settled_at).is_(None), col(DeliveryRow.state) == State.PENDING)
    query = select(DeliveryRow.channel, func.count()).where(open_, col(DeliveryRow.channel).not_in(channels))
    return dict(tx.exec(query.group_by(col(DeliveryRow.channel))).all())


def _given_up(channels: Collection[str], since: datetime) -> ColumnElement[bool]:
    return and_(
        col(DeliveryRow.state) == State.DEAD,
        col(DeliveryRow.channel).in_(channels),
        col(DeliveryRow.settled_at) >= since,
    )


def _count(tx: Session, channel: str, unsent: int, now: datetime) -> NoticeCount:
    here = col(NoticeRow.channel) == channel
    settled = and_(col(NoticeRow.settled_at) > now - BROKEN_FOR, here)
    newest = tx.exec(select(NoticeRow).where(settled).order_by(col(NoticeRow.settled_at).desc()).limit(1)).first()
    broken = newest is not None and newest.state == State.DEAD
    oldest = select(NoticeRow).where(_UNSETTLED, here).order_by(col(NoticeRow.created_at))
    waiting = tx.exec(oldest.limit(1)).first()
    # One whose process died has not failed.
    failing = tx.exec(oldest.where(col(NoticeRow.reason) != Reason.INTERRUPTED).limit(1)).first()
    last = newest if broken else failing
    return NoticeCount(
        unsent=unsent,
        broken=broken,
        failing_since=failing.created_at if failing else None,
        waiting_since=waiting.created_at if waiting else None,
        error="" if last is None else f"{last.reason}{f' ({last.detail})' if last.detail else ''}",
    )


def _settle(row: NoticeRow, settlement: Settlement, now: datetime) -> None:
    row.state = settlement.state
    row.reason = settlement.reason
    if settlement.due_at is not None:
        row.due_at = settlement.due_at
    row.settled_at = None if settlement.state is State.PENDING else now


def _trouble_of(row: TroubleRow) -> OpenTrouble:
    return OpenTrouble(
        name=row.name,
        kind=TroubleKind(row.kind),
        text=row.text,
        began_at=row.began_at,
        told_at=row.told_at,
        well_since=row.well_since,
    )


def _notice_of(row: NoticeRow) -> Notice:
    return Notice(
        id=row.id,
        channel=row.channel,
        trouble=row.trouble,
        kind=TroubleKind(row.kind),
        edge=Edge(row.edge),
        title=row.title,
        body=row.body,
        made_at=row.created_at,
    )
