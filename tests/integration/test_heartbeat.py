"""The heartbeat: what a monitor outside gets, and what is made of its answers."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from threading import Event, Thread

import pytest

from notifier.channels.heartbeat import Monitor
from notifier.core.checkup import Heartbeat
from notifier.core.sweep import SweepOutcome, SweepRun
from notifier.heartbeat import Heart
from tests.captured_logs import captured_logs
from tests.fake_receiver import DRIP, HANG, RESET, Receiver, Reply, free_port, receiving
from tests.simulated import NOW, WAIT, HandClock

PATH = "/ping/e5a5c7a0-secret?create=1"
RUN = SweepRun(source="acme", sweep="near", started_at=NOW, finished_at=NOW, outcome=SweepOutcome.OK)
OTHER = replace(RUN, source="other", sweep="far")


@pytest.fixture
def monitor() -> Iterator[Receiver]:
    """A monitor that is content."""
    with receiving() as receiver:
        yield receiver


def of(monitor: Receiver, deadline_seconds: float = WAIT) -> Monitor:
    return Monitor(monitor.url + PATH, deadline_seconds)


# ---- one fetch


def test_it_is_a_plain_fetch(monitor: Receiver) -> None:
    """The address is fetched as it is, and nothing is told there but our version."""
    assert of(monitor).fetch() == ""
    (request,) = monitor.requests
    assert (request.path, request.body) == (PATH, b"")
    assert request.headers["user-agent"].startswith("notifier/")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(204), ""),
        (Reply(429), ""),
        (Reply(404), "HTTP 404"),
        (Reply(500), "HTTP 500"),
        (Reply(302, {"Location": "/ping/other"}), "HTTP 302, and redirects are not followed"),
        (DRIP, "HTTP 400"),
        (RESET, "Connection reset by peer"),
    ],
)
def test_what_an_answer_means(monitor: Receiver, reply: Reply | str, said: str) -> None:
    """It was heard if it was taken, or came too often; nothing is asked a second time, and the address never shown."""
    monitor.reply_with(reply)
    assert of(monitor).fetch() == said
    assert len(monitor.requests) == 1


def test_nobody_is_there() -> None:
    """What can't be reached is told without the address."""
    assert Monitor(f"http://127.0.0.1:{free_port()}{PATH}").fetch() == "Connection refused"


def test_a_monitor_that_hangs_is_given_up(monitor: Receiver) -> None:
    """It takes as long as it may in all, and no longer."""
    monitor.reply_with(HANG)
    assert of(monitor, 0.2).fetch() == "no answer within 0.2 s"


def test_a_monitor_that_drips_is_given_up() -> None:
    """Every byte of a header begins a new wait of the socket, and ours goes on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        served = Event()
        dripping = Thread(target=drip, args=(server, served), daemon=True)
        dripping.start()
        said = Monitor(f"http://127.0.0.1:{server.getsockname()[1]}{PATH}", 0.3).fetch()
        assert said == "no answer within 0.3 s"
        # The socket was closed, which ends the drip.
        dripping.join(WAIT)
        assert served.is_set()


def drip(server: socket.socket, served: Event) -> None:
    """Sends one byte of an answer after the other until nobody takes them any more."""
    connection, _ = server.accept()
    pause = Event()
    with connection:
        connection.recv(4096)
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
            while not pause.wait(0.05):
                connection.sendall(b"x")
        except OSError:
            served.set()


def test_an_odd_address_is_told() -> None:
    """What passes for an address and is none ends nothing."""
    assert Monitor(f"http://{'a' * 70}.example.com/").fetch() == "UnicodeError"


# ---- a beat for each cycle


def heart(monitor: Receiver | None, stopping: Event | None = None) -> Heart:
    return Heart(of(monitor) if monitor else None, ["acme", "other"], HandClock(), stopping or Event())


def test_a_cycle_ends_when_every_source_has_answered(monitor: Receiver) -> None:
    """However often one of them is polled meanwhile; what is not answered does not count, what is doubted does."""
    stopping = Event()
    beating = heart(monitor, stopping)
    beating.start()
    try:
        for run in (RUN, RUN, replace(OTHER, outcome=SweepOutcome.UNAVAILABLE)):
            beating.polled(run)
        assert not beating._due.is_set()
        assert monitor.requests == []
        for count, runs in enumerate([(OTHER,), (replace(OTHER, outcome=SweepOutcome.DOUBTFUL), RUN)], start=1):
            for run in runs:
                beating.polled(run)
            assert monitor.wait_for(count, WAIT)
    finally:
        stopping.set()
        beating.join(WAIT)
    assert len(monitor.requests) == 2


def test_a_beat_that_hangs_delays_nothing(monitor: Receiver) -> None:
    """Whoever tells of a poll goes on at once; what comes round meanwhile is one more beat."""
    monitor.reply_with(HANG, Reply())
    stopping = Event()
    beating = heart(monitor, stopping)
    beating.start()
    try:
        for _ in range(5):
            beating.polled(RUN)
            beating.polled(OTHER)
        assert monitor.wait_for(1, WAIT)
        for _ in range(5):
            beating.polled(RUN)
            beating.polled(OTHER)
        monitor.released.set()
        assert monitor.wait_for(2, WAIT)
    finally:
        stopping.set()
        beating.join(WAIT)
    assert len(monitor.requests) == 2


def test_what_fails_is_told_once(monitor: Receiver) -> None:
    """The log has the first of several failures and the first success after them; the last one is known."""
    monitor.reply_with(Reply(500), Reply(503), Reply(), Reply(404))
    beating = heart(monitor)
    assert beating.last() is None
    with captured_logs() as logs:
        known = []
        for _ in range(4):
            beating.beat()
            known.append(beating.last())
        assert [(one["level"], one["error"]) for one in logs.of("heartbeat_failed")] == [
            ("warning", "HTTP 500"),
            ("warning", "HTTP 404"),
        ]
        assert len(logs.of("heartbeat_recovered")) == 1
    assert known == [
        Heartbeat(NOW, NOW, "HTTP 500"),
        Heartbeat(NOW, NOW, "HTTP 503"),
        Heartbeat(NOW),
        Heartbeat(NOW, NOW, "HTTP 404"),
    ]


def test_without_a_monitor_there_is_none() -> None:
    """Nothing is started, and nothing is known."""
    beating = heart(None)
    beating.start()
    beating.polled(RUN)
    beating.polled(OTHER)
    beating.beat()
    beating.join(WAIT)
    assert beating.last() is None
