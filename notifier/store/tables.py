"""The tables of what is watched and what happened; those of what is owed are in `delivery_tables`.

Rows do not validate (SQLModel checks nothing for tables) and never leave this package: `rows` turns them into the
frozen values of the core and back. Ids, states and times are stored; personal text only as keyed hashes. Whatever
is only ever read whole is kept as JSON.
"""

from datetime import datetime

from sqlalchemy import Index, MetaData, Table, UniqueConstraint
from sqlmodel import Field, SQLModel

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every constraint has a name, without which SQLite's tables can't be altered by a later migration."""


class Row(SQLModel):
    """What all tables share: the names of their constraints."""

    metadata = METADATA


class AppointmentRow(Row, table=True):
    """The last committed state of one appointment; all of them are the snapshot."""

    __tablename__ = "appointment"
    # What every poll asks of every row is answered from this alone: a row with its state is twenty times as large.
    __table_args__ = (
        Index("ix_appointment_span", "source", "start", "status", "vanished_at", "id", "digest"),
        # Those for what rules ask the clock for are made where one asks: see `watches.enrol`.
    )

    source: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    digest: bytes
    revision: int
    observed_at: datetime
    status: str
    start: datetime | None
    updated_at: datetime
    #: When the source was found not to show it any more; None while it does.
    vanished_at: datetime | None = None
    #: When it was last asked for by its id, being in no sweep's span; None before.
    asked_at: datetime | None = None
    end: datetime | None = None
    #: When it reached its status, as far as that can be known.
    status_since: datetime
    #: When it was first seen, if that was in silence.
    silent_at: datetime | None = None
    #: The whole core Appointment as JSON.
    state: str


class WatchRow(Row, table=True):
    """What was told of a stay, by one rule; the last one of each appointment."""

    __tablename__ = "watch"

    source: str = Field(primary_key=True)
    appointment_id: str = Field(primary_key=True)
    rule: str = Field(primary_key=True)
    #: By which the stay is told from others: since when it has the status, and its start or end where that counts.
    since: datetime
    bound: datetime | None
    #: Of the record as it was when it was last looked at.
    digest: bytes
    #: How many messages there were; 0 for a stay that is not told.
    told: int
    due_at: datetime | None
    escalate_at: datetime | None


class TimedRuleRow(Row, table=True):
    """A rule that asks the clock, and when it first did."""

    __tablename__ = "timed_rule"

    name: str = Field(primary_key=True)
    #: What it asks for; who asks for something else is new.
    asks: str
    loaded_at: datetime


class LookRow(Row, table=True):
    """The last complete reading of one scope of a source."""

    __tablename__ = "look"

    source: str = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    began_at: datetime
    span_start: datetime | None
    span_end: datetime | None
    #: In seconds.
    end_offset: float | None
    #: Field name to wanted values, as JSON.
    filters: str


class SlicingRow(Row, table=True):
    """Into which slices a scope of a source was last cut."""

    __tablename__ = "slicing"

    source: str = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    #: The slices with what they held, as JSON.
    slices: str


class SweepRow(Row, table=True):
    """The figures of a sweep's last run, and of its troubles."""

    __tablename__ = "sweep"

    source: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    outcome: str | None = None
    pages: int = 0
    rows: int = 0
    changed: int = 0
    events: int = 0
    baseline: int = 0
    rejected: int = 0
    last_good_at: datetime | None = None
    #: When the first of the failed runs in a row began.
    failing_since: datetime | None = None
    failures: int = 0
    error: str = ""
    #: How often a start was left out because the former run was still going.
    skipped: int = 0
    #: The newest committed `updated_at`.
    watermark: datetime | None = None
    #: In seconds.
    lag: float | None = None
    #: The window of `updatedAt` that the last run worked on.
    window_start: datetime | None = None
    window_end: datetime | None = None
    #: Changes that lay before the window.
    late: int = 0
    #: Into how many slices the last run was cut.
    slices: int = 0
    #: Events that the brake holds, of this run and those before.
    held: int = 0
    #: When a run that read everything, not only the window, last succeeded.
    complete_at: datetime | None = None


class EventRow(Row, table=True):
    """A change of an appointment, with every rule's verdict on it."""

    __tablename__ = "event"
    __table_args__ = (
        UniqueConstraint("id"),
        # The appointment first: people ask for one without its source.
        Index(None, "appointment_id", "source"),
        Index(None, "detected_at"),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, primary_key=True)
    id: str
    source: str
    sweep: str
    appointment_id: str
    occurred_at: datetime
    detected_at: datetime
    #: JSON, all of these; `before` is None for an appointment that was not known.
    kinds: str
    changes: str
    before: str | None
    after: str
    verdicts: str
    #: What made it, where that is no change; JSON.
    firing: str | None = None


class NameRow(Row, table=True):
    """What a source calls one of its offices, subjects or employees."""

    __tablename__ = "name"

    source: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    #: Empty where it was asked for and has none.
    name: str
    #: Of an office, its time zone; empty where that is not known.
    zone: str
    asked_at: datetime


class NameRefusalRow(Row, table=True):
    """A source that does not say what it calls them."""

    __tablename__ = "name_refusal"

    source: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    refused_at: datetime
    #: For people.
    why: str


class SettingRow(Row, table=True):
    """A value that belongs to this store and is made with it."""

    __tablename__ = "setting"

    name: str = Field(primary_key=True)
    value: bytes


def table_of(row: type[Row]) -> Table:
    """Returns the table behind a row class, for statements that work on many rows at once."""
    return METADATA.tables[str(row.__tablename__)]
