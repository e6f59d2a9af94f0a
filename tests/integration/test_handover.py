"""A store that fails while one daemon takes over from another loses nothing, doubles nothing and ends nobody."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from notifier.clock import utc_now
from notifier.core.delivery import Reason, State
from notifier.daemon import Daemon
from notifier.engage.simulator import Simulator
from notifier.errors import StoreError
from notifier.store import history
from notifier.store.database import Store
from notifier.supervisor import Supervisor
from tests.builders import rule
from tests.captured_logs import Logs, captured_logs
from tests.configured import settings, source
from tests.fake_receiver import HANG, Receiver, Reply, receiving
from tests.simulated import WAIT


def hand_over(
    folder: Path, engage: Simulator, store: Store, crm: Receiver, live: Callable[[Daemon, Daemon, Logs], bool]
) -> None:
    """Runs one daemon and, as soon as something comes, another one in its place; `live` says whether all went well."""
    configured = settings(folder, source(engage.base_url, f'token = "{engage.token}"'), {"crm": crm.url})
    first, second = (Daemon(configured, [rule(name="all", channels=("crm",))], store) for _ in range(2))
    following = iter([second])
    went: list[bool] = []

    def run(logs: Logs) -> None:
        try:
            went.append(live(first, second, logs))
        finally:
            first.stopping.set()
            second.stopping.set()

    with captured_logs() as logs:
        living = Thread(target=run, args=(logs,))
        living.start()
        assert Supervisor(first, lambda _: next(following, None) if crm.requests else None).run() == 0
        living.join(WAIT)
    assert went == [True]


def cancel(engage: Simulator) -> None:
    (row,) = engage.enterprise.rows()
    engage.enterprise.cancel(row.id, utc_now())


def test_what_was_sent_is_recorded_before_the_next_one_begins(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """A message whose send could not be put on record is not sent again by whoever takes over."""
    with receiving(HANG, Reply()) as crm, closing(other_writer(tmp_path)) as other:

        def live(first: Daemon, _: Daemon, logs: Logs) -> bool:
            assert logs.wait_for("polled", WAIT)
            # A start sets it as usual.
            with store.writing() as tx:
                tx.connection().exec_driver_sql("PRAGMA busy_timeout = 10")
            cancel(engage)
            assert crm.wait_for(1, WAIT)
            assert first.stopping.wait(WAIT)
            other.execute("BEGIN IMMEDIATE")
            crm.released.set()
            assert logs.wait_for("store_failed", WAIT)
            assert len(logs.of("started")) == 1
            other.execute("ROLLBACK")
            return logs.wait_for("started", WAIT, count=2) and not crm.wait_for(2, 1.0)

        hand_over(tmp_path, engage, store, crm, live)
        assert len(crm.requests) == 1
    with store.reading() as tx:
        (delivery,) = history.deliveries(tx, 10)
    # To a webhook it is tried again, since no answer came; it was not cut off.
    assert (delivery.state, delivery.reason, delivery.attempts) == (State.PENDING, Reason.UNCERTAIN, 1)


def test_a_store_that_fails_delays_the_next_one(
    tmp_path: Path, engage: Simulator, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who takes over waits until the store can be used, as the former would have; that is told once."""
    recover, left = Daemon._recover, [StoreError("its disk is full")] * 3

    def recover_later(self: Daemon) -> int:
        if crm.requests and left:
            raise left.pop()
        return recover(self)

    def live(_first: Daemon, second: Daemon, logs: Logs) -> bool:
        assert logs.wait_for("polled", WAIT)
        cancel(engage)
        assert logs.wait_for("started", WAIT, count=2)
        return len(logs.of("store_failed")) == len(logs.of("store_recovered")) == 1 and not second.stopping.is_set()

    monkeypatch.setattr(Daemon, "_recover", recover_later)
    with receiving() as crm:
        hand_over(tmp_path, engage, store, crm, live)
        assert len(crm.requests) == 1


def other_writer(folder: Path) -> sqlite3.Connection:
    """Returns a connection for any thread to the store of a folder."""
    return sqlite3.connect(folder / "notifier.db", isolation_level=None, check_same_thread=False)
