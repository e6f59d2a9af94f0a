"""The budget of an address: how many requests a minute, and how many at once, the vendor's limit leaves us."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from notifier.errors import Stopping


class Budget:
    """Paces requests evenly and bounds how many run at once; shared by whatever talks to one address."""

    def __init__(self, requests_per_minute: int, concurrency: int, stopping: threading.Event) -> None:
        self.concurrency = concurrency
        self._gap_seconds = 60 / requests_per_minute
        self._places = threading.Semaphore(concurrency)
        self._stopping = stopping
        self._lock = threading.Lock()
        self._next_at = time.monotonic()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Holds one place for the length of a request, from the moment that the pace allows.

        Raises:
            Stopping: the process is stopping; nothing more is asked.
        """
        with self._places:
            if self._stopping.wait(self._wait_seconds()):
                raise Stopping
            yield

    def _wait_seconds(self) -> float:
        """Takes the next free moment and returns how far away it is; unused moments are not saved up."""
        with self._lock:
            now = time.monotonic()
            turn = max(self._next_at, now)
            self._next_at = turn + self._gap_seconds
            return turn - now
