"""The store: one SQLite file, one writer at a time, readers beside it, one daemon.

Python's SQLite driver opens no transaction for a SELECT, so that two threads which read and then write lose updates
without an error. Hence two doors: `writing` takes the write lock before it reads anything, `reading` sees one
consistent state and delays nobody. Neither is ever held across a network call.
"""

import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, NullPool, Pool, QueuePool, create_engine, event, inspect
from sqlmodel import Session

from notifier.errors import AlreadyRunning, NoStore, SchemaTooNew, StoreError
from notifier.store.failures import translated

SCHEMA = "0005"
"""The schema that this version works with: the newest step in `migrations`."""

PATIENCE_SECONDS = 60.0
"""How long a thread waits for the writers before it, the longest of which is a first reading of a large source."""

BUSY_MILLISECONDS = 5000
"""How long SQLite waits for another process."""

PAGE_BYTES = 8192
"""The pages of a store that is made now: rows are half a kilobyte, and each page that is written costs the same."""

CHECKPOINT_PAGES = 4000
"""After so many pages, 32 MB, what was written is brought from the log into the file: a first look writes the same
pages of the indexes again and again."""

CACHE_KILOBYTES = 8192
"""What the writer may keep in memory: about what a slice of a first look touches."""

LAZY_SECONDS = 1.0
"""Of so much at most a power cut may take back what was written lazily."""

CLAIM_SECONDS = 0.5
"""How long a claim is tried: whoever asks whether there is one holds the lock for a moment."""

FINGERPRINT_KEY = "fingerprint_key"
"""The setting that keys the hashes of personal text; made with the store, and leaves it with no message."""

Transaction = Session
"""What `writing` and `reading` give, for those who only hand it on."""

Synchronous = Literal["full", "normal"]

_SYNCHRONOUS = "synchronous"


class Store:
    """An open store; made by `open_store`, or by `read_only` for those who only look."""

    def __init__(
        self, path: Path, reader: Engine, writer: Engine | None = None, synchronous: Synchronous = "full"
    ) -> None:
        self.path = path
        self._reader = reader
        self._writer = writer
        self._synchronous = synchronous
        self._turn = threading.Lock()
        #: Until when it is enough that what is written lazily reaches the system, by a clock that nobody sets.
        self._lazy_until = 0.0
        self._lock: FileLock | None = None

    @classmethod
    def read_only(cls, url_or_path: str | Path) -> Self:
        """Opens a store without creating, migrating or changing it, whether or not a daemon works on it.

        Raises:
            NoStore: there is none.
            StoreError: a version of notifier with another schema wrote it, or it can't be used.
        """
        path = _path_of(url_or_path)
        if not path.is_file():
            raise NoStore(f"there is no store at {path}; a first run makes it")
        store = cls(path, _reading_engine(path))
        with ExitStack() as on_failure:
            on_failure.callback(store.close)
            schema = store.schema()
            if schema is None:
                raise NoStore(f"there is no store at {path} yet; a first run makes it")
            if schema != SCHEMA:
                raise StoreError(f"the store {path} has an older schema; a run of this version updates it")
            on_failure.pop_all()
        return store

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Gives a transaction that reads and writes alone; commits at the end, rolls back on an exception."""
        with self._writing_alone() as writer, Session(writer, expire_on_commit=False) as tx, tx.begin():
            tx.connection()  # a session begins at its first statement, the write lock is wanted now
            yield tx

    @contextmanager
    def writing_plainly(self, *, lazily: bool = False) -> Iterator[sqlite3.Connection]:
        """Gives the same as the driver has it, for what is done again and again: it costs a tenth of a session.

        Args:
            lazily: a power cut, and nothing less, may take it back, but not what is older than `LAZY_SECONDS`: once a
                second it is written through like any other, and whatever is, is so with all before it.
        """
        with self._writing_alone() as writer, closing(writer.raw_connection()) as pooled:
            connection = pooled.driver_connection
            assert isinstance(connection, sqlite3.Connection)
            lazy = lazily and time.monotonic() < self._lazy_until
            _set_synchronous(connection, pooled.info, "normal" if lazy else self._synchronous)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise
            if not lazy:
                self._lazy_until = time.monotonic() + LAZY_SECONDS

    @contextmanager
    def _writing_alone(self) -> Iterator[Engine]:
        """Holds while no other thread of this process writes; the engine is for one transaction."""
        if self._writer is None:
            raise StoreError(f"the store {self.path} was opened for reading only")
        if not self._turn.acquire(timeout=PATIENCE_SECONDS):
            raise StoreError(f"the store {self.path} is busy: another thread does not finish its writing")
        try:
            with translated(self.path):
                yield self._writer
        finally:
            self._turn.release()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Gives a transaction that sees one consistent state, waits for no writer and can't write."""
        with translated(self.path), Session(self._reader) as tx:
            yield tx

    def try_writing(self) -> None:
        """Writes and commits something that nobody reads.

        Raises:
            StoreError: the store can't be written to.
        """
        with self.writing() as tx:
            # A number that SQLite keeps for its users in the first page.
            tx.connection().exec_driver_sql("PRAGMA user_version = 1")

    def lock(self) -> None:
        """Claims the store for this process until it is closed; for whoever runs sweeps and sends.

        Raises:
            AlreadyRunning: another process has claimed it.
        """
        lock = self._file_lock()
        try:
            lock.acquire(timeout=CLAIM_SECONDS)
        except Timeout as error:
            file = Path(lock.lock_file)
            holder = file.read_text().strip() or "unknown"
            raise AlreadyRunning(f"another notifier (process {holder}) works on this store: it holds {file}") from error
        except OSError as error:
            raise StoreError(f"{lock.lock_file} can't be locked: {error.strerror}") from error
        Path(lock.lock_file).write_text(f"{os.getpid()}\n")
        self._lock = lock

    def is_claimed(self) -> bool:
        """Whether a process has claimed the store, this one included."""
        if self._lock is not None:
            return True
        lock = self._file_lock()
        if not Path(lock.lock_file).exists():
            return False
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return True
        except OSError as error:
            raise StoreError(f"{lock.lock_file} can't be asked: {error.strerror}") from error
        lock.release()
        return False

    def _file_lock(self) -> FileLock:
        return FileLock(f"{self.path}.lock", mode=0o600, thread_local=False)

    def schema(self) -> str | None:
        """Returns the number of the store's schema, None for a file that is still empty."""
        with self.reading() as tx:
            return _schema_of(tx.connection(), self.path)

    def fingerprint_key(self) -> bytes:
        """Returns the key of the hashes of personal text: 32 bytes, made with the store."""
        with self.reading() as tx:
            return bytes(tx.connection().exec_driver_sql(_READ_SETTING, (FINGERPRINT_KEY,)).scalar_one())

    def wipe_log(self) -> None:
        """Brings the log of what was written into the file and empties it, so that nothing deleted is left in it.

        Does nothing while somebody reads from the log; what it could not do, the next time does.
        """
        if self._writer is None or not self._turn.acquire(timeout=PATIENCE_SECONDS):
            return
        try:
            with translated(self.path), closing(self._writer.raw_connection()) as connection:
                for step in ("busy_timeout = 100", "wal_checkpoint(TRUNCATE)", f"busy_timeout = {BUSY_MILLISECONDS}"):
                    connection.cursor().execute(f"PRAGMA {step}")
        finally:
            self._turn.release()

    def close(self) -> None:
        """Gives back every connection and the claim on the store; a second time does nothing."""
        for engine in (self._writer, self._reader):
            if engine is not None:
                engine.dispose()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# The size is that of a file that is still empty; once there is a log, there is something in it.
_MIGRATING = {"page_size": str(PAGE_BYTES), "journal_mode": "wal", "foreign_keys": "off"}
_READ_SETTING = "SELECT value FROM setting WHERE name = ?"
_ADD_SETTING = "INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"


def open_store(url_or_path: str | Path, *, synchronous: Synchronous = "full") -> Store:
    """Opens the store for work; makes or migrates it where need be.

    Args:
        url_or_path: a path, or `sqlite:///` and a path.
        synchronous: with `normal`, a power cut may take back the last commits: a change is told twice or late.

    Raises:
        SchemaTooNew: a newer version of notifier wrote it.
        StoreError: it can't be used, and the message says why.
    """
    path = _path_of(url_or_path)
    _create_private(path)
    _check_modes(path)
    pragmas = {
        "journal_mode": "wal",
        _SYNCHRONOUS: synchronous,
        "foreign_keys": "on",
        "wal_autocheckpoint": str(CHECKPOINT_PAGES),
        "cache_size": str(-CACHE_KILOBYTES),
        # Whatever the library was built with: a personal text that was deleted is not to stay in a page that is free.
        "secure_delete": "on",
    }
    store = Store(path, _reading_engine(path), _engine(path, "BEGIN IMMEDIATE", pragmas, size=1), synchronous)
    with ExitStack() as on_failure:
        on_failure.callback(store.close)
        if store.schema() != SCHEMA:
            _migrate(path)
        on_failure.pop_all()
    return store


def _path_of(url_or_path: str | Path) -> Path:
    text = str(url_or_path).removeprefix("sqlite:///")
    if "://" in text:
        # Not repeated: an address of another database may hold a password.
        raise StoreError("a store is a SQLite file, written sqlite:/// and its path")
    if text in {"", ":memory:"}:
        raise StoreError("a store has to be a file, since a restart must find it again")
    # One name for one file, whichever way leads to it: the lock lies beside it.
    return Path(text).resolve()


def _create_private(path: Path) -> None:
    """Makes the file with mode 0600 unless it exists; SQLite gives its companions the same mode."""
    # An existing file is not opened: closing it again would drop the locks that SQLite holds on it for this process.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise StoreError(f"the store {path} can't be made: {error.strerror}") from error


def _check_modes(path: Path) -> None:
    """Finds out what may not be written to before SQLite sees it: it would make companions like it, which stay so."""
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        if file.exists() and not os.access(file, os.W_OK):
            raise StoreError(f"the store {path} can't be used: this user may not write to {file.name}")


def _reading_engine(path: Path) -> Engine:
    return _engine(path, "BEGIN", {"query_only": "on"}, size=4)


def _engine(path: Path, begin: str, pragmas: Mapping[str, str], *, size: int) -> Engine:
    """Returns an engine whose connections have these settings and whose transactions begin with this statement.

    It keeps up to `size` connections open, and makes more where more are asked for.
    """
    # As a URI, since only that way SQLite can be told not to make a file that is missing.
    url = URL.create("sqlite", database=f"file:{quote(str(path))}", query={"mode": "rw", "uri": "true"})
    pool: type[Pool] = QueuePool if size else NullPool
    limits = {"pool_size": size, "max_overflow": -1} if size else {}
    # What goes into a statement may be personal, and an error's text is logged.
    engine = create_engine(url, poolclass=pool, hide_parameters=True, **limits)

    def connected(connection: sqlite3.Connection, _: object) -> None:
        # The driver is not to begin transactions of its own: it would begin them too late.
        connection.isolation_level = None
        for name, value in {"busy_timeout": str(BUSY_MILLISECONDS), **pragmas}.items():
            _set(connection, name, value)

    def begun(connection: Connection) -> None:
        # What was written lazily before is no reason to do so now.
        if usual := pragmas.get(_SYNCHRONOUS):
            plain = connection.connection.driver_connection
            assert isinstance(plain, sqlite3.Connection)
            _set_synchronous(plain, connection.info, usual)
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


def _set_synchronous(connection: sqlite3.Connection, info: dict[Any, Any], mode: str) -> None:
    """Says whether the next commits wait for the disk; `info` is what the pool keeps with the connection."""
    if info.get(_SYNCHRONOUS) != mode:
        connection.execute(f"PRAGMA {_SYNCHRONOUS} = {mode}")
        info[_SYNCHRONOUS] = mode


def _set(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Sets one thing; for the switch to WAL, SQLite itself does not wait for another process that makes it too."""
    end = time.monotonic() + BUSY_MILLISECONDS / 1000
    while True:
        try:
            connection.execute(f"PRAGMA {name} = {value}").close()
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


def _schema_of(connection: Connection, path: Path) -> str | None:
    """Returns the number of the store's schema, None for an empty file."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise StoreError(f"{path} is a database of something else")
    schema = str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())
    if schema > SCHEMA:
        raise SchemaTooNew(f"the store {path} has schema {schema}, this version of notifier knows {SCHEMA}")
    return schema


def _migrate(path: Path) -> None:
    """Brings the schema up to date in one transaction, with a copy of an existing store put beside it first."""
    # Imported here since it costs a third of a second, and most starts find the schema as it should be.
    from notifier.store import migrations  # noqa: PLC0415

    # Batch migrations drop tables that others refer to; what they leave is checked at the end.
    engine = _engine(path, "BEGIN IMMEDIATE", _MIGRATING, size=0)
    with translated(path), engine.begin() as connection:
        schema = _schema_of(connection, path)
        if schema == SCHEMA:
            return  # another process was faster
        if schema is not None:
            _back_up(path)
        migrations.upgrade(connection)
        if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
            raise StoreError(f"the store {path} can't be updated: rows refer to others that are missing")
        connection.exec_driver_sql(_ADD_SETTING, (FINGERPRINT_KEY, secrets.token_bytes(32)))


def _back_up(path: Path) -> None:
    """Copies the store to a file beside it that is named for the schema to come."""
    target = path.with_name(f"{path.name}.before-{SCHEMA}")
    part = target.with_name(f"{target.name}.part")
    with suppress(FileNotFoundError):
        part.unlink()
    _create_private(part)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as copy:
        source.backup(copy)
    part.replace(target)
