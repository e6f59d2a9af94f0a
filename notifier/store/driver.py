"""The driver's own connection behind a transaction, for what is done again and again with plain values.

SQLAlchemy takes several times as long to hand a short statement on as SQLite takes for it.
"""

import sqlite3

from sqlmodel import Session


def driver(tx: Session) -> sqlite3.Connection:
    """Returns the connection on which the transaction goes on; what it reads and writes belongs to that."""
    connection = tx.connection().connection.driver_connection
    assert isinstance(connection, sqlite3.Connection)
    return connection
