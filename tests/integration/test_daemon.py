"""Both lines together in one process: one round of them, and the life of the daemon."""

import _thread
import signal
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Lock, Thread

import pytest

from notifier.clock import utc_now
from notifier.core.delivery import State
from notifier.core.event import Event
from notifier.core.rule import Rule, condition
from notifier.core.sweep import Progress, SweepOutcome
from notifier.daemon import Daemon
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from notifier.progress import Watcher
from notifier.sender import Sender
from notifier.store import history, outbox, snapshot, sweeps
from notifier.store.database import Store
from notifier.supervisor import Supervisor
from tests.builders import rule
from tests.captured_logs import captured_logs
from tests.configured import settings, source
from tests.fake_receiver import HANG, Reply, receiving
from tests.simulated import WAIT
from tests.store_values import cancelled, owed, plan


def daemon_of(
    folder: Path, engage: Simulator, store: Store, channels: Mapping[str, str], rules: Sequence[Rule] = ()
) -> Daemon:
    """Returns a daemon whose only rule tells all channels of everything, unless other rules are given."""
    configured = settings(folder, source(engage.base_url, f'token = "{engage.token}"'), channels)
    return Daemon(configured, rules or [rule(name="all", channels=tuple(channels))], store)


def states(store: Store) -> list[State]:
    with store.reading() as tx:
        return [record.state for record in history.deliveries(tx, 100)]


def look_and_cancel(folder: Path, engage: Simulator, store: Store, channels: Mapping[str, str]) -> None:
    """Looks for the first time, so that the cancellation that then happens is news."""
    assert daemon_of(folder, engage, store, channels).run_once() == 0
    (row,) = engage.enterprise.rows()
    engage.enterprise.cancel(row.id, utc_now())


def test_a_round_polls_and_sends(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """One round stores what there is, the next one sends what changed to every channel, and both succeed."""
    with receiving() as crm, receiving() as ledger:
        channels = {"crm": crm.url, "ledger": ledger.url}
        look_and_cancel(tmp_path, engage, store, channels)
        assert (crm.requests, ledger.requests) == ([], [])
        assert daemon_of(tmp_path, engage, store, channels).run_once() == 0
        assert (len(crm.requests), len(ledger.requests)) == (1, 1)
        assert daemon_of(tmp_path, engage, store, channels).run_once() == 0
        assert (len(crm.requests), len(ledger.requests)) == (1, 1)


def test_a_round_tells_how_far_it_has_come(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """A watcher hears of each reading while it is under way, and of none afterwards."""
    told: list[Progress] = []

    class Told(Watcher):
        def __call__(self, progress: Progress) -> None:
            assert list(self._readings) == [("acme", "dated")]
            told.append(progress)

    configured = settings(tmp_path, source(engage.base_url, f'token = "{engage.token}"'), {})
    watcher = Told()
    assert Daemon(configured, (), store, watcher=watcher).run_once() == 0
    assert told == [Progress("acme", "dated", 1, 1)]
    assert watcher._readings == {}


@pytest.mark.parametrize("status", [410, 503])
def test_a_round_fails_with_a_delivery(tmp_path: Path, engage: Simulator, store: Store, status: int) -> None:
    """A delivery that did not arrive, for now or for good, fails the round; the other channel is served."""
    with receiving(Reply(status)) as crm, receiving() as ledger:
        channels = {"crm": crm.url, "ledger": ledger.url}
        look_and_cancel(tmp_path, engage, store, channels)
        assert daemon_of(tmp_path, engage, store, channels).run_once() == 1
        assert (len(crm.requests), len(ledger.requests)) == (1, 1)


def test_a_round_fails_with_its_source(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """A source that refuses fails the round, which still sends what was owed before."""
    owe(store, "crm")
    engage.scopes = frozenset()
    with receiving() as crm:
        assert daemon_of(tmp_path, engage, store, {"crm": crm.url}).run_once() == 1
    assert states(store) == [State.DELIVERED]


def owe(store: Store, channel: str) -> None:
    """Records a made-up cancellation that is owed to a channel."""
    event = cancelled()
    with store.writing() as tx:
        snapshot.apply(tx, plan([event], [owed(event, channel)]), event.detected_at)


def test_a_round_tells_of_a_channel_that_is_missing(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """What is owed to a channel that is not configured any more is told, fails the round, and keeps waiting."""
    owe(store, "former")
    with captured_logs() as logs:
        assert daemon_of(tmp_path, engage, store, {"team": "console://"}).run_once() == 1
    (told,) = logs.of("channel_missing")
    assert (told["channel"], told["deliveries"]) == ("former", 1)
    assert states(store) == [State.PENDING]


def test_what_a_dead_process_was_sending_is_sent_again(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """An attempt that nobody ended is ended at the start, and its delivery goes out under its id."""
    owe(store, "crm")
    with store.writing() as tx:
        (claimed,) = outbox.claim(tx, "crm", utc_now(), limit=1)
    with receiving() as crm, captured_logs() as logs:
        assert daemon_of(tmp_path, engage, store, {"crm": crm.url}).run_once() == 0
        (request,) = crm.requests
    assert request.headers["webhook-id"] == claimed.delivery.id
    assert [told["deliveries"] for told in logs.of("deliveries_interrupted")] == [1]
    assert states(store) == [State.DELIVERED]


@pytest.mark.parametrize(("much", "becomes"), [(3, State.DELIVERED), (501, State.HELD)])
def test_what_a_former_sweep_left_is_judged(
    tmp_path: Path, engage: Simulator, store: Store, much: int, becomes: State
) -> None:
    """What a dead process left of a sweep that is not configured any more goes out, unless it is too much."""
    events = [cancelled(str(number)) for number in range(much)]
    with store.writing() as tx:
        snapshot.apply(tx, plan(events, [owed(event, "crm") for event in events]), utc_now(), State.HELD)
    with receiving() as crm, captured_logs() as logs:
        assert daemon_of(tmp_path, engage, store, {"crm": crm.url}).run_once() == 0
        assert len(crm.requests) == (much if becomes is State.DELIVERED else 0)
    assert set(states(store)) == {becomes}
    assert [told["sweep"] for told in logs.of("brake_tripped")] == ["near"] * (becomes is State.HELD)


def test_the_brake_is_set_for_each_source(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """What its table allows is sent; what is more is held, and the round says that somebody must decide."""
    engage.enterprise.create(utc_now(), Booking(start=utc_now()))
    tables = source(engage.base_url, f'token = "{engage.token}"') + "[sources.acme.brake]\ncount = 1\n"
    with receiving() as crm:
        configured = settings(tmp_path, tables, {"crm": crm.url})
        everything = [rule(name="all", channels=("crm",))]
        assert Daemon(configured, everything, store).run_once() == 0
        for row in engage.enterprise.rows():
            engage.enterprise.cancel(row.id, utc_now())
        assert Daemon(configured, everything, store).run_once() == 1
        assert crm.requests == []
    assert states(store) == [State.HELD, State.HELD]


def test_a_daemon_polls_and_sends_by_itself(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """A daemon looks at once and then on its beat, and sends what it found without waiting for the lane's beat."""
    with receiving() as crm, captured_logs() as logs:
        daemon = daemon_of(tmp_path, engage, store, {"crm": crm.url})
        daemon.start()
        assert logs.wait_for("polled", WAIT)
        (row,) = engage.enterprise.rows()
        engage.enterprise.cancel(row.id, utc_now())
        assert crm.wait_for(1, WAIT)
        daemon.stop()
    assert states(store) == [State.DELIVERED]


def run_until(daemon: Daemon, engage: Simulator, requests: int) -> int:
    """Runs the daemon in this thread, tells it to stop after so many polls, and returns its exit code."""

    def stop() -> None:
        engage.wait_for_requests(requests, WAIT)
        daemon.stopping.set()

    stopper = Thread(target=stop)
    stopper.start()
    try:
        return Supervisor(daemon).run()
    finally:
        stopper.join()


def test_a_run_gives_the_signals_back(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """A run that was told to stop ends with success, and signals mean afterwards what they meant before."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert run_until(daemon_of(tmp_path, engage, store, {"team": "console://"}), engage, 1) == 0
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_signal_that_interrupts_nothing_is_heard(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """A signal that comes just before the daemon begins to wait ends it all the same."""
    daemon = daemon_of(tmp_path, engage, store, {"team": "console://"})
    heard: list[bool] = []

    def interrupt() -> None:
        engage.wait_for_requests(1, WAIT)
        _thread.interrupt_main(signal.SIGTERM)
        heard.append(daemon.stopping.wait(WAIT))
        daemon.stopping.set()

    interrupter = Thread(target=interrupt)
    interrupter.start()
    assert Supervisor(daemon).run() == 0
    interrupter.join()
    assert heard == [True]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_run_ends_with_a_lane(
    tmp_path: Path, engage: Simulator, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a lane dies the daemon ends and fails: half of it would only look alive."""

    def mistake(*_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(Sender, "_tell", mistake)

    owe(store, "crm")
    with receiving() as crm:
        configured = settings(
            tmp_path, source(engage.base_url, f'token = "{engage.token}"'), {"crm": crm.url, "team": "console://"}
        )
        assert Supervisor(Daemon(configured, [], store)).run() == 1


def test_a_lane_that_hangs_delays_no_other(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """While one channel hangs in a send, the others are sent one message after another."""
    with receiving(HANG) as slow, receiving() as fine, captured_logs() as logs:
        daemon = daemon_of(tmp_path, engage, store, {"slow": slow.url, "fine": fine.url})
        daemon.start()
        assert logs.wait_for("polled", WAIT)
        (row,) = engage.enterprise.rows()
        engage.enterprise.cancel(row.id, utc_now())
        assert slow.wait_for(1, WAIT)
        engage.enterprise.accept(row.id, utc_now())
        assert fine.wait_for(2, WAIT)
        assert len(slow.requests) == 1
        slow.released.set()
        daemon.stop()


def test_a_poll_that_crashes_is_told_and_comes_again(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """A mistake of ours in one poll is logged with its cause, commits nothing and does not end the daemon."""

    def mistake(_: Event) -> tuple[bool, str]:
        raise RuntimeError("a mistake")

    look_and_cancel(tmp_path, engage, store, {"team": "console://"})
    wrong = rule(condition("a mistake", mistake), name="wrong", channels=("team",))
    with captured_logs() as logs:
        daemon = daemon_of(tmp_path, engage, store, {"team": "console://"}, [wrong])
        daemon.start()
        assert logs.wait_for("poll_crashed", WAIT, count=2)
        daemon.stop()
    crashed = logs.of("poll_crashed")[0]
    assert (crashed["source"], crashed["sweep"], str(crashed["exc_info"])) == ("acme", "dated", "a mistake")
    assert states(store) == []


def test_a_store_that_fails_is_told_and_asked_again(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """A poll that can't be stored is told once, however often it is tried again, and once when it can be."""
    with captured_logs() as logs:
        daemon = daemon_of(tmp_path, engage, store, {"team": "console://"})
        daemon.start()
        assert logs.wait_for("polled", WAIT)
        with closing(sqlite3.connect(tmp_path / "notifier.db")) as damage:
            damage.execute("ALTER TABLE look RENAME TO lost")
            assert logs.wait_for("store_failed", WAIT)
            damage.execute("ALTER TABLE lost RENAME TO look")
        assert logs.wait_for("store_recovered", WAIT)
        daemon.stop()
    (failed,) = logs.of("store_failed")
    assert (failed["source"], failed["sweep"]) == ("acme", "dated")
    assert len(logs.of("store_recovered")) == 1
    assert "can't be used" in failed["error"]


def other_writer(folder: Path) -> sqlite3.Connection:
    """Returns a connection for any thread to the store of a folder."""
    return sqlite3.connect(folder / "notifier.db", isolation_level=None, check_same_thread=False)


def test_a_sweep_with_a_long_beat_is_read_again_soon(
    tmp_path: Path, engage: Simulator, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the store could not keep is not left until the next beat, an hour later; meanwhile the source has rest."""
    monkeypatch.setattr("notifier.daemon.STORE_PAUSE", timedelta(seconds=0.1))
    seldom = source(engage.base_url, f'token = "{engage.token}"').replace('every = "1s"', 'every = "1h"')
    with captured_logs() as logs, closing(other_writer(tmp_path)) as other:
        with store.writing() as tx:
            tx.connection().exec_driver_sql("PRAGMA busy_timeout = 10")
        daemon = Daemon(settings(tmp_path, seldom, {}), (), store)
        locking = Lock()

        def lock_once(_: object) -> None:
            if locking.acquire(blocking=False):
                other.execute("BEGIN IMMEDIATE")

        engage.script = lock_once
        daemon.start()
        assert logs.wait_for("store_failed", WAIT)
        engage.forget_requests()
        assert not engage.wait_for_requests(1, 1.0)
        engage.script = None
        other.execute("ROLLBACK")
        assert logs.wait_for("store_recovered", WAIT)
        daemon.stop()
    with store.reading() as tx:
        (sweep,) = sweeps.every(tx)
    assert sweep.last
    assert sweep.last.outcome is SweepOutcome.OK


def test_a_sweep_under_way_is_not_started_again(tmp_path: Path, engage: Simulator, store: Store) -> None:
    """A start that falls into a run of the same sweep is left out, told and counted; then it goes on."""
    with captured_logs() as logs:
        daemon = daemon_of(tmp_path, engage, store, {"team": "console://"})

        def wait_for_the_skip(_: object) -> None:
            engage.script = None
            assert logs.wait_for("sweep_skipped", WAIT)

        engage.script = wait_for_the_skip
        daemon.start()
        assert logs.wait_for("polled", WAIT)
        daemon.stop()
    assert engage.peak == 1
    with store.reading() as tx:
        (sweep,) = sweeps.every(tx)
    assert sweep.skipped == len(logs.of("sweep_skipped")) >= 1
