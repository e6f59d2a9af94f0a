"""How the lanes stand, kept so that a restart changes nothing."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, bindparam
from sqlalchemy import select as sa_select
from sqlmodel import Session, col, select

from notifier.core.delivery import Reason
from notifier.core.standing import OPEN, Standing
from notifier.store.delivery_tables import LaneRow


def hash_address(url: str, key: bytes) -> bytes:
    """Returns what is stored of a channel's address, which may be all secret: enough to tell it from another one."""
    return hashlib.blake2b(url.encode(), key=key, digest_size=16).digest()


def standings(tx: Session) -> dict[str, Standing]:
    """Returns how each lane stands that is on record, by channel."""
    return {row.channel: _standing(row) for row in tx.exec(select(LaneRow))}


# Asked before every send, so it is made once, and brings no object that the session would have to keep.
_OF_CHANNEL = sa_select(
    col(LaneRow.failures),
    col(LaneRow.failing_since),
    col(LaneRow.paused_until),
    col(LaneRow.off_at),
    col(LaneRow.reason),
    col(LaneRow.detail),
).where(col(LaneRow.channel) == bindparam("channel"))


def standing(tx: Session, channel: str) -> Standing:
    """Returns how the lane of a channel stands; one that is not on record is open."""
    row = tx.execute(_OF_CHANNEL, {"channel": channel}).first()
    return OPEN if row is None else _standing(row)


def enrol(tx: Session, addresses: Mapping[str, bytes]) -> list[str]:
    """Puts the lanes of these channels on record; returns those that were not open and begin anew.

    With another address it is another channel, of which nothing bad is known.
    """
    known = {row.channel: row for row in tx.exec(select(LaneRow))}
    anew = []
    for channel, address in addresses.items():
        row = known.get(channel)
        if row is not None and row.address == address:
            continue
        if row is not None and _standing(row) != OPEN:
            anew.append(channel)
        tx.merge(_row(channel, address, OPEN))
    tx.flush()
    return anew


def keep(tx: Session, channel: str, standing: Standing) -> None:
    """Puts on record how a lane stands."""
    row = tx.get(LaneRow, channel)
    tx.merge(_row(channel, row.address if row else b"", standing))
    tx.flush()


def resume(tx: Session, channel: str) -> Standing:
    """Opens a lane, and returns how it stood."""
    before = standing(tx, channel)
    if before != OPEN:
        keep(tx, channel, OPEN)
    return before


def _row(channel: str, address: bytes, standing: Standing) -> LaneRow:
    reason = standing.reason.value if standing.reason else None
    return LaneRow(**{**asdict(standing), "channel": channel, "address": address, "reason": reason})


def _standing(row: LaneRow | Row[Any]) -> Standing:
    return Standing(
        failures=row.failures,
        failing_since=row.failing_since,
        paused_until=row.paused_until,
        off_at=row.off_at,
        reason=None if row.reason is None else Reason(row.reason),
        detail=row.detail,
    )
