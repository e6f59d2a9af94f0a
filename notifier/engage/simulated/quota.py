"""How much the simulated API puts up with: so many requests at once, and so many in a minute."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """The documented ceilings of one client address; None stands for no ceiling."""

    per_minute: int | None = 3000
    at_once: int | None = 4
    retry_after: int | None = None  # seconds to send as Retry-After, which the API does not document


class Quota:
    """Counts requests while they are handled, and over the last minute; one that is refused costs nothing."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.peak = 0  # most requests ever handled at once
        self._lock = Lock()
        self._handled = 0
        self._passed: deque[datetime] = deque()  # moments of the requests of the last minute

    def enter(self, now: datetime) -> str | None:
        """Let a request in, or say which ceiling it hits."""
        limits = self.limits
        with self._lock:
            if limits.at_once is not None and self._handled >= limits.at_once:
                return f"more than {limits.at_once} concurrent requests"
            if limits.per_minute is not None and self._in_last_minute(now) >= limits.per_minute:
                return f"more than {limits.per_minute} requests a minute"
            self._handled += 1
            self.peak = max(self.peak, self._handled)
            self._passed.append(now)
            return None

    def leave(self) -> None:
        """A request that was let in has been handled."""
        with self._lock:
            self._handled -= 1

    def _in_last_minute(self, now: datetime) -> int:
        while self._passed and self._passed[0] <= now - MINUTE:
            self._passed.popleft()
        return len(self._passed)
