"""The schema of the store: how it comes to be, and how it moves."""

import json
import shutil
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlmodel import select

from notifier.errors import SchemaTooNew, StoreError
from notifier.store import database, migrations, snapshot
from notifier.store.database import SCHEMA, Store, open_store
from notifier.store.delivery_tables import DeliveryRow
from notifier.store.tables import METADATA, AppointmentRow
from tests.child_process import said, start
from tests.store_values import NOW, cancelled, owed, plan


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notifier.db"


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def add_to(step: Path, statement: str) -> None:
    step.write_text(f"{NEXT_STEP}    op.execute({statement!r})\n")


def schema_of(path: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"
        )
        # A table that was renamed has its name in quotes.
        return {(name, " ".join(sorted(sql.replace(",", " ").replace('"', "").split()))) for name, sql in found}


def test_the_migrations_make_the_tables(tmp_path: Path) -> None:
    """A migrated store has exactly the tables, constraints and indexes that the code declares."""
    open_store(tmp_path / "migrated.db").close()
    engine = create_engine(f"sqlite:///{tmp_path / 'declared.db'}")
    METADATA.create_all(engine)
    engine.dispose()

    assert schema_of(tmp_path / "migrated.db") == schema_of(tmp_path / "declared.db")


def test_the_schema_number_is_that_of_the_last_migration() -> None:
    """Whoever adds a migration is reminded to count up."""
    assert ScriptDirectory(str(migrations.SCRIPTS)).get_heads() == [SCHEMA]


def test_a_store_that_is_up_to_date_opens_without_alembic(path: Path) -> None:
    """Its import would take a third of a second at every start."""
    open_store(path).close()
    script = """
import sys
from notifier.store.database import open_store
open_store(sys.argv[1]).close()
print("alembic" in sys.modules, flush=True)
"""
    with start(script, str(path)) as process:
        assert said(process) == "False"


def test_processes_that_make_the_store_at_once_agree(path: Path) -> None:
    """However many start on an empty place, there is one store with one key."""
    script = """
import sys
from notifier.store.database import open_store
print("ready", flush=True)
sys.stdin.readline()
with open_store(sys.argv[1]) as store:
    print(store.fingerprint_key().hex(), flush=True)
"""
    with start(script, str(path)) as one, start(script, str(path)) as two:
        assert said(one) == said(two) == "ready"
        for process in (one, two):
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        assert len(said(one)) == 64
        with open_store(path) as store:
            assert said(two) == store.fingerprint_key().hex()


NEXT = f"{int(SCHEMA) + 1:04}"


@pytest.mark.parametrize("number", [NEXT, "9999"])
def test_a_newer_store_is_refused(path: Path, number: str) -> None:
    """A store of a newer version is neither read nor written."""
    open_store(path).close()
    execute(path, f"UPDATE alembic_version SET version_num = '{number}'")  # noqa: S608

    with pytest.raises(SchemaTooNew, match=number):
        open_store(path)
    with pytest.raises(SchemaTooNew, match=number):
        Store.read_only(path)


NEXT_STEP = f"""
import sqlalchemy as sa
from alembic import op
revision = "{NEXT}"
down_revision = "{SCHEMA}"
def upgrade():
    with op.batch_alter_table("event") as batch:
        batch.add_column(sa.Column("note", sa.String()))
        batch.alter_column("sweep", new_column_name="found_by")
"""


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes the code one schema newer; gives the file of the new step."""
    scripts = tmp_path / "migrations"
    shutil.copytree(migrations.SCRIPTS, scripts)
    step = scripts / "versions" / f"{NEXT}_next.py"
    step.write_text(NEXT_STEP)
    upgrade = migrations.upgrade
    monkeypatch.setattr(database, "SCHEMA", NEXT)
    monkeypatch.setattr(migrations, "upgrade", lambda connection: upgrade(connection, scripts))
    return step


def columns(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[1] for row in connection.execute("PRAGMA table_info(event)")]


def owing(path: Path) -> bytes:
    """Makes a store of today's schema in which a delivery is owed; gives its key."""
    with open_store(path) as store:
        with store.writing() as tx:
            snapshot.apply(tx, plan([cancelled()], [owed(cancelled())]), NOW)
        return store.fingerprint_key()


def test_an_older_store_is_migrated_beside_a_copy(path: Path, request: pytest.FixtureRequest) -> None:
    """Rows and key survive the step, also where a table is made anew; the copy holds what was before."""
    key = owing(path)
    request.getfixturevalue("next_version")

    with open_store(path) as store:
        assert store.schema() == NEXT
        assert store.fingerprint_key() == key
        with store.reading() as tx:
            assert [row.channel for row in tx.exec(select(DeliveryRow))] == ["chat"]
    copy = path.with_name(f"notifier.db.before-{NEXT}")
    assert {"note", "found_by"} <= set(columns(path))
    assert "sweep" in columns(copy)
    assert mode(copy) == 0o600


def test_a_migration_that_fails_leaves_the_old_store(path: Path, request: pytest.FixtureRequest) -> None:
    """A step is taken whole or not at all."""
    owing(path)
    step: Path = request.getfixturevalue("next_version")
    add_to(step, "DELETE FROM nowhere")

    with pytest.raises(StoreError, match="no such table: nowhere"):
        open_store(path)
    assert "sweep" in columns(path)
    assert "note" not in columns(path)


def test_a_migration_that_loses_rows_is_refused(path: Path, request: pytest.FixtureRequest) -> None:
    """A step that leaves a delivery without its event is not taken."""
    owing(path)
    step: Path = request.getfixturevalue("next_version")
    add_to(step, "DELETE FROM event")

    with pytest.raises(StoreError, match="refer to others that are missing"):
        open_store(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (1,)


def test_what_was_known_before_statuses_had_a_beginning(path: Path) -> None:
    """The last change stands for when the status was reached, and the end is that of the state."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        upgrade_to(connection, "0003")
        for name, end in (("a1", "2026-03-03T10:15:00.250Z"), ("a2", None)):
            state = json.dumps({"id": name, "status": "ACCEPTED"} | ({"end": end} if end else {}))
            connection.exec_driver_sql(
                "INSERT INTO appointment (source, id, digest, revision, observed_at, status, start, updated_at, state)"
                " VALUES ('acme', ?, x'00', 0, '2026-03-02 09:30:00.000000', 'ACCEPTED', NULL,"
                " '2026-03-01 08:00:00.000000', ?)",
                (name, state),
            )
        connection.exec_driver_sql("INSERT INTO setting VALUES ('fingerprint_key', x'00')")
    engine.dispose()
    with open_store(path) as store, store.reading() as tx:
        rows = {row.id: row for row in tx.exec(select(AppointmentRow))}
    assert {row.status_since for row in rows.values()} == {datetime(2026, 3, 1, 8, tzinfo=UTC)}
    assert (rows["a1"].end, rows["a2"].end) == (datetime(2026, 3, 3, 10, 15, 0, 250_000, tzinfo=UTC), None)
    assert {row.silent_at for row in rows.values()} == {None}


def upgrade_to(connection: Connection, schema: str) -> None:
    """Brings an empty store to an older schema."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations.SCRIPTS))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, schema)
