"""The watches: whom the snapshot has in a state that a rule watches, and what was told of them.

Whoever is asked for is found by an index over the state and its time. What a look at a stay came to is on record, so
that the next look does not find it again before something is due, or its record has changed.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime

import orjson
from msgspec import structs
from sqlmodel import Session, col, select

from notifier.core.change import Kind
from notifier.core.rule import Rule
from notifier.core.watch import Progress, Resident, Watch, begin_of
from notifier.store import rows
from notifier.store.driver import driver
from notifier.store.tables import TimedRuleRow

# Of what was looked at, whatever has something due, or was passed over and has changed.
_OPEN = (
    " AND (watch.rule IS NULL OR watch.since <> status_since OR watch.bound IS NOT {bound}"
    " OR (watch.told = 0 AND watch.digest <> appointment.digest) OR watch.due_at <= :until"
    " OR watch.escalate_at <= :until)"
    " ORDER BY {moment}, appointment.id LIMIT :most"
)
_FIND = (
    "SELECT {moment}, appointment.id, appointment.digest, observed_at, asked_at, status_since, silent_at, state,"
    " watch.since, watch.bound, told, due_at, escalate_at"
    " FROM appointment INDEXED BY {index} LEFT JOIN watch ON watch.source = appointment.source"
    " AND watch.appointment_id = appointment.id AND watch.rule = :rule"
    " WHERE appointment.source = :source AND status = {status} AND vanished_at IS NULL"
    " AND ({moment}, appointment.id) > (:last, :last_id) AND {moment} <= :latest AND status_since <= :reached{more}"
)
# For who is in a status since when, and whose end is past. Each costs a first fill a tenth of its time, so there is one
# only while a rule asks.
_INDEXES = {
    Kind.STAYS: ("ix_appointment_stay", "(source, status, status_since, id) WHERE vanished_at IS NULL"),
    Kind.OVERDUE: (
        "ix_appointment_end",
        "(source, status, \"end\", id) WHERE vanished_at IS NULL AND status = 'ACCEPTED'",
    ),
}
_STAYS = (_FIND + _OPEN).format(
    index="ix_appointment_stay", moment="status_since", bound="NULL", status=":status", more=""
)
# Since the rule was loaded it has become overdue by its end, or by being confirmed after that.
_OVERDUE = (_FIND + _OPEN).format(
    index="ix_appointment_end",
    moment='appointment."end"',
    bound='appointment."end"',
    status="'ACCEPTED'",
    more=' AND (appointment."end" > :floor OR status_since > :floor)',
)
_BEFORE_START = (
    (_FIND + _OPEN)
    .format(
        index="ix_appointment_span",
        moment="start",
        bound="start",
        status="status",
        more=" AND (start > :floor OR status_since > :loaded)",
    )
    .replace("status = status", "status IN (SELECT value FROM json_each(:statuses))")
)
_PUT = (
    "INSERT INTO watch (source, appointment_id, rule, since, bound, digest, told, due_at, escalate_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, appointment_id, rule) DO UPDATE SET"
    " since = excluded.since, bound = excluded.bound, digest = excluded.digest, told = excluded.told,"
    " due_at = excluded.due_at, escalate_at = excluded.escalate_at"
)
_FORGET = "DELETE FROM watch WHERE rule NOT IN (SELECT value FROM json_each(?))"

_NEXT = (
    "SELECT min({moment}) FROM appointment WHERE source = :source AND vanished_at IS NULL AND {moment} > :past"
    " AND status IN (SELECT value FROM json_each(:statuses)) AND {more}"
)
# The first of what is not due yet. A stay that is overdue begins with the end or the status, whichever was later.
_FIRSTS = {
    Kind.STAYS: (_NEXT.format(moment="status_since", more="TRUE"),),
    Kind.OVERDUE: (
        _NEXT.format(moment='"end"', more='"end" >= status_since'),
        _NEXT.format(moment="status_since", more='"end" < status_since'),
    ),
    Kind.BEFORE_START: (_NEXT.format(moment="start", more="TRUE"),),
}
_NEXT_TOLD = (
    "SELECT min(due_at) FROM watch WHERE source = :source AND rule = :rule AND due_at > :now",
    "SELECT min(escalate_at) FROM watch WHERE source = :source AND rule = :rule AND escalate_at > :now",
)

FIRST = ("", "")
"""Before everything that a page could begin behind."""

Place = tuple[str, str]
"""Where a page ended: the time that it is ordered by, and the id."""


@dataclass(frozen=True, slots=True)
class Watched:
    """An appointment in a watched state, with what was told of its stay."""

    resident: Resident
    digest: bytes
    progress: Progress
    place: Place
    #: Whether its start or end is another one since, by which the stay still began when it did.
    moved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whose stay one rule may have to tell of."""

    source: str
    rule: str
    watch: Watch
    #: One of those of the watch, or all where they are asked for together.
    statuses: tuple[str, ...]
    #: When the rule first asked.
    loaded_at: datetime
    #: Up to when anything is known of the source.
    until: datetime
    now: datetime


def enrol(tx: Session, rules: Iterable[Rule], now: datetime) -> None:
    """Remembers which rules ask the clock, since when; what others were told is forgotten.

    The indexes for what they ask are there afterwards, and no others of these.
    """
    watched = {rule.name: rule.watch for rule in rules if rule.watch}
    _index(driver(tx), {watch.kind for watch in watched.values()})
    asking = {name: _asks(watch) for name, watch in watched.items()}
    known = {row.name: row for row in tx.exec(select(TimedRuleRow))}
    for name, row in known.items():
        if asking.get(name) != row.asks:
            tx.delete(row)
    tx.flush()
    for name, asks in asking.items():
        if name not in known or known[name].asks != asks:
            tx.add(TimedRuleRow(name=name, asks=asks, loaded_at=now))
    tx.flush()
    driver(tx).execute(_FORGET, (orjson.dumps(list(asking)).decode(),))


def _index(connection: sqlite3.Connection, kinds: AbstractSet[Kind]) -> None:
    for kind, (name, columns) in _INDEXES.items():
        if kind in kinds:
            connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON appointment {columns}")
        else:
            connection.execute(f"DROP INDEX IF EXISTS {name}")


def loaded(tx: Session) -> dict[str, datetime]:
    """Returns since when each rule asks the clock."""
    return {row.name: row.loaded_at for row in tx.exec(select(TimedRuleRow).order_by(col(TimedRuleRow.name)))}


def questions(
    source: str, rule: str, watch: Watch, loaded_at: datetime, until: datetime, now: datetime
) -> Iterator[Question]:
    """Yields what is to be asked for a rule: of its statuses each by itself, where that is what the index has first."""
    together = watch.kind is Kind.BEFORE_START
    for statuses in [tuple(sorted(watch.statuses))] if together else [(status,) for status in sorted(watch.statuses)]:
        yield Question(
            source=source, rule=rule, watch=watch, statuses=statuses, loaded_at=loaded_at, until=until, now=now
        )


def find(tx: Session, question: Question, after: Place, most: int) -> list[Watched]:
    """Returns the next appointments of which something may be due, in the order of their times and ids."""
    statement, values = bound_query(question, after, most)
    return [_watched(question.watch, found) for found in driver(tx).execute(statement, values)]


def bound_query(question: Question, after: Place, most: int) -> tuple[str, dict[str, object]]:
    """Returns the statement that answers the question, with its values."""
    watch, until = question.watch, question.until
    values: dict[str, object] = {
        "source": question.source,
        "rule": question.rule,
        "until": rows.stored(until),
        "reached": rows.stored(until - watch.wait),
        "latest": rows.stored(until - watch.wait),
        "most": most,
    }
    floor = rows.stored(question.loaded_at - watch.wait)
    last, last_id = after
    if watch.kind is Kind.BEFORE_START:
        values |= {
            "statuses": orjson.dumps(question.statuses).decode(),
            "latest": rows.stored(until + watch.span),
            "floor": rows.stored(question.loaded_at + watch.span),
            "loaded": rows.stored(question.loaded_at),
            # Whatever has begun is not about to.
            "last": max(last, rows.stored(question.now)),
            "last_id": last_id if last > rows.stored(question.now) else "\U0010ffff",
        }
        return _BEFORE_START, values
    if watch.kind is Kind.OVERDUE:
        return _OVERDUE, values | {"floor": floor, "last": last, "last_id": last_id}
    values |= {
        "status": question.statuses[0],
        "last": max(last, floor),
        "last_id": last_id if last > floor else "\U0010ffff",
    }
    return _STAYS, values


def next_moment(tx: Session, source: str, rule: str, watch: Watch, now: datetime) -> datetime | None:
    """Returns when, after now, the next of what is known of a source may fall due by a rule; None for nothing."""
    span = -watch.span if watch.kind is Kind.BEFORE_START else watch.span
    values = {
        "source": source,
        "rule": rule,
        "now": rows.stored(now),
        "past": rows.stored(now - span),
        "statuses": orjson.dumps(sorted(watch.statuses)).decode(),
    }
    begun = [_first(tx, statement, values) for statement in _FIRSTS[watch.kind]]
    told = [_first(tx, statement, values) for statement in _NEXT_TOLD]
    return min([*(one + span for one in begun if one), *(one for one in told if one)], default=None)


def _first(tx: Session, statement: str, values: Mapping[str, object]) -> datetime | None:
    (found,) = driver(tx).execute(statement, values).fetchone()
    return _moment(found)


def put(tx: Session, question: Question, watched: Watched, progress: Progress) -> None:
    """Remembers what was told of a stay, and what is to be."""
    driver(tx).execute(
        _PUT,
        (
            question.source,
            watched.resident.appointment.id,
            question.rule,
            rows.stored(watched.resident.since),
            _bound(question.watch, watched.resident),
            watched.digest,
            progress.told,
            rows.stored(progress.due_at),
            rows.stored(progress.escalate_at),
        ),
    )


def _bound(watch: Watch, resident: Resident) -> object:
    if watch.kind is Kind.STAYS:
        return None
    appointment = resident.appointment
    return rows.stored(appointment.end if watch.kind is Kind.OVERDUE else appointment.start)


def _watched(watch: Watch, found: sqlite3.Row) -> Watched:
    moment, id_, digest, observed_at, asked_at, since, silent_at, state, *former = found
    resident = Resident(
        appointment=rows.read_state(state),
        since=rows.moment_of(since),
        silent_at=_moment(silent_at),
        observed_at=rows.moment_of(observed_at),
        asked_at=_moment(asked_at),
    )
    former_since, former_bound, told, due_at, escalate_at = former
    if former_since is None:
        return Watched(resident, digest, Progress(), (moment, id_))
    before = _with_bound(watch, replace(resident, since=rows.moment_of(former_since)), _moment(former_bound))
    same = begin_of(watch, before) == begin_of(watch, resident)
    progress = Progress(told, _moment(due_at), _moment(escalate_at)) if same else Progress()
    moved = same and _bound(watch, before) != _bound(watch, resident)
    return Watched(resident, digest, progress, (moment, id_), moved)


def _with_bound(watch: Watch, resident: Resident, bound: datetime | None) -> Resident:
    """Returns a resident as it was when this was what `_bound` says of it."""
    if watch.kind is Kind.STAYS:
        return resident
    end = {"end": bound} if watch.kind is Kind.OVERDUE else {"start": bound}
    return replace(resident, appointment=structs.replace(resident.appointment, **end))


def _moment(stored: str | None) -> datetime | None:
    return None if stored is None else rows.moment_of(stored)


def _asks(watch: Watch) -> str:
    """Returns what a watch asks for; how long it waits for that is no other question."""
    return f"{watch.kind.value} {', '.join(sorted(watch.statuses))}"
