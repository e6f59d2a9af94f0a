"""What is held: deliveries that wait for the end of the run that made them, or for a person's decision.

A delivery is born held, without a reason. At the end of the run it is settled, which makes it pending, or the brake
trips, and it stays held with that reason. One that a dead process left without a reason is taken into the next run of
its sweep. What is held keeps its place: later ones of the same appointment and channel wait behind it.
"""

from collections.abc import Iterator
from datetime import datetime

import orjson
from sqlalchemy import CursorResult, and_, case, distinct, exists, func, update
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session, col, select

from notifier.core.brake import Decision
from notifier.core.change import Kind
from notifier.core.delivery import Reason, State
from notifier.store import texts
from notifier.store.delivery_tables import HELD, DeliveryRow
from notifier.store.tables import EventRow, SettingRow

Counted = tuple[tuple[Kind, ...], tuple[str, ...]]
"""The kinds and the changed fields of one event."""

_UNJUDGED = and_(HELD, col(DeliveryRow.reason).is_(None))
_BRAKED = and_(HELD, col(DeliveryRow.reason) == Reason.BRAKE)


def settle(tx: Session, source: str, sweep: str, now: datetime) -> int:
    """Lets go out what the runs of the sweep made, once they are judged to be fine; returns how many deliveries."""
    return _update(tx, _UNJUDGED, source, sweep, state=State.PENDING, due_at=_due(now))


def trip(tx: Session, source: str, sweep: str, now: datetime) -> int:
    """Holds what the runs of the sweep made until a person decides; returns how many deliveries.

    From the first time on the sweep is doubted, until a reading went well.
    """
    if doubted_at(tx, source, sweep) is None:
        tx.add(SettingRow(name=_doubt_name(source, sweep), value=now.isoformat().encode()))
    return _update(tx, _UNJUDGED, source, sweep, reason=Reason.BRAKE)


def left(tx: Session, source: str, sweep: str) -> Iterator[Counted]:
    """Yields what nobody has judged of the sweep, since processes died in its runs: an event for each appointment."""
    # The runs of a sweep follow one another, so whatever was recorded since the first of them belongs to it as well,
    # also where it is owed to nobody: the brake counts changes, not messages.
    query = select(func.min(EventRow.seq)).join(DeliveryRow, col(DeliveryRow.event_id) == col(EventRow.id))
    first = tx.exec(query.where(_UNJUDGED, EventRow.source == source, EventRow.sweep == sweep)).one()
    if first is None:
        return
    theirs = and_(col(EventRow.seq) >= first, col(EventRow.source) == source, col(EventRow.sweep) == sweep)
    # One for each appointment: where process after process died, it may have changed again and again.
    newest = select(func.max(EventRow.seq)).where(theirs).group_by(col(EventRow.appointment_id))
    told = select(EventRow.kinds, EventRow.changes).where(theirs, col(EventRow.seq).in_(newest))
    for kinds, changes in tx.exec(told):
        yield tuple(map(Kind, orjson.loads(kinds))), tuple(change[0] for change in orjson.loads(changes))


def unjudged(tx: Session) -> list[tuple[str, str]]:
    """Returns the sources and sweeps of which a dead process left something that nobody has judged."""
    return _sweeps(tx, _UNJUDGED)


def braked(tx: Session) -> list[tuple[str, str]]:
    """Returns the sources and sweeps of which the brake holds something."""
    return _sweeps(tx, _BRAKED)


def held(tx: Session, source: str, sweep: str) -> int:
    """Returns of how many events the brake holds a delivery."""
    query = select(func.count(distinct(col(DeliveryRow.event_id)))).where(_BRAKED, _of(source, sweep))
    return tx.exec(query).one()


def waiting(tx: Session, source: str, sweep: str) -> dict[str, int]:
    """Returns how many deliveries to each channel the brake holds."""
    query = select(DeliveryRow.channel, func.count()).where(_BRAKED, _of(source, sweep))
    return dict(tx.exec(query.group_by(col(DeliveryRow.channel)).order_by(col(DeliveryRow.channel))).all())


def release(tx: Session, source: str, sweep: str, now: datetime) -> int:
    """Lets go out what the brake holds, and the next reading be believed; returns how many deliveries."""
    _decide(tx, source, sweep, Decision.RELEASED)
    return _update(tx, _BRAKED, source, sweep, state=State.PENDING, reason=None, due_at=_due(now))


def discard(tx: Session, source: str, sweep: str, now: datetime) -> int:
    """Ends what the brake holds, and lets what is missing be forgotten; returns how many deliveries."""
    _decide(tx, source, sweep, Decision.DISCARDED)
    discarded = _update(tx, _BRAKED, source, sweep, state=State.DISCARDED, reason=Reason.DISCARDED, settled_at=now)
    texts.prune(tx)
    return discarded


def doubted_at(tx: Session, source: str, sweep: str) -> datetime | None:
    """Returns since when the sweep is doubted; None while it is not.

    However long a doubt lasts, it does not become more plausible: the limits of the brake are those of its beginning.
    """
    row = tx.get(SettingRow, _doubt_name(source, sweep))
    return None if row is None else datetime.fromisoformat(row.value.decode())


def doubts(tx: Session, source: str) -> bool:
    """Whether any sweep of the source is doubted, and nobody has decided that it is right."""
    begin = _doubt_name(source, "")
    # "0" follows "/".
    query = select(SettingRow.name).where(SettingRow.name > begin, SettingRow.name < f"{begin[:-1]}0")
    doubted = (name.removeprefix(begin) for name in tx.exec(query))
    return any(decision(tx, source, sweep) is not Decision.RELEASED for sweep in doubted)


def decision(tx: Session, source: str, sweep: str) -> Decision | None:
    """Returns what a person decided about the next reading of the sweep."""
    row = tx.get(SettingRow, _decision_name(source, sweep))
    return None if row is None else Decision(row.value.decode())


def end_decision(tx: Session, source: str, sweep: str) -> None:
    """Ends the doubt and what was decided about it, once a complete reading went well."""
    for name in (_decision_name(source, sweep), _doubt_name(source, sweep)):
        if row := tx.get(SettingRow, name):
            tx.delete(row)


def _decide(tx: Session, source: str, sweep: str, decided: Decision) -> None:
    tx.merge(SettingRow(name=_decision_name(source, sweep), value=decided.value.encode()))


def _update(tx: Session, which: ColumnElement[bool], source: str, sweep: str, **values: object) -> int:
    statement = update(DeliveryRow).where(which, _of(source, sweep)).values(**values)
    changed = tx.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(changed, CursorResult)
    return changed.rowcount


def _due(now: datetime) -> ColumnElement[datetime | None]:
    """Returns when what is let go falls due: now, or when the time begins for which it waits."""
    waits = col(DeliveryRow.not_before)
    return case((waits > now, waits), else_=now)


def _of(source: str, sweep: str) -> ColumnElement[bool]:
    """Asked of each held delivery: the other way round, every event of the sweep would be looked at."""
    return exists().where(
        col(EventRow.id) == col(DeliveryRow.event_id), col(EventRow.source) == source, col(EventRow.sweep) == sweep
    )


def _sweeps(tx: Session, which: ColumnElement[bool]) -> list[tuple[str, str]]:
    query = select(EventRow.source, EventRow.sweep).join(DeliveryRow, col(DeliveryRow.event_id) == col(EventRow.id))
    return sorted(tx.exec(query.where(which).distinct()).all())


def _decision_name(source: str, sweep: str) -> str:
    return f"decision on {source}/{sweep}"


def _doubt_name(source: str, sweep: str) -> str:
    return f"doubt of {source}/{sweep}"
