"""How requests are paced, and how many run at once."""

import threading

import pytest

from notifier.engage.budget import LAST, Budget
from notifier.errors import Stopping


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the budget reads, in its last element."""
    now = [100.0]
    monkeypatch.setattr("notifier.engage.budget.time.monotonic", lambda: now[-1])
    return now


def gaps(budget: Budget, clock: list[float], count: int) -> list[float]:
    """Returns how long each of some requests, one after another, has to wait."""
    waits: list[float] = []
    for number in range(count):
        ticket = (0.0, number)
        budget._waiting = [ticket]
        waits.append(max(budget._wait_seconds(ticket, clock[-1]), 0))
        clock.append(clock[-1] + waits[-1])
        budget._take_turn(clock[-1])
        budget._running -= 1
    return waits


def test_turns_are_a_gap_apart(stopping: threading.Event, clock: list[float]) -> None:
    """Each one waits for its own; what was not used is not saved up for a burst."""
    budget = Budget(requests_per_minute=60, concurrency=1, stopping=stopping)
    assert gaps(budget, clock, 3) == [0, 1, 1]
    clock.append(200.0)
    assert gaps(budget, clock, 3) == [0, 1, 1]


def test_a_plea_to_slow_down_halves_the_pace(stopping: threading.Event, clock: list[float]) -> None:
    """It comes back by halves, and however often it is asked for, the pace does not go to nothing."""
    budget = Budget(requests_per_minute=60, concurrency=1, stopping=stopping)
    assert budget.pace() == 60
    budget.slow_down(clock[-1])
    assert budget.pace() == 30
    assert gaps(budget, clock, 2)[1] == 2
    clock.append(clock[-1] + 58)
    assert budget.pace() == pytest.approx(40)
    for _ in range(20):
        budget.slow_down(clock[-1])
    assert budget.pace() == pytest.approx(60 / 32)
    clock.append(clock[-1] + 3600)
    assert budget.pace() == pytest.approx(60)


def test_pleas_to_what_was_under_way_halve_the_pace_once(stopping: threading.Event, clock: list[float]) -> None:
    """What was asked before the pace was halved says nothing about the slower one."""
    budget = Budget(requests_per_minute=60, concurrency=4, stopping=stopping)
    began = clock[-1]
    clock.append(began + 1)
    for _ in range(4):
        budget.slow_down(began)
    assert budget.pace() == 30
    budget.slow_down(clock[-1])
    assert budget.pace() == 15


def test_the_urgent_pass_those_that_can_wait(stopping: threading.Event) -> None:
    """Whoever waits with a lower number has the next turn, and among equals who came first."""
    budget = Budget(requests_per_minute=600_000, concurrency=1, stopping=stopping)
    order: list[str] = []
    arrived = [threading.Event() for _ in range(4)]

    def ask(name: str, urgency: float) -> None:
        with budget.request(urgency):
            order.append(name)

    threads = []
    with budget.request():
        for number, (name, urgency) in enumerate([("verify", LAST), ("far", 60), ("near", 1), ("near too", 1)]):
            threads.append(threading.Thread(target=ask, args=(name, urgency)))
            threads[-1].start()
            while len(budget._waiting) <= number:
                arrived[number].wait(0.001)
    for thread in threads:
        thread.join(5)
    assert order == ["near", "near too", "far", "verify"]


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
