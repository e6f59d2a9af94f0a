"""The watch over the store: says once that it can't be used, and once that it can be again, whoever notices.

Lanes, sweeps and the operator's look all work on one store. What ails it would else be told by each of them.
"""

import threading
from collections.abc import Hashable

import structlog

from notifier.errors import StoreError

log = structlog.get_logger(__name__)


class StoreWatch:
    """Knows who can't work for the store's sake; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stuck: set[Hashable] = set()

    @property
    def failing(self) -> bool:
        """Whether somebody could not work when he last tried."""
        return bool(self._stuck)

    def failed(self, who: Hashable, error: StoreError, **where: str) -> None:
        """Hears that somebody could not do what he was about to; he is to try again."""
        with self._lock:
            begins = not self._stuck
            self._stuck.add(who)
        if begins:
            log.error("store_failed", error=str(error), **where)

    def worked(self, who: Hashable) -> None:
        """Hears that somebody could do all that he was about to."""
        with self._lock:
            before = bool(self._stuck)
            self._stuck.discard(who)
            ends = before and not self._stuck
        if ends:
            log.info("store_recovered")
