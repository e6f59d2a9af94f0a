"""The pace of a channel: the least time from the begin of one send to that of the next, and whether there is a next."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

Ending = Callable[[], bool]
"""Says before each send whether to stop."""


def never() -> bool:
    """Lets all be sent that is due."""
    return False


class Pace:
    """Knows when the last send began; used by one thread at a time.

    It goes by a clock that nobody sets, and knows nothing of a former process.
    """

    def __init__(self, interval: timedelta, ticks: Callable[[], float] = time.monotonic) -> None:
        self._interval_seconds = interval.total_seconds()
        self._ticks = ticks
        self._next_at = ticks()

    def begin(self) -> None:
        """Takes note that a send begins."""
        self._next_at = self._ticks() + self._interval_seconds

    @property
    def waits(self) -> bool:
        """Whether the next send has to wait."""
        return bool(self._wait())

    def next_send(self, due_at: datetime | None, now: datetime) -> datetime | None:
        """Returns when what is due then may be sent; None for nothing."""
        wait = self._wait()
        return due_at if due_at is None or not wait else max(due_at, now + wait)

    def keeps_back(self, due_at: datetime | None, now: datetime) -> timedelta | None:
        """Returns how much longer what is due has to wait for nothing but the pace; None for what is not due."""
        return None if due_at is None or due_at > now else self._wait()

    def _wait(self) -> timedelta:
        return timedelta(seconds=max(self._next_at - self._ticks(), 0))
