"""Personal texts on their way to the channels that may see them; the only place where one is ever stored.

A text is kept with the delivery that owes it, and goes with the end of that: once it is delivered, or will not be.
What was given up or may have arrived keeps it until a person has decided, since that may be sent again.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping

import orjson
from sqlalchemy import delete, insert
from sqlmodel import Session, col, select

from notifier.core.appointment import Appointment
from notifier.core.delivery import Delivery
from notifier.core.plan import OwedText
from notifier.store.delivery_tables import DeliveryRow, TextRow
from notifier.store.tables import table_of

# As text, since one is asked after every attempt, of a table that is nearly always empty.
_PRUNE = (
    "DELETE FROM text WHERE NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.id = text.delivery_id"
    " AND (settled_at IS NULL OR state IN ('dead', 'uncertain')))"
)
_OF_DELIVERY = "SELECT field, value, fingerprint FROM text WHERE delivery_id = ?"
_PRUNE_ONE = _PRUNE + " AND delivery_id = ?"


def keep(tx: Session, texts: Iterable[OwedText], deliveries: Iterable[Delivery]) -> None:
    """Stores the texts of these deliveries, which were stored just now."""
    fresh = {delivery.id for delivery in deliveries}
    values = [
        {"delivery_id": one.delivery_id, "field": one.name, "value": written, "fingerprint": one.fingerprint}
        for one in texts
        if one.delivery_id in fresh and (written := _write(one.value)) is not None
    ]
    if values:
        tx.execute(insert(table_of(TextRow)), values)


def of_delivery(connection: sqlite3.Connection, delivery: str, now: Appointment) -> dict[str, object]:
    """Returns the texts that are kept with a delivery, by their fields.

    One that the appointment, as it is to be told now, has another text in place of is left out.
    """
    fingerprints = dict(now.fingerprints)
    return {
        field: orjson.loads(value)
        for field, value, fingerprint in connection.execute(_OF_DELIVERY, (delivery,))
        if fingerprints.get(field, "") == fingerprint
    }


def prune(tx: Session) -> None:
    """Deletes the texts of all deliveries that have ended."""
    tx.connection().exec_driver_sql(_PRUNE)


def prune_one(connection: sqlite3.Connection, delivery: str) -> None:
    """Deletes the texts of a delivery if it has ended."""
    connection.execute(_PRUNE_ONE, (delivery,))


def revoke(tx: Session, granted: Mapping[str, Collection[str]]) -> None:
    """Deletes the texts that their channels may not see any more; `granted` has the fields of each channel."""
    query = select(DeliveryRow.channel, TextRow.field).join(TextRow, col(TextRow.delivery_id) == col(DeliveryRow.id))
    for channel, field in tx.exec(query.distinct()).all():
        if field not in granted.get(channel, ()):
            of_channel = select(DeliveryRow.id).where(DeliveryRow.channel == channel)
            tx.execute(
                delete(TextRow)
                .where(col(TextRow.field) == field, col(TextRow.delivery_id).in_(of_channel))
                .execution_options(synchronize_session=False)
            )


def _write(value: object) -> str | None:
    """Returns the text as JSON; None for what is nested deeper than that goes."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return None
