"""What SQLite reports about the store's file, in words for people."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DatabaseError, OperationalError

from notifier.errors import StoreError

_TROUBLES = {
    sqlite3.SQLITE_BUSY: "another process has kept it locked for too long",
    sqlite3.SQLITE_LOCKED: "another connection has kept it locked for too long",
    sqlite3.SQLITE_READONLY: "it can't be written to",
    sqlite3.SQLITE_FULL: "there is no space left on its disk",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened",
    sqlite3.SQLITE_IOERR: "its disk fails",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_NOTADB: "it is no SQLite file",
    sqlite3.SQLITE_PERM: "this user may not use it",
    sqlite3.SQLITE_AUTH: "this user may not use it",
}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns what SQLite reports about the file into words; what only a mistake in our code causes stays as it is."""
    try:
        yield
    except DatabaseError as error:
        if type(error) not in {DatabaseError, OperationalError}:
            raise
        raise StoreError(_say(path, error.orig)) from error
    except sqlite3.Error as error:
        raise StoreError(_say(path, error)) from error


def _say(path: Path, error: BaseException | None) -> str:
    # The low byte is the kind of trouble, the rest its variety.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return f"the store {path} can't be used: {_TROUBLES.get(code, error)}"
