"""One daemon takes over from another, and nothing is done by both, or by none."""

import signal
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from notifier.clock import utc_now
from notifier.core.delivery import Reason, State
from notifier.daemon import Daemon
from notifier.engage.simulator import Simulator
from notifier.store import history
from notifier.store.database import Store
from notifier.supervisor import Supervisor
from tests.builders import rule
from tests.captured_logs import captured_logs
from tests.configured import settings, source
from tests.fake_receiver import HANG, Reply, receiving
from tests.simulated import WAIT


def test_a_send_in_hand_is_awaited(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """The next daemon begins when it has come to its end and is on record, so that it is not made by both."""
    due, started = Event(), Event()

    with receiving(HANG, Reply()) as crm, captured_logs() as logs:
        configured = settings(tmp_path, source(engage.base_url, f'token = "{engage.token}"'), {"crm": crm.url})
        first, second = (Daemon(configured, [rule(name="all", channels=("crm",))], store) for _ in range(2))
        following = iter([second])
        supervisor = Supervisor(first, lambda _: next(following, None) if due.is_set() else None)

        def live() -> None:
            assert logs.wait_for("polled", WAIT)
            (row,) = engage.enterprise.rows()
            engage.enterprise.cancel(row.id, utc_now())
            assert crm.wait_for(1, WAIT)
            due.set()
            assert first.stopping.wait(WAIT)
            assert len(logs.of("started")) == 1
            crm.released.set()
            while len(logs.of("started")) < 2:
                assert logs.wait_for("started", WAIT)
            started.set()
            second.stopping.set()

        living = Thread(target=live)
        living.start()
        assert supervisor.run() == 0
        living.join(WAIT)
        assert started.is_set()
        assert len(crm.requests) == 1
    with store.reading() as tx:
        (delivery,) = history.deliveries(tx, 10)
    assert (delivery.state, delivery.reason, delivery.attempts) == (State.PENDING, Reason.UNCERTAIN, 1)


def test_a_signal_ends_a_handover(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """Whoever is to stop while it waits for a send that hangs stops after the grace, and not after the time-out."""
    with receiving(HANG) as crm, captured_logs() as logs, pytest.MonkeyPatch.context() as patch:
        patch.setattr("notifier.supervisor.GRACE_SECONDS", 0.2)
        patch.setattr("notifier.daemon.GRACE_SECONDS", 0.2)
        configured = settings(tmp_path, source(engage.base_url, f'token = "{engage.token}"'), {"crm": crm.url})
        first, second = (Daemon(configured, [rule(name="all", channels=("crm",))], store) for _ in range(2))
        following = iter([second])
        supervisor = Supervisor(first, lambda _: next(following, None) if crm.requests else None)

        def live() -> None:
            assert logs.wait_for("polled", WAIT)
            (row,) = engage.enterprise.rows()
            engage.enterprise.cancel(row.id, utc_now())
            assert first.stopping.wait(WAIT)
            supervisor._hear(signal.SIGTERM)

        living = Thread(target=live)
        living.start()
        assert supervisor.run() == 0
        living.join(WAIT)
        assert len(logs.of("started")) == 1
        crm.released.set()


def test_sweeps_keep_their_beat(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """What was read a moment ago as it is to be read now is not read at once; another sweep is."""
    text = source(engage.base_url, f'token = "{engage.token}"').replace('every = "1s"', 'every = "1h"')
    with captured_logs() as logs:
        first = Daemon(settings(tmp_path, text, {"team": "console://"}), [], store)
        first.start()
        assert logs.wait_for("polled", WAIT)
        first.stop()
        ((key, due),) = first._next_runs().items()
        assert key == ("acme", "dated")
        assert timedelta(minutes=59) < due - utc_now() <= timedelta(hours=1)
        wider = settings(tmp_path, text.replace('to = "90d"', 'to = "91d"'), {"team": "console://"})
        second = Daemon(wider, [], store)
        assert second._next_runs() == {}
        second.stop()
