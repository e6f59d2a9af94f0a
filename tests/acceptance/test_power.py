"""A store that can't be written: nothing goes out unrecorded, it is said once, and all goes on afterwards."""

import json
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from os import sysconf
from pathlib import Path
from threading import Event

import pytest

from notifier.clock import utc_now
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from tests import child_process
from tests.acceptance.command import PATIENCE, Answer, Running
from tests.acceptance.workplace import Workplace
from tests.fake_receiver import Receiver, receiving

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of another process are Linux's")

STILL_SECONDS = 7.0
"""How long the daemon is looked at while it can't work: longer than a lane's beat, and many times that of the sweep."""

BUSY_SHARE = 0.25
"""Of a processor; who tries in vain as fast as he can takes all of one."""

FIRST, LATER = 1, 4

HUMBLE = (
    sys.executable,
    "-c",
    """
import ctypes, os, sys
drop_from_bounding_set, override, read_search = 24, 1, 2
for capability in (override, read_search):
    ctypes.CDLL(None).prctl(drop_from_bounding_set, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
""",
)
"""Runs a command to which the modes of files apply, even where it is root that runs the tests."""

Trouble = Callable[[Workplace, Running], AbstractContextManager[None]]


def limit_files(daemon: Running, size: int) -> None:
    """Lets the daemon make no file larger than this, as on a full disk."""
    _, hard = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (size, hard))


@contextmanager
def full(_: Workplace, daemon: Running) -> Iterator[None]:
    """There is no space left, not for a byte."""
    limit_files(daemon, 0)
    yield
    limit_files(daemon, resource.RLIM_INFINITY)


@contextmanager
def nearly_full(workplace: Workplace, daemon: Running) -> Iterator[None]:
    """There is space for a page or two, not for a slice."""
    limit_files(daemon, Path(f"{workplace.store}-wal").stat().st_size + 10_000)
    yield
    limit_files(daemon, resource.RLIM_INFINITY)


@contextmanager
def locked(workplace: Workplace, _: Running) -> Iterator[None]:
    """Another process writes, and does not come to an end."""
    script = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""
    with child_process.start(script, str(workplace.store)) as other:
        assert child_process.said(other) == "locked"
        yield


def cpu_seconds(daemon: Running) -> float:
    """Returns how much of a processor's time the daemon has taken so far."""
    fields = Path(f"/proc/{daemon.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / sysconf("SC_CLK_TCK")


def book(engage: Simulator, count: int) -> list[str]:
    """Returns so many appointments that begin tomorrow."""
    start = utc_now() + timedelta(days=1)
    return [engage.enterprise.create(utc_now(), Booking(start=start)) for _ in range(count)]


def cancel(engage: Simulator, *appointments: str) -> None:
    for one in appointments:
        engage.enterprise.cancel(one, utc_now())


def subjects(receiver: Receiver) -> list[str]:
    return [json.loads(request.body)["subject"] for request in receiver.requests]


def errors(answer: Answer) -> list[str]:
    """Returns what was logged as an error, but for what the machine of the test is in trouble with."""
    told = [record["action"] for record in answer.logged() if record["level"] in {"error", "critical"}]
    return [action for action in told if action != "trouble_began"]


@pytest.mark.parametrize("trouble", [full, nearly_full, locked])
def test_a_store_that_fails_for_a_while(workplace: Workplace, engage: Simulator, trouble: Trouble) -> None:
    """It is said once at its begin and once at its end; the daemon waits quietly, and then tells everything once."""
    first, *later = book(engage, LATER)
    with receiving() as receiver:
        workplace.configure({"crm": receiver.url})
        daemon = workplace.start_watching()
        cancel(engage, first)
        assert receiver.wait_for(FIRST, PATIENCE)
        workplace.await_poll()
        with trouble(workplace, daemon):
            cancel(engage, *later)
            daemon.wait_for_log("store_failed")
            before = cpu_seconds(daemon)
            Event().wait(STILL_SECONDS)
            assert cpu_seconds(daemon) - before < BUSY_SHARE * STILL_SECONDS
            assert len(receiver.requests) == FIRST
        daemon.wait_for_log("store_recovered")
        assert receiver.wait_for(LATER, PATIENCE)
        ended = daemon.stop()
    assert ended.code == 0
    assert errors(ended) == ["store_failed"]
    assert len(ended.logged("store_recovered")) == 1
    assert sorted(subjects(receiver)) == sorted([first, *later])
    assert {(one["state"], one["attempts"]) for one in workplace.ask("deliveries")} == {("delivered", 1)}


def test_an_outcome_that_cannot_be_recorded(workplace: Workplace, engage: Simulator) -> None:
    """A message that went out while the disk filled up is not sent again; its outcome is recorded afterwards."""
    (made,) = book(engage, 1)
    with receiving() as receiver:
        workplace.configure({"crm": receiver.url})
        daemon = workplace.start_watching()
        receiver.hear(lambda: limit_files(daemon, 0))
        cancel(engage, made)
        daemon.wait_for_log("store_failed")
        limit_files(daemon, resource.RLIM_INFINITY)
        daemon.wait_for_log("store_recovered")
        ended = daemon.stop()
    assert errors(ended) == ["store_failed"]
    assert subjects(receiver) == [made]
    assert [(one["state"], one["attempts"]) for one in workplace.ask("deliveries")] == [("delivered", 1)]


@pytest.mark.parametrize(
    ("name", "why"), [("notifier.db", "this user may not write to notifier.db"), (".", "it can't be written to")]
)
def test_a_start_that_may_not_write(workplace: Workplace, engage: Simulator, name: str, why: str) -> None:
    """Where it may not write its store, or in its folder, the daemon ends at once and says why; later it goes on."""
    (made,) = book(engage, 1)
    guarded = workplace.folder / name
    with receiving() as receiver:
        workplace.configure({"crm": receiver.url})
        workplace.start_watching().stop()
        cancel(engage, made)
        mode = guarded.stat().st_mode
        guarded.chmod(mode & ~0o222)
        refused = workplace.start(before=HUMBLE).end(PATIENCE)
        guarded.chmod(mode)
        assert refused.code == 1
        assert f"notifier: the store {workplace.store} can't be used: {why}\n" in refused.err
        assert "Traceback" not in refused.err
        assert not receiver.requests
        daemon = workplace.start(before=HUMBLE)
        assert receiver.wait_for(1, PATIENCE)
        daemon.stop()
    assert subjects(receiver) == [made]
