"""The snapshot: what was last committed of each appointment, and how the reading of the sources goes.

`apply` is the commit of the poll line: rows, events and deliveries of one plan, all or none.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import orjson
import sqlalchemy
from sqlalchemy import func
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlmodel import Session, col, select

from notifier.core.plan import Known, Plan, Recorded
from notifier.core.sweep import Look, Span, SweepOutcome, SweepRun, Window
from notifier.store import rows
from notifier.store.tables import AppointmentRow, DeliveryRow, EventRow, LookRow, Row, SettingRow, SweepRow, table_of

# A vanished one that comes back is news, whether or not it is as it was.
_DIGESTS = (
    "SELECT id, digest FROM appointment"
    " WHERE source = ? AND vanished_at IS NULL AND id IN (SELECT value FROM json_each(?))"
)

CHUNK = 500
"""How many ids one statement asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """What is known of a sweep: its last run, and its troubles."""

    source: str
    name: str
    #: None until the first run has ended. Its watermark is the newest of all runs; the channels are not kept.
    last: SweepRun | None
    last_good_at: datetime | None
    #: When a run that asked for everything, not only for what was updated lately, last succeeded.
    complete_at: datetime | None
    #: When the first of the failed runs in a row began; None while all is well.
    failing_since: datetime | None
    #: How many runs in a row failed.
    failures: int
    #: How often a start was left out because the former run was still going.
    skipped: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What a plan came to; less than it holds where a part of it had been applied before."""

    rows: int
    events: int
    deliveries: int


def digests(tx: Session, source: str, ids: Iterable[str]) -> dict[str, bytes]:
    """Returns the digest of each of these appointments that the snapshot has."""
    # The hottest query of a poll: one text for any number of ids, and no objects but the result.
    found = tx.connection().exec_driver_sql(_DIGESTS, (source, orjson.dumps(list(ids)).decode()))
    return dict(map(tuple, found.fetchall()))


def known(tx: Session, source: str, ids: Iterable[str]) -> dict[str, Known]:
    """Returns what the snapshot holds of each of these appointments."""
    found: dict[str, Known] = {}
    for chunk in _chunks(ids):
        # SQLModel's own has no types for five columns.
        query = sqlalchemy.select(
            col(AppointmentRow.digest),
            col(AppointmentRow.revision),
            col(AppointmentRow.observed_at),
            col(AppointmentRow.vanished_at),
            col(AppointmentRow.state),
        ).where(col(AppointmentRow.source) == source, col(AppointmentRow.id).in_(chunk))
        for digest, revision, observed_at, vanished_at, state in tx.execute(query):
            appointment = rows.read_state(state)
            found[appointment.id] = Known(appointment, digest, revision, observed_at, vanished_at)
    return found


def ids_within(tx: Session, source: str, span: Span, statuses: Collection[str] = ()) -> set[str]:
    """Returns the ids that the snapshot has with a start inside the span, and one of the statuses if some are given.

    Of a span without dates, all appointments; never vanished ones.
    """
    query = select(AppointmentRow.id).where(AppointmentRow.source == source, col(AppointmentRow.vanished_at).is_(None))
    if span.start is not None:
        query = query.where(col(AppointmentRow.start) >= span.start)
    if span.end is not None:
        query = query.where(col(AppointmentRow.start) <= span.end)
    if statuses:
        query = query.where(col(AppointmentRow.status).in_(statuses))
    return set(tx.exec(query))


def release(tx: Session, source: str, sweep: str) -> None:
    """Lets the next reading of a sweep be believed, whatever is missing from it."""
    _upsert(tx, SettingRow, [{"name": _release_name(source, sweep), "value": b""}])


def is_released(tx: Session, source: str, sweep: str) -> bool:
    """Whether the next reading of the sweep is to be believed."""
    return tx.get(SettingRow, _release_name(source, sweep)) is not None


def end_release(tx: Session, source: str, sweep: str) -> None:
    """Ends what `release` began, once a reading was believed."""
    if row := tx.get(SettingRow, _release_name(source, sweep)):
        tx.delete(row)


def _release_name(source: str, sweep: str) -> str:
    return f"release of {source}/{sweep}"


def count(tx: Session, source: str) -> int:
    """Returns how many appointments of the source the snapshot has."""
    query = select(func.count()).select_from(AppointmentRow).where(AppointmentRow.source == source)
    return tx.exec(query).one()


def apply(tx: Session, plan: Plan, now: datetime) -> Applied:
    """Stores everything that the plan says, in its order.

    The plan has to be made from what `known` gave in the same transaction: between two transactions another sweep
    may have stored a later state. An event that is recorded already is left out together with its deliveries, so
    that a plan which is applied again adds nothing.
    """
    _upsert(tx, AppointmentRow, [rows.known_values(plan.source, row) for row in plan.rows])
    fresh = _unrecorded(tx, plan.recorded)
    owed = [delivery for delivery in plan.deliveries if delivery.event_id in fresh]
    _insert(tx, EventRow, [rows.event_values(recorded) for recorded in fresh.values()])
    _insert(tx, DeliveryRow, [rows.delivery_values(delivery, now) for delivery in owed])
    return Applied(len(plan.rows), len(fresh), len(owed))


def looks(tx: Session, source: str) -> list[Look]:
    """Returns the last complete look at each scope of the source."""
    return [rows.look_of(row) for row in tx.exec(select(LookRow).where(LookRow.source == source))]


def put_look(tx: Session, source: str, look: Look) -> None:
    """Stores a complete look in place of the former one at the same scope."""
    _upsert(tx, LookRow, [rows.look_values(source, look)])


def page_size(tx: Session, source: str) -> int | None:
    """Returns the largest page that the source was found to take; None as long as none was refused."""
    row = tx.get(SettingRow, _page_size_name(source))
    return None if row is None else int(row.value)


def put_page_size(tx: Session, source: str, size: int) -> None:
    """Remembers the largest page that the source takes."""
    _upsert(tx, SettingRow, [{"name": _page_size_name(source), "value": str(size).encode()}])


def _page_size_name(source: str) -> str:
    return f"page_size of {source}"


def record_sweep(tx: Session, source: str, name: str, run: SweepRun) -> SweepRecord:
    """Stores the figures of a run that ended and returns what is now known of the sweep."""
    row = tx.get(SweepRow, (source, name)) or SweepRow(source=source, name=name)
    good = run.outcome is SweepOutcome.OK
    row.sqlmodel_update(
        {
            "started_at": run.started_at,
            "finished_at": run.finished_at,
            "outcome": run.outcome.value,
            "pages": run.pages,
            "rows": run.rows,
            "changed": run.changed,
            "events": run.events,
            "baseline": run.baseline,
            "rejected": run.rejected,
            "error": run.error,
            "watermark": max(filter(None, (row.watermark, run.watermark)), default=None),
            "slices": run.slices,
            "window_start": run.window and run.window.start,
            "window_end": run.window and run.window.end,
            "late": run.late,
            "held": run.held,
            "complete_at": run.finished_at if good and run.whole else row.complete_at,
            "lag": None if run.lag is None else run.lag.total_seconds(),
            "last_good_at": run.finished_at if good else row.last_good_at,
            "failing_since": None if good else row.failing_since or run.started_at,
            "failures": 0 if good else row.failures + 1,
        }
    )
    tx.add(row)
    tx.flush()
    return _sweep_of(row)


def skip_sweep(tx: Session, source: str, name: str) -> None:
    """Counts a start that was left out because the former run was still going."""
    row = tx.get(SweepRow, (source, name)) or SweepRow(source=source, name=name)
    row.skipped += 1
    tx.add(row)
    tx.flush()


def sweeps(tx: Session) -> list[SweepRecord]:
    """Returns what is known of every sweep, by source and name."""
    query = select(SweepRow).order_by(col(SweepRow.source), col(SweepRow.name))
    return [_sweep_of(row) for row in tx.exec(query)]


def _sweep_of(row: SweepRow) -> SweepRecord:
    return SweepRecord(
        source=row.source,
        name=row.name,
        last=_run_of(row),
        last_good_at=row.last_good_at,
        complete_at=row.complete_at,
        failing_since=row.failing_since,
        failures=row.failures,
        skipped=row.skipped,
    )


def _run_of(row: SweepRow) -> SweepRun | None:
    if row.started_at is None or row.finished_at is None or row.outcome is None:
        return None
    return SweepRun(
        source=row.source,
        sweep=row.name,
        started_at=row.started_at,
        finished_at=row.finished_at,
        outcome=SweepOutcome(row.outcome),
        pages=row.pages,
        rows=row.rows,
        changed=row.changed,
        events=row.events,
        baseline=row.baseline,
        rejected=row.rejected,
        error=row.error,
        watermark=row.watermark,
        lag=None if row.lag is None else timedelta(seconds=row.lag),
        slices=row.slices,
        window=None if row.window_end is None else Window(row.window_start, row.window_end),
        late=row.late,
        held=row.held,
    )


def _unrecorded(tx: Session, recorded: Sequence[Recorded]) -> dict[str, Recorded]:
    """Returns by their ids the events that the store does not have, in their order."""
    fresh = {entry.event.id: entry for entry in recorded}
    for chunk in _chunks(tuple(fresh)):
        for id_ in tx.exec(select(EventRow.id).where(col(EventRow.id).in_(chunk))):
            del fresh[id_]
    return fresh


def _upsert(tx: Session, row: type[Row], values: Sequence[Mapping[str, Any]]) -> None:
    table = table_of(row)
    statement = insert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
    _write(tx, statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed), values)


def _insert(tx: Session, row: type[Row], values: Sequence[Mapping[str, Any]]) -> None:
    _write(tx, insert(table_of(row)), values)


def _write(tx: Session, statement: Insert, values: Sequence[Mapping[str, Any]]) -> None:
    """Hands the rows to the driver: SQLAlchemy looks at each for three times as long as SQLite takes to store it."""
    if not values:
        return
    connection = tx.connection()
    compiled = statement.compile(connection, column_keys=list(values[0]))
    names = compiled.positiontup or ()
    connection.exec_driver_sql(str(compiled), [tuple(rows.stored(row[name]) for name in names) for row in values])


def _chunks(ids: Iterable[str]) -> Iterator[Sequence[str]]:
    rest = iter(ids)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
