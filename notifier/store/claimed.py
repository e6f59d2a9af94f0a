"""What is claimed: a delivery with what its message needs, as it is read for the claim; and which one bars which."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from notifier.core.delivery import Delivery
from notifier.core.event import Event
from notifier.store import rows

BARS = (
    "older.settled_at IS NULL AND older.channel = delivery.channel AND older.order_key = delivery.order_key"
    " AND older.seq < delivery.seq"
    # What waits for its time stands before what its own rule owes, and not before what is due sooner by another.
    " AND (older.not_before IS NULL OR older.not_before <= delivery.due_at OR older.rule = delivery.rule"
    " OR older.state <> 'pending' OR older.attempts > 0)"
)
"""Whether a delivery waits for an older one of its channel and appointment."""

SELECT = (
    "SELECT delivery.seq, delivery.id, event_id, rule, channel, order_key, due_at, not_before, bundle,"  # noqa: S608
    f" bundled_in, attempts, tries, created_at, told, {rows.EVENT_COLUMNS}"
    " FROM delivery CROSS JOIN event ON event.id = event_id"
)
"""What `read` takes."""

_BARRING = f"SELECT older.seq FROM delivery CROSS JOIN delivery AS older WHERE delivery.seq = ? AND {BARS}"  # noqa: S608


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
    #: The delivery that leads the message which it is part of; None for one that was never tried with others.
    bundled_in: int | None = None
    #: What else its message tells, in the order in which it was made: these share whatever becomes of it.
    members: tuple["Claimed", ...] = ()

    @property
    def together(self) -> tuple["Claimed", ...]:
        """All that its message tells."""
        return (self, *self.members)

    @property
    def gathers(self) -> str | None:
        """The bundle that is open for others; None for a delivery that goes by itself, or was tried."""
        return None if self.attempt else self.delivery.bundle


def read(columns: Sequence[Any]) -> Claimed:
    """Returns what could be claimed, as it is before."""
    seq, id_, event_id, rule, channel, order_key, due_at, begins, bundle, bundled_in, *rest = columns
    attempts, tries, made_at, told, *event = rest
    return Claimed(
        seq,
        Delivery(
            id=id_,
            event_id=event_id,
            rule=rule,
            channel=channel,
            order_key=order_key,
            due_at=rows.moment_of(due_at),
            not_before=None if begins is None else rows.moment_of(begins),
            bundle=bundle,
        ),
        attempts,
        tries,
        rows.moment_of(made_at),
        rows.read_event(event, told),
        bundled_in,
    )


def barring(connection: sqlite3.Connection, seq: int) -> set[int]:
    """Returns the rows of the older deliveries for which this one waits."""
    return {older for (older,) in connection.execute(_BARRING, (seq,))}
