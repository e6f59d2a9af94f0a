"""How requests are paced, and how many run at once."""

import threading
from itertools import pairwise

import pytest

from notifier.engage.budget import Budget
from notifier.errors import Stopping


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


def test_turns_are_a_gap_apart(stopping: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each one waits for its own; what was not used is not saved up for a burst."""
    now = 100.0
    monkeypatch.setattr("notifier.engage.budget.time.monotonic", lambda: now)
    budget = Budget(requests_per_minute=60, concurrency=1, stopping=stopping)
    assert [budget._wait_seconds() for _ in range(3)] == [0, 1, 2]
    now = 200.0
    waits = [budget._wait_seconds() for _ in range(3)]
    assert waits == [0, 1, 2]
    assert all(later - earlier == 1 for earlier, later in pairwise(waits))


def test_no_more_run_at_once_than_are_allowed(stopping: threading.Event) -> None:
    """The next one begins when one of them has ended."""
    budget = Budget(requests_per_minute=600_000, concurrency=2, stopping=stopping)
    running, most, lock = 0, 0, threading.Lock()
    full, released = threading.Barrier(3), threading.Event()

    def ask(number: int) -> None:
        nonlocal running, most
        with budget.request():
            with lock:
                running += 1
                most = max(most, running)
            if number < 2:
                full.wait(5)
            released.wait(5)
            with lock:
                running -= 1

    firsts = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in firsts:
        thread.start()
    full.wait(5)
    others = [threading.Thread(target=ask, args=(number,)) for number in range(2, 5)]
    for thread in others:
        thread.start()
    released.set()
    for thread in (*firsts, *others):
        thread.join(5)
    assert most == 2
    assert running == 0


def test_a_failure_gives_its_place_back(stopping: threading.Event) -> None:
    """Otherwise a few of them would end all polling."""
    budget = Budget(requests_per_minute=600_000, concurrency=1, stopping=stopping)
    for _ in range(3):
        with pytest.raises(OSError, match="down"), budget.request():
            raise OSError("down")
    with budget.request():
        pass


def test_stopping_ends_the_wait(stopping: threading.Event) -> None:
    """Whoever waits for his turn is sent away at once, and his place is given back."""
    budget = Budget(requests_per_minute=1, concurrency=1, stopping=stopping)
    with budget.request():
        pass
    ended: list[str] = []

    def ask() -> None:
        try:
            with budget.request():
                ended.append("asked")
        except Stopping:
            ended.append("stopped")

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    stopping.set()
    for thread in threads:
        thread.join(5)
    assert ended == ["stopped", "stopped"]


def test_once_stopping_nothing_is_asked(stopping: threading.Event) -> None:
    """Not even what would have had its turn."""
    stopping.set()
    budget = Budget(requests_per_minute=600_000, concurrency=1, stopping=stopping)
    with pytest.raises(Stopping), budget.request():
        raise AssertionError("must not be asked")
