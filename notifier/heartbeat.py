"""The heartbeat: tells a monitor outside, after every cycle in which all sources were polled, that we live.

It has a thread of its own, so that it delays nothing; what comes round while it beats is one more beat, and no queue.
"""

import threading
from collections.abc import Collection

import structlog

from notifier.channels.heartbeat import Monitor
from notifier.clock import Clock
from notifier.core.checkup import Heartbeat
from notifier.core.sweep import ANSWERED, SweepRun

log = structlog.get_logger(__name__)


class Heart:
    """Beats once for each cycle. Build it once; then either `start`, or `beat`."""

    def __init__(
        self, monitor: Monitor | None, sources: Collection[str], clock: Clock, stopping: threading.Event
    ) -> None:
        """Without a monitor it does nothing."""
        self._monitor = monitor
        self._sources = frozenset(sources)
        self._clock = clock
        self._stopping = stopping
        self._lock = threading.Lock()
        #: Sources that were not polled yet in this cycle.
        self._missing = set(self._sources)
        self._due = threading.Event()
        self._last: Heartbeat | None = None
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def start(self) -> None:
        """Begins to beat."""
        if self._monitor is not None:
            self._thread.start()

    def polled(self, run: SweepRun) -> None:
        """Hears what a poll came to; the last source that answers ends the cycle."""
        if run.outcome not in ANSWERED:
            return
        with self._lock:
            self._missing.discard(run.source)
            if self._missing:
                return
            self._missing = set(self._sources)
        self._due.set()

    def last(self) -> Heartbeat | None:
        """Returns how the last beat fared; None before the first."""
        return self._last

    def beat(self) -> None:
        """Beats once, here and now."""
        if self._monitor is None:
            return
        error = self._monitor.fetch()
        before, now = self._last, self._clock()
        since = before.failing_since if before else None
        if not error:
            self._last = Heartbeat(now)
            if since is not None:
                log.info("heartbeat_recovered")
            return
        self._last = Heartbeat(now, since or now, error)
        if since is None:
            log.warning("heartbeat_failed", error=error)

    def join(self, timeout_seconds: float) -> bool:
        """Waits for the beat in hand, but no longer than this; returns whether that has ended."""
        self._due.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._stopping.is_set():
                return
            self.beat()
