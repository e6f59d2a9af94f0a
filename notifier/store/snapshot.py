"""The snapshot: what was last committed of each appointment, and how the reading of the sources goes.

`apply` is the commit of the poll line: rows, events and deliveries of one plan, all or none.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from operator import itemgetter
from typing import Any

import orjson
import sqlalchemy
from sqlalchemy import ColumnElement, and_, delete, false, func, or_, true, update
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlmodel import Session, col, select

from notifier.core.delivery import State
from notifier.core.plan import Known, Plan, Recorded
from notifier.core.slices import Slice
from notifier.core.stray import Fate, Stray, fate
from notifier.core.sweep import Filters, Look, Span, Sweep, passes
from notifier.store import rows, texts
from notifier.store.delivery_tables import DeliveryRow
from notifier.store.tables import (
    AppointmentRow,
    EventRow,
    LookRow,
    Row,
    SettingRow,
    SlicingRow,
    WatchRow,
    table_of,
)

# Both by the primary key, one id after the other: left to itself, the planner walks through the whole source for each
# page, since the index of the spans covers the first query. A vanished one that comes back is news, as it was or not.
_DIGESTS = (
    "SELECT appointment.id, digest FROM json_each(?) AS wanted"
    " CROSS JOIN appointment ON source = ? AND appointment.id = wanted.value"
    " WHERE vanished_at IS NULL"
)
_KNOWN = (
    "SELECT appointment.id, digest, revision, observed_at, vanished_at, status_since, silent_at, state"
    " FROM json_each(?) AS wanted CROSS JOIN appointment ON source = ? AND appointment.id = wanted.value"
)
# The columns are those of `rows.known_rows`. What is stored anew need not be asked for by itself any more.
_PUT_KNOWN = (
    "INSERT INTO appointment"
    ' (source, id, digest, revision, observed_at, status, start, updated_at, vanished_at, "end", status_since,'
    " silent_at, state) VALUES (?, ?, ?, ?, ?, ?, NULLIF(?, ''), ?, NULLIF(?, ''), NULLIF(?, ''), ?, NULLIF(?, ''), ?)"
    " ON CONFLICT (source, id) DO UPDATE SET digest = excluded.digest, revision = excluded.revision,"
    " observed_at = excluded.observed_at, status = excluded.status, start = excluded.start,"
    ' updated_at = excluded.updated_at, vanished_at = excluded.vanished_at, "end" = excluded."end",'
    " status_since = excluded.status_since, silent_at = excluded.silent_at, state = excluded.state, asked_at = NULL"
)

PEOPLE = frozenset({"employee", "customer"})
"""Filters that are met by whoever takes part, in whatever role."""

NO_FILTERS: Filters = {}

CHUNK = 500
"""How many ids one statement asks for."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a plan came to; less than it holds where a part of it had been applied before."""

    rows: int
    events: int
    #: Without the silenced ones.
    deliveries: int
    silenced: int = 0


def digests(tx: Session, source: str, ids: Iterable[str]) -> dict[str, bytes]:
    """Returns the digest of each of these appointments that the snapshot has."""
    # The hottest query of a poll: one text for any number of ids, and no objects but the result.
    found = tx.connection().exec_driver_sql(_DIGESTS, (orjson.dumps(list(ids)).decode(), source))
    return dict(map(tuple, found.fetchall()))


def known(tx: Session, source: str, ids: Iterable[str]) -> dict[str, Known]:
    """Returns what the snapshot holds of each of these appointments."""
    found = tx.connection().exec_driver_sql(_KNOWN, (orjson.dumps(list(ids)).decode(), source))
    return {
        id_: Known(
            rows.read_state(state),
            digest,
            revision,
            rows.moment_of(observed_at),
            None if vanished_at is None else rows.moment_of(vanished_at),
            rows.moment_of(since),
            None if silent_at is None else rows.moment_of(silent_at),
        )
        for id_, digest, revision, observed_at, vanished_at, since, silent_at, state in found
    }


def digests_within(tx: Session, source: str, span: Span, filters: Filters = NO_FILTERS) -> dict[str, bytes]:
    """Returns the digests of what the snapshot has with a start inside the span and that passes the filters.

    Of a span without dates, all appointments; never vanished ones. Filters for people are left to the caller.
    """
    row = table_of(AppointmentRow).c
    query = sqlalchemy.select(row.id, row.digest).where(row.source == source, row.vanished_at.is_(None))
    if span.start is not None:
        query = query.where(row.start >= span.start)
    if span.end is not None:
        query = query.where(row.start <= span.end)
    for name, wanted in filters.items():
        if name not in PEOPLE:
            value = row[name] if name in row else func.json_extract(row.state, f"$.{name}")
            query = query.where(value.in_(wanted))
    return dict(map(tuple, tx.execute(query).fetchall()))


Covered = Sequence[tuple[Sweep, Span]]
"""Sweeps, and the start times that each of them covers now."""


def strays(tx: Session, source: str, covered: Covered, now: datetime, most: int) -> dict[str, Fate]:
    """Returns what is to be done about appointments that lie in none of these sweeps; at most so many to ask for."""
    found: dict[str, Fate] = {}
    asked = 0
    last = ""
    while asked < most and (page := _outside(tx, source, covered, last)):
        last = page[-1].id
        for row in page:
            decided = fate(Stray(row.status, row.start, row.updated_at, row.asked_at, row.vanished_at is not None), now)
            if decided is Fate.LEAVE or (decided is Fate.ASK and asked >= most) or _in_filters(row, covered):
                continue
            asked += decided is Fate.ASK
            found[row.id] = decided
    return found


def forget(tx: Session, source: str, ids: Iterable[str]) -> None:
    """Takes appointments out of the snapshot, in silence; events about them stay on record."""
    for chunk in _chunks(ids):
        for row, name in ((AppointmentRow, col(AppointmentRow.id)), (WatchRow, col(WatchRow.appointment_id))):
            tx.execute(delete(row).where(col(row.source) == source, name.in_(chunk)))


def mark_asked(tx: Session, source: str, ids: Iterable[str], now: datetime) -> None:
    """Remembers that these were asked for by their ids."""
    for chunk in _chunks(ids):
        of = (col(AppointmentRow.source) == source, col(AppointmentRow.id).in_(chunk))
        tx.execute(update(AppointmentRow).where(*of).values(asked_at=now))


def _outside(tx: Session, source: str, covered: Covered, after: str) -> Sequence[AppointmentRow]:
    """Returns the next appointments that no sweep covers which asks for dates and states alone."""
    plain = (_covered(sweep, span) for sweep, span in covered if not sweep.filters.keys() - {"status"})
    query = select(AppointmentRow).where(
        AppointmentRow.source == source, AppointmentRow.id > after, ~or_(false(), *plain)
    )
    return tx.exec(query.order_by(col(AppointmentRow.id)).limit(CHUNK)).all()


def _covered(sweep: Sweep, span: Span) -> ColumnElement[bool]:
    wanted = sweep.filters.get("status")
    conditions: list[ColumnElement[bool]] = []
    if span.dated:
        # First, so that the whole is false where there is no start, and not null, whose opposite is null as well.
        conditions.append(col(AppointmentRow.start).is_not(None))
    if span.start is not None:
        conditions.append(col(AppointmentRow.start) >= span.start)
    if span.end is not None:
        conditions.append(col(AppointmentRow.start) <= span.end)
    if wanted:
        conditions.append(col(AppointmentRow.status).in_(wanted))
    return and_(true(), *conditions)


def _in_filters(row: AppointmentRow, covered: Covered) -> bool:
    """Whether a sweep covers the appointment that asks for more than dates and states."""
    fine = [sweep for sweep, span in covered if sweep.filters.keys() - {"status"} and span.holds(row.start)]
    return bool(fine) and any(passes(rows.read_state(row.state), sweep.filters) for sweep in fine)


def slices(tx: Session, source: str, scope: str) -> list[Slice]:
    """Returns into which slices a scope of the source was last cut."""
    row = tx.get(SlicingRow, (source, scope))
    return [] if row is None else rows.read_slices(row.slices)


def put_slices(tx: Session, source: str, scope: str, found: Iterable[Slice]) -> None:
    """Remembers into which slices a scope was cut, and what they held."""
    _upsert(tx, SlicingRow, [{"source": source, "scope": scope, "slices": rows.write_slices(found)}])


def count(tx: Session, source: str) -> int:
    """Returns how many appointments of the source the snapshot has."""
    query = select(func.count()).select_from(AppointmentRow).where(AppointmentRow.source == source)
    return tx.exec(query).one()


def apply(tx: Session, plan: Plan, now: datetime, born: State = State.PENDING) -> Applied:
    """Stores everything that the plan says, in its order; what it owes begins in the given state, held or pending.

    The plan has to be made from what `known` gave in the same transaction: else another sweep may have stored a later
    state. An event on record already is left out with its deliveries, so that a plan applied again adds nothing.
    """
    # By the driver itself, which takes one row after the other: all at once they are a second copy of the slice.
    driver: Any = tx.connection().connection.driver_connection
    driver.executemany(_PUT_KNOWN, rows.known_rows(plan.source, plan.rows))
    fresh = _unrecorded(tx, plan.recorded)
    owed = [delivery for delivery in plan.deliveries if delivery.event_id in fresh]
    _insert(tx, EventRow, [rows.event_values(recorded) for recorded in fresh.values()])
    _insert(tx, DeliveryRow, [rows.delivery_values(delivery, now, born) for delivery in owed])
    texts.keep(tx, plan.texts, owed)
    silenced = sum(delivery.silenced is not None for delivery in owed)
    return Applied(len(plan.rows), len(fresh), len(owed) - silenced, silenced)


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


def contained(tx: Session, source: str) -> bool | None:
    """Whether the source lists only what lies within the dates asked for as a whole; None while that is unknown."""
    row = tx.get(SettingRow, _contained_name(source))
    return None if row is None else bool(row.value)


def put_contained(tx: Session, source: str, *, contained: bool) -> None:
    """Remembers what the dates mean that the source is asked for."""
    _upsert(tx, SettingRow, [{"name": _contained_name(source), "value": b"1" if contained else b""}])


def _contained_name(source: str) -> str:
    return f"contained in the dates of {source}"


def _page_size_name(source: str) -> str:
    return f"page_size of {source}"


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
    pick = itemgetter(*(compiled.positiontup or ()))
    connection.exec_driver_sql(str(compiled), [tuple(map(rows.stored, pick(row))) for row in values])


def _chunks(ids: Iterable[str]) -> Iterator[Sequence[str]]:
    rest = iter(ids)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
