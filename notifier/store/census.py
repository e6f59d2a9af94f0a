"""The census: how many appointments the snapshot has of what a query asks for, without looking at any of them."""

from collections.abc import Collection

import sqlalchemy
from sqlalchemy import func
from sqlmodel import Session

from notifier.core.sweep import Span
from notifier.store.tables import AppointmentRow, table_of


def count_within(tx: Session, source: str, span: Span, statuses: Collection[str] = ()) -> int:
    """Returns how many appointments have a start inside the span, and one of the statuses if some are given.

    Of a span without dates, all of them count; never vanished ones.
    """
    row = table_of(AppointmentRow).c
    query = sqlalchemy.select(func.count()).where(row.source == source, row.vanished_at.is_(None))
    if span.start is not None:
        query = query.where(row.start >= span.start)
    if span.end is not None:
        query = query.where(row.start <= span.end)
    if statuses:
        query = query.where(row.status.in_(statuses))
    return int(tx.execute(query).scalar_one())
