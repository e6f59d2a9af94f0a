"""Transactions of the store: who waits for whom, what a crash leaves, and how troubles are told."""

import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from notifier.config.config_table import StoreTable
from notifier.errors import StoreError
from notifier.store import database, outbox, snapshot, sweeps
from notifier.store.database import Store, Synchronous, open_store
from notifier.store.tables import SettingRow
from tests.child_process import said, start
from tests.store_values import NOW, appointment, cancelled, known, owed, plan

SECONDS = 30.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notifier.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path, synchronous="normal") as opened:
        yield opened


def put(tx: Session, name: str, value: bytes = b"") -> None:
    tx.add(SettingRow(name=name, value=value))


def names(tx: Session) -> set[str]:
    return {row.name for row in tx.exec(select(SettingRow))}


def test_no_update_is_lost_between_threads(store: Store) -> None:
    """Four threads that read, add one and write count every step."""

    def count_up() -> None:
        for _ in range(25):
            with store.writing() as tx:
                sweeps.skip(tx, "acme", "near")

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)

    with store.reading() as tx:
        assert [sweep.skipped for sweep in sweeps.every(tx)] == [100]


def test_no_update_is_lost_between_stores(store: Store, path: Path) -> None:
    """Two writers that do not share a process lock wait for each other all the same."""

    def count_up(one: Store) -> None:
        for _ in range(25):
            with one.writing() as tx:
                sweeps.skip(tx, "acme", "near")

    with open_store(path, synchronous="normal") as other:
        thread = threading.Thread(target=count_up, args=(other,))
        thread.start()
        count_up(store)
        thread.join(SECONDS)

    with store.reading() as tx:
        assert [sweep.skipped for sweep in sweeps.every(tx)] == [50]


def test_an_exception_rolls_back(store: Store) -> None:
    """What a transaction wrote before it failed is gone, and the next one can write."""

    def fail() -> None:
        with store.writing() as tx:
            put(tx, "lost")
            tx.flush()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with store.writing() as tx:
        put(tx, "kept")
    with store.reading() as tx:
        assert names(tx) == {database.FINGERPRINT_KEY, "kept"}


def test_a_reader_waits_for_no_writer(store: Store) -> None:
    """While a transaction is open, a reader sees the state before it, at once."""
    with store.writing() as tx:
        put(tx, "new")
        tx.flush()
        with store.reading() as look:
            assert "new" not in names(look)
    with store.reading() as look:
        assert "new" in names(look)


def test_a_reader_sees_one_state_to_its_end(store: Store) -> None:
    """What is committed while a reader reads is not there for it, not even in a later question."""
    with store.reading() as look:
        assert "new" not in names(look)
        with store.writing() as tx:
            put(tx, "new")
        assert "new" not in names(look)


def test_a_reader_cannot_write(store: Store) -> None:
    """The door for reading refuses to change anything."""
    with pytest.raises(StoreError, match="can't be written to"), store.reading() as tx:
        tx.connection().exec_driver_sql("DELETE FROM setting")


def test_a_process_killed_in_a_transaction_changes_nothing(path: Path) -> None:
    """After SIGKILL the store holds the state before the transaction, and takes the next one."""
    with open_store(path) as store, store.writing() as tx:
        snapshot.apply(tx, plan(rows=[known(appointment())]), NOW)
    script = """
import sys
from notifier.store import snapshot
from notifier.store.database import open_store
from tests.store_values import *
event = cancelled()
with open_store(sys.argv[1]) as store, store.writing() as tx:
    snapshot.apply(tx, plan([event], [owed(event)], [known(event.after, 1)]), NOW)
    print("written", flush=True)
    sys.stdin.read()
"""
    with start(script, str(path)) as process:
        assert said(process) == "written"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL

    with open_store(path) as store, store.writing() as tx:
        assert snapshot.known(tx, "acme", ["a1"]) == {"a1": known(appointment())}
        assert outbox.counts(tx) == {}
        sweeps.skip(tx, "acme", "near")


def test_a_delivery_needs_its_event(store: Store) -> None:
    """Foreign keys are enforced."""
    with store.writing() as tx:
        snapshot.apply(tx, plan([cancelled()], [owed(cancelled())]), NOW)

    with pytest.raises(IntegrityError, match="FOREIGN KEY"), store.writing() as tx:
        tx.connection().exec_driver_sql("DELETE FROM event")


@pytest.mark.parametrize("change", ["state = 'lost'", "state = 'dead'", "settled_at = created_at"])
def test_a_delivery_is_in_a_state_that_there_is(store: Store, change: str) -> None:
    """Other words are refused, and so is a state that contradicts the time of settling."""
    with store.writing() as tx:
        snapshot.apply(tx, plan([cancelled()], [owed(cancelled())]), NOW)

    with pytest.raises(IntegrityError, match="CHECK"), store.writing() as tx:
        tx.connection().exec_driver_sql(f"UPDATE delivery SET {change}")  # noqa: S608


@pytest.mark.parametrize(("asked", "level"), [("full", 2), ("normal", 1)])
def test_a_commit_waits_for_the_disk(path: Path, asked: Synchronous, level: int) -> None:
    """The connection that moves the snapshot has the safety that was asked for, in every transaction."""
    with open_store(path, synchronous=asked) as store:
        for number in range(2):
            with store.writing() as tx:
                snapshot.apply(tx, plan(rows=[known(appointment(f"a{number}"))]), NOW)
                pragmas = [
                    tx.connection().exec_driver_sql(f"PRAGMA {name}").scalar_one()
                    for name in ("synchronous", "journal_mode")
                ]
            assert pragmas == [level, "wal"]


def test_a_commit_waits_for_the_disk_unless_configured_otherwise(path: Path) -> None:
    """Who says nothing about it gets the store that survives a power cut."""
    assert StoreTable().synchronous == "full"
    with open_store(path) as store, store.writing() as tx:
        assert tx.connection().exec_driver_sql("PRAGMA synchronous").scalar_one() == 2


def test_writing_is_tried_by_writing(store: Store, path: Path) -> None:
    """The trial changes the file, and nothing in it; it fails where a commit would."""
    with store.reading() as tx:
        before = names(tx)
    log = Path(f"{path}-wal")
    size = log.stat().st_size
    store.try_writing()
    assert log.stat().st_size > size
    with store.reading() as tx:
        assert names(tx) == before
    with store.writing() as tx:
        tx.connection().exec_driver_sql("PRAGMA busy_timeout = 10")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process"):
            store.try_writing()


def test_a_full_disk_is_named(store: Store) -> None:
    """The message says that there is no space left, and the store is as it was."""
    with store.writing() as tx:
        pages = tx.connection().exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(StoreError, match="no space left"), store.writing() as tx:
        put(tx, "large", bytes(100_000))
    with store.reading() as tx:
        assert "large" not in names(tx)


def test_a_lock_held_elsewhere_is_named(store: Store, path: Path) -> None:
    """Whoever waits too long for another process is told so."""
    with store.writing() as tx:
        tx.connection().exec_driver_sql("PRAGMA busy_timeout = 10")

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process"), store.writing():
            pass


def test_a_thread_that_never_gets_its_turn_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction inside a transaction is an error, not a standstill."""
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.01)

    with store.writing(), pytest.raises(StoreError, match="busy"), store.writing():
        pass


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    """Nothing is written over a file of something else."""
    path.write_text("important notes, and more of them than a header\n" * 20)

    with pytest.raises(StoreError, match="no SQLite file"):
        open_store(path)
    assert path.read_text().startswith("important")


def test_a_database_of_something_else_is_refused(path: Path) -> None:
    """A SQLite file with other tables is left alone."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipe (name TEXT)")

    with pytest.raises(StoreError, match="something else"):
        open_store(path)
