"""The silences: made, listed and ended by people, and read in the transaction that each is to hold in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import func
from sqlmodel import Session, col, select

from notifier.core.delivery import Reason
from notifier.core.silence import Silence
from notifier.errors import StoreError
from notifier.store import rows
from notifier.store.delivery_tables import DeliveryRow, SilenceRow
from notifier.store.driver import driver

# Asked for with every slice and every claim.
_LASTING = (
    "SELECT id, rules, wanted, author, why, began_at, until FROM silence"
    " WHERE ended_at IS NULL AND until > ? ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class SilenceRecord:
    """A silence, and how many deliveries it has swallowed so far."""

    silence: Silence
    swallowed: int
    #: Whether it lasts.
    lasts: bool


def add(
    tx: Session,
    *,
    rules: Sequence[str],
    where: Mapping[str, Sequence[str]],
    author: str,
    why: str,
    until: datetime,
    now: datetime,
) -> Silence:
    """Stores a silence that begins now; returns it with its number."""
    row = SilenceRow(
        rules=orjson.dumps(list(rules)).decode(),
        wanted=orjson.dumps([(key, list(values)) for key, values in where.items()]).decode(),
        author=author,
        why=why,
        began_at=now,
        until=until,
    )
    tx.add(row)
    tx.flush()
    return _silence(row)


def lasting(tx: Session, now: datetime) -> tuple[Silence, ...]:
    """Returns the silences that last, the first made first."""
    found = driver(tx).execute(_LASTING, (rows.stored(now),)).fetchall()
    return tuple(
        Silence(
            id=id_,
            rules=tuple(orjson.loads(rules)),
            where=_where(wanted),
            author=author,
            why=why,
            began_at=rows.moment_of(began_at),
            until=rows.moment_of(until),
        )
        for id_, rules, wanted, author, why, began_at, until in found
    )


def listing(tx: Session, now: datetime, *, over: bool = False) -> list[SilenceRecord]:
    """Returns the silences that last, and if asked for those that are over; the first made first."""
    counted = _counts(tx)
    found = [_silence(row) for row in tx.exec(select(SilenceRow).order_by(col(SilenceRow.id)))]
    return [SilenceRecord(one, counted.get(one.id, 0), one.holds_at(now)) for one in found if over or one.holds_at(now)]


def end(tx: Session, id_: int, by: str, now: datetime) -> Silence:
    """Ends a silence before its time.

    Raises:
        StoreError: there is none of this number, or it is over.
    """
    row = tx.get(SilenceRow, id_)
    if row is None:
        raise StoreError(f"there is no silence {id_}; see: notifier silence list")
    if not _silence(row).holds_at(now):
        raise StoreError(f"the silence {id_} is over")
    row.ended_at, row.ended_by = now, by
    tx.add(row)
    tx.flush()
    return _silence(row)


def _counts(tx: Session) -> dict[int, int]:
    query = (
        select(DeliveryRow.silence, func.count())
        .where(col(DeliveryRow.silence).is_not(None), DeliveryRow.reason == Reason.SILENCE)
        .group_by(col(DeliveryRow.silence))
    )
    return {id_: number for id_, number in tx.exec(query) if id_ is not None}


def _silence(row: SilenceRow) -> Silence:
    assert row.id is not None
    return Silence(
        id=row.id,
        rules=tuple(orjson.loads(row.rules)),
        where=_where(row.wanted),
        author=row.author,
        why=row.why,
        began_at=row.began_at,
        until=row.until,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )


def _where(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    stored: list[tuple[str, list[str]]] = orjson.loads(text)
    return tuple((key, tuple(values)) for key, values in stored)
