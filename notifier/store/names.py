"""The names: what the sources call what the appointments refer to, when they were asked, and whom they refer to."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final

import orjson
from sqlalchemy import delete, func
from sqlmodel import Session, col, select

from notifier.core.appointment import Appointment
from notifier.core.called import Answered, Called, Key, Refusal
from notifier.store import rows
from notifier.store.driver import driver
from notifier.store.tables import EventRow, NameRefusalRow, NameRow

_OF = "SELECT json_extract(state, '$.{field}') FROM appointment WHERE source = ? AND vanished_at IS NULL"
_OTHERS = (
    "SELECT value FROM appointment, json_each(state, '$.other_employees') WHERE source = ? AND vanished_at IS NULL"
)
_AUTHORS = _OF + " AND json_extract(state, '$.{field}_type') = 'EMPLOYEE'"
_MENTIONED: Final[Mapping[str, tuple[str, ...]]] = {
    "office": (_OF.format(field="office"),),
    "subject": (_OF.format(field="subject"),),
    "employee": (
        _OF.format(field="employee"),
        _OTHERS,
        _AUTHORS.format(field="created_by"),
        _AUTHORS.format(field="updated_by"),
    ),
}
_WAITING = (
    f"SELECT {rows.EVENT_COLUMNS}, told FROM delivery JOIN event ON event.id = delivery.event_id"  # noqa: S608 - our own names
    " WHERE settled_at IS NULL AND source = ?"
)
_PUT = (
    "INSERT INTO name (source, kind, id, name, zone, asked_at) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (source, kind, id) DO UPDATE SET name = excluded.name, zone = excluded.zone,"
    " asked_at = excluded.asked_at"
)
_FORGET = "DELETE FROM name WHERE source = ? AND kind = ? AND id NOT IN (SELECT value FROM json_each(?))"


def mentioned(tx: Session, source: str, kind: str) -> frozenset[str]:
    """Returns the ids of a kind that appointments in the snapshot refer to; vanished ones do not count."""
    # Through all of the snapshot: not for every minute.
    query = " UNION ".join(_MENTIONED[kind])
    found = tx.connection().exec_driver_sql(query, (source,) * len(_MENTIONED[kind]))
    return frozenset(str(one) for (one,) in found if one is not None)


def newest_event(tx: Session) -> int:
    """Returns the number of the newest event; 0 where there is none."""
    return tx.exec(select(func.max(EventRow.seq))).one() or 0


def lately(tx: Session, source: str, kinds: Collection[str], seen: int) -> tuple[frozenset[Key], int]:
    """Returns what events refer to that were recorded after the one of this number, and that of the newest."""
    # Not by a time: an event is noticed before it is recorded.
    query = select(EventRow.before, EventRow.after).where(EventRow.source == source, col(EventRow.seq) > seen)
    states = (rows.read_state(text) for pair in tx.exec(query) for text in pair if text is not None)
    return _of(kinds, states), newest_event(tx)


def waiting(tx: Session, source: str, kinds: Collection[str]) -> frozenset[Key]:
    """Returns what the messages refer to that are still to be sent."""
    events = (rows.read_event(columns, told) for *columns, told in driver(tx).execute(_WAITING, (source,)))
    return _of(kinds, (state for event in events for state in (event.before, event.after) if state is not None))


def _of(kinds: Collection[str], states: Iterable[Appointment]) -> frozenset[Key]:
    return frozenset((kind, id_) for state in states for kind, id_ in _refers(state) if kind in kinds)


def _refers(state: Appointment) -> Iterable[Key]:
    authors = ((state.created_by_type, state.created_by), (state.updated_by_type, state.updated_by))
    people = (state.employee, *state.other_employees, *(one for role, one in authors if role == "EMPLOYEE"))
    found = (("office", state.office), ("subject", state.subject), *(("employee", one) for one in people))
    return ((kind, id_) for kind, id_ in found if id_)


def known(tx: Session, source: str) -> dict[Key, Answered]:
    """Returns all that the source was asked for."""
    found = tx.exec(select(NameRow).where(NameRow.source == source))
    return {(one.kind, one.id): Answered(Called(one.name, one.zone), one.asked_at) for one in found}


def put(tx: Session, source: str, kind: str, said: Mapping[str, Called], now: datetime) -> None:
    """Remembers what the source said; a kind that it tells is not refused any more."""
    at = rows.stored(now)
    driver(tx).executemany(_PUT, [(source, kind, id_, one.name, one.zone, at) for id_, one in said.items()])
    tx.execute(delete(NameRefusalRow).where(col(NameRefusalRow.source) == source, col(NameRefusalRow.kind) == kind))


def refuse(tx: Session, source: str, kind: str, why: str, now: datetime) -> None:
    """Remembers that the source does not say what it calls these."""
    tx.merge(NameRefusalRow(source=source, kind=kind, refused_at=now, why=why))
    tx.flush()


def refusals(tx: Session, source: str) -> dict[str, Refusal]:
    """Returns what the source does not tell, by kind."""
    found = tx.exec(select(NameRefusalRow).where(NameRefusalRow.source == source))
    return {one.kind: Refusal(one.refused_at, one.why) for one in found}


def counts(tx: Session) -> dict[tuple[str, str], int]:
    """Returns of how many the name is known, by source and kind."""
    query = select(NameRow.source, NameRow.kind, func.count()).where(NameRow.name != "")
    return {(source, kind): number for source, kind, number in tx.exec(query.group_by(NameRow.source, NameRow.kind))}


def forget(tx: Session, source: str, kind: str, ids: Collection[str]) -> None:
    """Forgets the names of all but these."""
    driver(tx).execute(_FORGET, (source, kind, orjson.dumps(sorted(ids)).decode()))


def keep_only(tx: Session, asked: Mapping[str, Collection[str]]) -> None:
    """Forgets what is not asked for any more: all but these kinds of these sources."""
    for row in (NameRow, NameRefusalRow):
        for source, kind in set(tx.exec(select(row.source, row.kind).distinct())):
            if kind not in asked.get(source, ()):
                tx.execute(delete(row).where(col(row.source) == source, col(row.kind) == kind))
