"""`run` ends when it is told to, whatever it waits for, and is alone on its store."""

from collections.abc import Iterator
from threading import Event, Semaphore

import pytest

from notifier.clock import utc_now
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.exchange import Reply, SeenRequest
from notifier.engage.simulator import Simulator
from tests.acceptance.command import PATIENCE
from tests.acceptance.workplace import STOPS, Workplace
from tests.fake_receiver import HANG, receiving


@pytest.fixture
def other(workplace: Workplace, engage: Simulator) -> Iterator[Workplace]:
    """Another folder that watches the same enterprise, with a store of its own."""
    folder = workplace.folder / "other"
    folder.mkdir()
    place = Workplace(folder, engage)
    try:
        yield place
    finally:
        place.close()


def test_a_signal_ends_an_idle_run(workplace: Workplace, other: Workplace) -> None:
    """SIGTERM and SIGINT end a daemon that has nothing to do, with success and without a complaint."""
    for place in (workplace, other):
        place.configure({"team": "console://"})
    daemons = [place.start() for place in (workplace, other)]
    for daemon, number in zip(daemons, STOPS, strict=True):
        daemon.wait_for_log("started")
        ended = daemon.stop(number)
        assert ended.code == 0
        assert [record["signal"] for record in ended.logged("signalled")] == [number.name]
        assert len(ended.logged("stopped")) == 1
        assert "Traceback" not in ended.err


def test_a_signal_ends_a_busy_run(workplace: Workplace, other: Workplace, engage: Simulator) -> None:
    """A slow API and a channel that hangs do not keep a daemon from ending in time; what hung is sent again."""
    asked, released = Semaphore(0), Event()

    def answer_late(_: SeenRequest) -> Reply | None:
        asked.release()
        released.wait(PATIENCE)
        return None

    made = engage.enterprise.create(utc_now(), Booking(start=utc_now()))
    with receiving(HANG) as receiver:
        for place in (workplace, other):
            place.configure({"crm": receiver.url})
        daemons = [place.start() for place in (workplace, other)]
        for daemon in daemons:
            daemon.wait_for_log("polled")
        engage.enterprise.cancel(made, utc_now())
        assert receiver.wait_for(2, PATIENCE)
        engage.script = answer_late
        for _ in daemons:
            assert asked.acquire(timeout=PATIENCE)
        for daemon, number in zip(daemons, STOPS, strict=True):
            daemon.send_signal(number)
        try:
            ended = [daemon.end() for daemon in daemons]
        finally:
            released.set()
    assert [one.code for one in ended] == [0, 0]
    assert all(one.logged("stopped") and "Traceback" not in one.err for one in ended)
    (delivery,) = workplace.ask("deliveries")
    assert (delivery["state"], delivery["attempts"]) == ("sending", 1)


def test_a_second_process_is_refused(workplace: Workplace) -> None:
    """A store has one daemon; whoever else wants to poll and send is told who has it, and leaves it in peace."""
    workplace.configure({"team": "console://"})
    daemon = workplace.start()
    daemon.wait_for_log("started")
    refused = workplace.notifier("run")
    assert refused.code == 1
    assert refused.err.startswith("notifier: another notifier (process ")
    assert "notifier.db.lock" in refused.err
    assert daemon.stop().code == 0
