"""The tables of what is owed to channels and to the operator, and of how these stand.

A delivery is unsettled while it is held, pending or being sent. `settled_at` says the same as the state, for one
reason: "settled_at IS NULL" is a condition that a partial index can carry, so that a claim never walks past settled
rows.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from notifier.core.delivery import Result, State
from notifier.store.tables import Row

HELD = text("state = 'held'")
"""The condition of a partial index; a query that it is to serve has to state it in the same letters."""


MERGED = text("superseded_by IS NOT NULL")

SWALLOWED = text("silence IS NOT NULL")

GATHERED = text("bundle IS NOT NULL")

BUNDLED = text("bundled_in IS NOT NULL")


def _among(column: str, words: type[State | Result]) -> str:
    return f"{column} IN ({', '.join(repr(word.value) for word in words)})"


def _unsettled(name: str, *columns: str) -> Index:
    where = text("settled_at IS NULL")
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


class DeliveryRow(Row, table=True):
    """One message owed to one channel; the pending ones are the outbox."""

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("id"),
        UniqueConstraint("event_id", "rule", "channel"),
        CheckConstraint(_among("state", State), "state"),
        CheckConstraint("(settled_at IS NULL) = (state IN ('held', 'pending', 'sending'))", "settled"),
        # For counting, and for finding the dead, the latest of them too.
        Index(None, "state", "channel", "settled_at"),
        # For the claim: what is due, past all that is held, and whether something older of the same key stands before.
        _unsettled("ix_delivery_due", "channel", "state", "due_at", "seq"),
        _unsettled("ix_delivery_order", "channel", "order_key", "seq"),
        # For the end of a run, which must not look through all that the brake holds of others. The state is the same
        # everywhere in it, and there for the planner, which prefers the longer match.
        # For what else a message tells.
        Index("ix_delivery_superseded_by", "superseded_by", sqlite_where=MERGED, postgresql_where=MERGED),
        # For what a silence swallowed.
        Index("ix_delivery_silence", "silence", sqlite_where=SWALLOWED, postgresql_where=SWALLOWED),
        # For who goes out together, and how many did lately.
        Index(
            "ix_delivery_bundle", "channel", "bundle", "settled_at", sqlite_where=GATHERED, postgresql_where=GATHERED
        ),
        Index("ix_delivery_bundled_in", "bundled_in", sqlite_where=BUNDLED, postgresql_where=BUNDLED),
        Index("ix_delivery_held", "state", "reason", "event_id", sqlite_where=HELD, postgresql_where=HELD),
        {"sqlite_autoincrement": True},
    )

    #: In the order in which the deliveries were made, never used twice.
    seq: int | None = Field(default=None, primary_key=True)
    id: str
    event_id: str = Field(foreign_key="event.id")
    rule: str
    channel: str
    order_key: str
    state: str
    #: Why it stands where it stands: of its last attempt; None before the first.
    reason: str | None = None
    due_at: datetime
    created_at: datetime
    settled_at: datetime | None = None
    attempts: int = 0
    #: The attempts that count: not those that were to find out whether the channel works, and none before a person
    #: had it tried again.
    tries: int = 0
    #: Whether an attempt ended without an answer, so that it may have arrived.
    in_doubt: bool = False
    #: The delivery that tells of it too.
    superseded_by: int | None = Field(default=None, foreign_key="delivery.seq")
    #: What its message tells where that is not its event alone, which waited and was overtaken; JSON.
    told: str | None = None
    #: When the time begins for which it waits; None for one that may go out as soon as it is made.
    not_before: datetime | None = None
    #: With which others it may become one message, as `core.bundle` writes it; None for one that goes by itself.
    bundle: str | None = None
    #: The delivery that leads the message which tells it, itself for that one; None as long as it was not tried
    #: together with others. They share its attempts, and all that becomes of it.
    bundled_in: int | None = Field(default=None, foreign_key="delivery.seq")
    #: The silence that swallowed it.
    silence: int | None = Field(default=None, foreign_key="silence.id")
    #: What was decided about it, and why: pairs of texts as JSON; None for nothing.
    story: str | None = None


class SilenceRow(Row, table=True):
    """What nobody is to hear of for a while."""

    __tablename__ = "silence"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True)
    #: Names of rules, and pairs of a key with its values; JSON, both.
    rules: str
    wanted: str
    author: str
    why: str
    began_at: datetime
    until: datetime
    #: When a person ended it before its time, and who; None where nobody did.
    ended_at: datetime | None = None
    ended_by: str | None = None


class AttemptRow(Row, table=True):
    """One try of a delivery, written before the try and completed after it."""

    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("delivery_seq", "number"),
        CheckConstraint(_among("result", Result), "result"),
    )

    id: int | None = Field(default=None, primary_key=True)
    delivery_seq: int = Field(foreign_key="delivery.seq")
    #: From 1.
    number: int
    started_at: datetime
    #: None until the end is recorded, and so are the others.
    finished_at: datetime | None = None
    result: str | None = None
    reason: str | None = None
    status: int | None = None
    detail: str = ""


class TextRow(Row, table=True):
    """A personal text on its way to a channel that may see it; it goes when the delivery has ended."""

    __tablename__ = "text"

    delivery_id: str = Field(primary_key=True, foreign_key="delivery.id")
    #: A name from TEXT_FIELDS.
    field: str = Field(primary_key=True)
    #: As JSON, in the shape that the source has it in.
    value: str
    #: What the appointment has in its place.
    fingerprint: str


class LaneRow(Row, table=True):
    """How a channel's lane stands."""

    __tablename__ = "lane"

    channel: str = Field(primary_key=True)
    #: A keyed hash of the channel's address: with another one it begins anew.
    address: bytes
    #: Failures in a row.
    failures: int = 0
    #: When the first of them happened; None while there is none.
    failing_since: datetime | None = None
    #: Nothing goes out before; then one message finds out whether the channel works again. None while it is open.
    paused_until: datetime | None = None
    #: When it was switched off; None while it is on.
    off_at: datetime | None = None
    #: Why the last failure failed, for people.
    reason: str | None = None
    detail: str = ""


class TroubleRow(Row, table=True):
    """A trouble of the notifier itself that has begun and not ended."""

    __tablename__ = "trouble"

    #: What is in trouble, as `sweep acme/near`.
    name: str = Field(primary_key=True)
    kind: str
    text: str
    began_at: datetime
    #: When the operator was last told; None while nobody was.
    told_at: datetime | None = None
    #: Since when all is well again; None while it is not.
    well_since: datetime | None = None


class NoticeRow(Row, table=True):
    """One message that is owed to the operator by one channel."""

    __tablename__ = "notice"
    __table_args__ = (
        UniqueConstraint("id"),
        CheckConstraint(_among("state", State), "state"),
        CheckConstraint("(settled_at IS NULL) = (state IN ('held', 'pending', 'sending'))", "settled"),
        _unsettled("ix_notice_due", "channel", "trouble", "due_at", "seq"),
        # For the last one that was settled.
        Index(None, "channel", "settled_at"),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, primary_key=True)
    id: str
    channel: str
    #: The name and the kind of the trouble, and whether it began or ended.
    trouble: str
    kind: str
    edge: str
    title: str
    body: str
    state: str
    reason: str | None = None
    detail: str = ""
    due_at: datetime
    created_at: datetime
    settled_at: datetime | None = None
    attempts: int = 0
