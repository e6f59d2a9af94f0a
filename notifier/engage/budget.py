"""The budget of an address: how many requests a minute, and how many at once, the vendor's limit leaves us."""

import heapq
import itertools
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from notifier.errors import Stopping

LAST = float("inf")
"""The urgency of what may wait for everything else."""

SLOWEST = 32.0
"""The pace is never stretched by more, however often the source says that we are too fast."""

RECOVERY_SECONDS = 60.0
"""After being slowed down, half of the way back to the full pace takes so long."""

_LOOK_SECONDS = 0.5
"""How often a waiting request looks whether the process is stopping."""


class Budget:
    """Paces requests evenly and bounds how many run at once; shared by whatever talks to one address.

    Requests take turns by urgency, the lower number first, and among equals in the order in which they came.
    """

    def __init__(self, requests_per_minute: int, concurrency: int, stopping: threading.Event) -> None:
        self.concurrency = concurrency
        self._gap_seconds = 60 / requests_per_minute
        self._stopping = stopping
        self._turns = threading.Condition()
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int]] = []
        self._running = 0
        self._next_at = time.monotonic()
        self._stretch = 1.0
        self._stretched_at = self._next_at

    @contextmanager
    def request(self, urgency: float = 0.0) -> Iterator[None]:
        """Holds one place for the length of a request, from the moment that its turn has come.

        Raises:
            Stopping: the process is stopping; nothing more is asked.
        """
        self._enter(urgency)
        try:
            yield
        finally:
            with self._turns:
                self._running -= 1
                self._turns.notify_all()

    def slow_down(self, asked_at: float) -> None:
        """Halves the pace, as the source says that we are too fast; it recovers slowly.

        `asked_at` is when it was asked, by the monotonic clock: what was under way when the pace was halved says
        nothing about the slower one.
        """
        with self._turns:
            now = time.monotonic()
            if self._stretch > 1 and asked_at < self._stretched_at:
                return
            self._stretch = min(self._stretch_at(now) * 2, SLOWEST)
            self._stretched_at = now

    def pace(self) -> float:
        """Returns the requests a minute that are allowed at this moment."""
        with self._turns:
            return 60 / (self._gap_seconds * self._stretch_at(time.monotonic()))

    def _enter(self, urgency: float) -> None:
        ticket = (urgency, next(self._numbers))
        with self._turns:
            heapq.heappush(self._waiting, ticket)
            try:
                while (wait := self._wait_seconds(ticket, time.monotonic())) > 0:
                    if self._stopping.is_set():
                        raise Stopping
                    self._turns.wait(min(wait, _LOOK_SECONDS))
                if self._stopping.is_set():
                    raise Stopping
                self._take_turn(time.monotonic())
            finally:
                self._waiting.remove(ticket)
                heapq.heapify(self._waiting)
                self._turns.notify_all()

    def _wait_seconds(self, ticket: tuple[float, int], now: float) -> float:
        """Returns how long this one has to wait at least; nothing when it is its turn."""
        if self._waiting[0] != ticket or self._running >= self.concurrency:
            return LAST
        return self._next_at - now

    def _take_turn(self, now: float) -> None:
        """Unused moments are not saved up: the gap runs from now."""
        self._running += 1
        self._next_at = max(self._next_at, now) + self._gap_seconds * self._stretch_at(now)

    def _stretch_at(self, now: float) -> float:
        halvings = (now - self._stretched_at) / RECOVERY_SECONDS
        return 1 + (self._stretch - 1) * math.pow(0.5, halvings)
