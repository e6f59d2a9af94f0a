"""The store as a file: who may read it, who may work on it, and what looking at it does."""

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from notifier.core.delivery import State
from notifier.errors import AlreadyRunning, NoStore, StoreError
from notifier.store import database, outbox, snapshot, sweeps
from notifier.store.database import SCHEMA, Store, open_store
from tests.child_process import said, start
from tests.store_values import NOW, cancelled, owed, plan


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notifier.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path, synchronous="normal") as opened:
        yield opened


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_only_the_owner_may_read_the_store(path: Path) -> None:
    """The file and its companions have mode 0600, whatever the umask allows."""
    before = os.umask(0)
    try:
        with open_store(path) as store:
            store.lock()
            with store.writing() as tx:
                sweeps.skip(tx, "acme", "near")
            modes = {file.name: mode(file) for file in path.parent.iterdir()}
    finally:
        os.umask(before)

    assert modes == dict.fromkeys(("notifier.db", "notifier.db-wal", "notifier.db-shm", "notifier.db.lock"), 0o600)


def test_each_store_has_a_key_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    """The key of the fingerprints is random, 32 bytes, and the same after a restart."""
    with open_store(tmp_path / "one.db") as one, open_store(tmp_path / "two.db") as two:
        first, second = one.fingerprint_key(), two.fingerprint_key()
    with Store.read_only(tmp_path / "one.db") as one:
        again = one.fingerprint_key()

    assert len(first) == 32
    assert first != second
    assert first == again


@pytest.mark.parametrize("name", ["a b.db", "100%3f.db", "what?.db", "#1.db", "\N{SNOWMAN}.db"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    """Characters that mean something in a URL are part of the name."""
    open_store(tmp_path / name).close()

    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "address", ["", ":memory:", "sqlite://", "sqlite:///:memory:", "postgresql+psycopg://host/db", "://"]
)
def test_what_is_no_file_is_refused(address: str) -> None:
    """A store has to outlive the process, and other databases are not served."""
    with pytest.raises(StoreError):
        open_store(address)


def test_a_url_and_a_path_lead_to_the_same_store(path: Path) -> None:
    """Both ways of writing the place are understood."""
    with open_store(f"sqlite:///{path}") as one, open_store(path) as two:
        assert one.path == two.path == path
        assert one.fingerprint_key() == two.fingerprint_key()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The message tells which file could not be made, and why."""
    with pytest.raises(StoreError, match=r"nowhere/notifier\.db can't be made: No such file"):
        open_store(tmp_path / "nowhere" / "notifier.db")


def test_a_second_process_is_refused(store: Store, path: Path) -> None:
    """The refusal names the lock file and the process that holds it."""
    store.lock()
    script = """
import sys
from notifier.errors import AlreadyRunning
from notifier.store.database import open_store
with open_store(sys.argv[1]) as store:
    try:
        store.lock()
    except AlreadyRunning as error:
        print(error, flush=True)
"""
    with start(script, str(path)) as process:
        message = said(process)

    assert f"process {os.getpid()}" in message
    assert f"{path}.lock" in message


def test_the_claim_ends_with_the_store(path: Path) -> None:
    """Once the first is closed, the next may claim it; refused claims do no harm."""
    with open_store(path) as first, open_store(path) as second:
        first.lock()
        for _ in range(2):
            with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"):
                second.lock()
        first.close()
        second.lock()


def test_the_claim_ends_with_the_process(path: Path) -> None:
    """A process that was killed holds nothing."""
    script = """
import sys
from notifier.store.database import open_store
with open_store(sys.argv[1]) as store:
    store.lock()
    print("locked", flush=True)
    sys.stdin.read()
"""
    with start(script, str(path)) as process, open_store(path) as store:
        assert said(process) == "locked"
        with pytest.raises(AlreadyRunning, match=f"process {process.pid}"):
            store.lock()
        process.kill()
        process.wait(30)
        store.lock()


def test_whether_a_daemon_works_can_be_asked(store: Store, path: Path) -> None:
    """The one that holds the claim says so, and so does everybody who looks; asking leaves nothing behind."""
    with Store.read_only(path) as look:
        assert not store.is_claimed()
        assert not look.is_claimed()
        assert not Path(f"{path}.lock").exists()
        store.lock()
        assert store.is_claimed()
        assert look.is_claimed()
        store.close()
        assert not look.is_claimed()


def test_a_lock_that_cannot_be_made_is_named(store: Store, path: Path) -> None:
    """Trouble with the file of the claim is told as such."""
    Path(f"{path}.lock").mkdir()

    with pytest.raises(StoreError, match=r"notifier\.db\.lock can't be locked"):
        store.lock()
    with pytest.raises(StoreError, match=r"notifier\.db\.lock can't be asked"):
        store.is_claimed()


def test_a_missing_store_is_not_made_by_looking(path: Path) -> None:
    """Whoever only reads is told that there is none."""
    with pytest.raises(NoStore, match="there is no store"):
        Store.read_only(path)
    assert not path.exists()


def test_looking_works_while_the_daemon_writes(store: Store, path: Path) -> None:
    """A reader of another process sees what is committed, no more."""
    store.lock()
    with store.writing() as tx:
        snapshot.apply(tx, plan([cancelled()], [owed(cancelled())]), NOW)
    with store.writing() as tx, Store.read_only(path) as look:
        outbox.claim(tx, "chat", NOW, 1)
        with look.reading() as seen:
            assert outbox.counts(seen)["chat"][State.PENDING] == 1


def test_looking_works_when_nobody_runs(path: Path) -> None:
    """A store that was closed can be read, and reading leaves nothing behind."""
    open_store(path).close()
    with Store.read_only(path) as look:
        assert look.schema() == SCHEMA
        with pytest.raises(StoreError, match="reading only"), look.writing():
            pass
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_an_older_store_is_not_migrated_by_looking(path: Path) -> None:
    """Whoever only reads is told who updates it."""
    open_store(path).close()
    execute(path, "UPDATE alembic_version SET version_num = '0000'")

    with pytest.raises(StoreError, match="older schema"):
        Store.read_only(path)


def test_an_empty_file_is_no_store_yet(path: Path) -> None:
    """What a creation leaves that was killed at once is completed by the next start, not by a reader."""
    path.touch()
    with pytest.raises(NoStore):
        Store.read_only(path)

    with open_store(path) as store:
        assert store.schema() == SCHEMA


def test_what_is_lazy_is_written_through_once_a_second(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lazy commit waits for the disk unless one did within the second; every other one does in any case."""
    ticks = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: ticks[0])
    with open_store(path) as store:

        def mode(*, lazily: bool) -> int:
            with store.writing_plainly(lazily=lazily) as connection:
                return int(connection.execute("PRAGMA synchronous").fetchone()[0])

        full, normal = 2, 1
        assert [mode(lazily=True), mode(lazily=True)] == [full, normal]
        ticks[0] += database.LAZY_SECONDS
        assert [mode(lazily=True), mode(lazily=True), mode(lazily=False), mode(lazily=True)] == [
            full,
            normal,
            full,
            normal,
        ]
        with store.writing() as tx:
            assert tx.connection().exec_driver_sql("PRAGMA synchronous").scalar_one() == full


def test_a_plain_transaction_is_undone_as_a_whole(store: Store) -> None:
    """What raises leaves nothing behind, and keeps nobody else from writing."""

    def fail() -> None:
        with store.writing_plainly() as connection:
            connection.execute("INSERT INTO setting (name, value) VALUES ('x', x'00')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with store.writing_plainly() as connection:
        assert connection.execute("SELECT count(*) FROM setting WHERE name = 'x'").fetchone() == (0,)
