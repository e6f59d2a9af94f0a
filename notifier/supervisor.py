"""Runs one daemon after the other over one store: a new one whenever what people wrote has changed for the better.

The former one ends all its steps before the next one begins, so that nothing is done by two of them, or by none.
"""

import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType

import structlog

from notifier.daemon import GRACE_SECONDS, Daemon
from notifier.errors import StoreError
from notifier.lane import Left, within
from notifier.store_watch import StoreWatch

log = structlog.get_logger(__name__)

SIGNAL_SECONDS = 0.5
"""How long a signal may stay unheard."""

HANDOVER_SECONDS = 60.0
"""How long polls may take to end before the next daemon takes over. A send in hand is awaited however long it takes,
which its channel's time-out bounds: else it would be made twice."""

Renew = Callable[[bool], Daemon | None]
"""Returns the daemon that is to take over, or None; it is told whether a person asked for it just now."""


def _never(_asked: bool) -> None:  # noqa: FBT001 - a `Renew`
    """For a daemon whose rules stay as they are."""


class Supervisor:
    """Runs daemons until a signal says stop; build it once, then `run`."""

    def __init__(self, daemon: Daemon, renew: Renew = _never) -> None:
        self._daemon = daemon
        self._renew = renew
        self._stopping = threading.Event()
        self._asked = threading.Event()
        self._signals: Sequence[int] = (signal.SIGTERM, signal.SIGINT, *_hangup())

    def run(self) -> int:
        """Polls and sends until SIGTERM, SIGINT or the end of a lane; returns the exit code.

        Ends within ten seconds of the signal: the steps in hand are finished, or left to the next start.
        """
        previous = {number: signal.signal(number, self._signalled) for number in self._signals}
        try:
            self._daemon.start()
            # A signal that comes just before a wait is not heard during it: Python runs handlers between its own steps.
            while not self._daemon.stopping.is_set() and not self._stopping.wait(SIGNAL_SECONDS):
                self._look()
        finally:
            self._daemon.stop()
            for number, handler in previous.items():
                signal.signal(number, handler)
        return 1 if self._daemon.broken else 0

    def _look(self) -> None:
        """Lets the next daemon take over, where there is one."""
        asked = self._asked.is_set()
        self._asked.clear()
        following = self._renew(asked)
        if following is None:
            return
        self._daemon.stop(self._unless_stopping(HANDOVER_SECONDS), self._unless_stopping(float("inf")))
        broken, self._daemon = self._daemon.broken, following
        if broken:
            self._daemon.stopping.set()
        else:
            self._begin()

    def _begin(self) -> None:
        """Starts the daemon that takes over; while the store can't be used it waits, as the former would."""
        watch = StoreWatch()
        while not self._stopping.is_set():
            try:
                self._daemon.start(resumed=True)
            except StoreError as error:
                watch.failed(self, error)
                self._stopping.wait(SIGNAL_SECONDS)
            else:
                watch.worked(self)
                return

    def _unless_stopping(self, seconds: float) -> Left:
        """Returns how many of these seconds are left, asked again and again; of the grace once it is time to stop."""
        usual, grace = within(seconds), list[Left]()

        def left() -> float:
            if not self._stopping.is_set():
                return usual()
            if not grace:
                grace.append(within(GRACE_SECONDS))
            return min(usual(), grace[0]())

        return left

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        # In a thread of its own: the handler may have interrupted whoever holds the lock of the event, or of a log.
        threading.Thread(target=self._hear, args=(number,), name="signalled").start()

    def _hear(self, number: int) -> None:
        log.info("signalled", signal=signal.Signals(number).name)
        (self._asked if number in _hangup() else self._stopping).set()


def _hangup() -> Sequence[int]:
    """Returns the signal that asks for a reload; there is none on Windows."""
    return [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []
