"""The census: how many appointments the snapshot has of what a query asks for, which, and when they are."""

from collections.abc import Iterable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Select, func
from sqlmodel import Session, col, select

from notifier.core.sweep import Filters, Span
from notifier.store.tables import AppointmentRow, table_of

_ANY: Filters = MappingProxyType({})


def count_within(tx: Session, source: str, span: Span, filters: Filters = _ANY) -> int:
    """Returns how many appointments have a start inside the span and pass the filters.

    Of a span without dates, all of them count; never vanished ones. The filters are for what an appointment has one of.
    """
    query = _within(sqlalchemy.select(func.count()), source, span, filters)
    return int(tx.execute(query).scalar_one())


def silent_since(tx: Session, source: str, span: Span, moment: datetime) -> list[str]:
    """Returns the ids of what is in the span and was stored in silence since a moment, and has not changed since."""
    row = table_of(AppointmentRow).c
    query = _within(sqlalchemy.select(row.id), source, span, _ANY)
    return list(tx.execute(query.where(row.revision == 0, row.silent_at >= moment)).scalars())


def values_of(tx: Session, name: str) -> frozenset[str]:
    """Returns the values that appointments of all sources have in a field, those that vanished included."""
    value = func.json_extract(table_of(AppointmentRow).c.state, f"$.{name}")
    found = tx.execute(sqlalchemy.select(value).distinct()).scalars()
    return frozenset(str(one) for one in found if one is not None)


def times_within(tx: Session, source: str, span: Span, filters: Filters) -> list[tuple[datetime, datetime]]:
    """Returns start and end of all that have a start inside the span and pass the filters; never of vanished ones.

    What has no end ends as it begins. The filters are for what an appointment has one of.
    """
    row = table_of(AppointmentRow).c
    query = _within(sqlalchemy.select(row.start, func.json_extract(row.state, "$.end")), source, span, filters)
    found = tx.execute(query.where(row.start.is_not(None))).fetchall()
    return [(start, start if end is None else datetime.fromisoformat(end).astimezone(UTC)) for start, end in found]


def _within(query: Select[Any], source: str, span: Span, filters: Filters) -> Select[Any]:
    """Returns the query for what is inside the span and passes the filters."""
    row = table_of(AppointmentRow).c
    query = query.where(row.source == source, row.vanished_at.is_(None))
    if span.start is not None:
        query = query.where(row.start >= span.start)
    if span.end is not None:
        query = query.where(row.start <= span.end)
    for name, wanted in filters.items():
        value: ColumnElement[Any] = row[name] if name in row else func.json_extract(row.state, f"$.{name}")
        query = query.where(value.in_(wanted))
    return query


def names_in(tx: Session, source: str, statuses: Iterable[str]) -> list[str]:
    """Returns the ids of the appointments that the source shows in these statuses."""
    query = select(AppointmentRow.id).where(AppointmentRow.source == source, col(AppointmentRow.vanished_at).is_(None))
    return list(tx.exec(query.where(col(AppointmentRow.status).in_(list(statuses)))))
