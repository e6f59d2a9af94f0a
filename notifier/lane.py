"""A lane: the thread in which one channel is sent what it is owed, so that a slow channel delays no other."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from notifier.channels.channel import Channel
from notifier.clock import Clock
from notifier.errors import StoreError
from notifier.pace import Ending
from notifier.store_watch import StoreWatch

BEAT = timedelta(seconds=5)
"""How often a lane looks at the outbox unasked; a wake-up after a poll is only a hint."""


Came_co = TypeVar("Came_co", covariant=True)


Left = Callable[[], float]
"""Says for how many more seconds something is awaited; asked again and again, since that may change."""


def within(seconds: float) -> Left:
    """Says how many of these seconds, from now on, are left."""
    end = time.monotonic() + seconds
    return lambda: max(end - time.monotonic(), 0)


ASK_SECONDS = 0.5
"""How often."""


def await_end(join: Callable[[float], bool], left: Left) -> None:
    """Waits until something has ended, while there are seconds left; `join` waits so long and says whether it has."""
    while not join(min(max(left(), 0), ASK_SECONDS)) and left() > 0:
        pass


class Sends(Protocol[Came_co]):
    """What sends one channel what it is owed: deliveries, or notices."""

    @property
    def channel(self) -> Channel:
        """Where it goes."""

    def send_due(self, stopping: Ending = ...) -> Iterator[Came_co]:
        """Sends all that may go out now, until it is told to stop, and yields what each came to."""

    def settle(self) -> None:
        """Records what was sent and is not on record yet, and begins nothing.

        Raises:
            StoreError: the store can't be written.
        """

    def next_due(self) -> datetime | None:
        """Returns when the next may go out; None while nothing may."""

    def kept_back(self) -> timedelta | None:
        """Returns how long the pace keeps back what is due and could go out; None where there is nothing."""


def drain(sender: Sends[Came_co]) -> Iterator[Came_co]:
    """Sends all that is due, as fast as its channel wants it, and yields what each came to."""
    while True:
        yield from sender.send_due()
        wait = sender.kept_back()
        if wait is None:
            return
        threading.Event().wait(wait.total_seconds())


class Lane:
    """Sends what one channel is owed until it is told to stop."""

    def __init__(
        self,
        sender: Sends[object],
        clock: Clock,
        stopping: threading.Event,
        broken: Callable[[str], None],
        watch: StoreWatch | None = None,
    ) -> None:
        self.name = sender.channel.name
        self._sender = sender
        self._clock = clock
        self._stopping = stopping
        self._broken = broken
        self._wake = threading.Event()
        self._watch = watch or StoreWatch()
        # A send that hangs must not hold up the end of the process: what it was sending is sent again.
        self._thread = threading.Thread(target=self._run, name=f"lane-{self.name}", daemon=True)

    def start(self) -> None:
        """Begins to send."""
        self._thread.start()

    def wake(self) -> None:
        """Hints that something may be due."""
        self._wake.set()

    def join(self, timeout_seconds: float) -> bool:
        """Waits for the send in hand, but no longer than this; returns whether that has ended."""
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        """Sends until stopped; a lane that ends by itself is reported, since a half-alive daemon is worse than none."""
        try:
            while not self._stopping.is_set():
                self._wake.wait(self._step().total_seconds())
                self._wake.clear()
            # What was sent and is not on record would be sent again by whoever comes next.
            while not self._settled():
                self._wake.wait(ASK_SECONDS)
                self._wake.clear()
        finally:
            if not self._stopping.is_set():
                self._broken(self.name)

    def _settled(self) -> bool:
        try:
            self._sender.settle()
        except StoreError as error:
            self._watch.failed(self, error, channel=self.name)
            return False
        self._watch.worked(self)
        return True

    def _step(self) -> timedelta:
        """Sends everything that is due; returns how long there is nothing to do."""
        try:
            for _ in self._sender.send_due(self._stopping.is_set):
                pass
            due = self._sender.next_due()
        except StoreError as error:
            self._watch.failed(self, error, channel=self.name)
            return BEAT
        self._watch.worked(self)
        return BEAT if due is None else min(BEAT, max(due - self._clock(), timedelta(0)))
