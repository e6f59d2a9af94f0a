"""The operator's route: looks for troubles, and sends what the operator is to hear of them.

Each channel has a lane for the notices beside that for the deliveries, so that neither waits for the other.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from notifier.channels.heartbeat import Monitor
from notifier.clock import Clock
from notifier.config.settings import Settings
from notifier.core.delivery import State
from notifier.core.sweep import SweepRun
from notifier.errors import StoreError
from notifier.heartbeat import Heart
from notifier.lane import Lane, Left, await_end, drain
from notifier.notice_sender import NoticeSender
from notifier.operator import Operator
from notifier.store import notices
from notifier.store.database import Store, Transaction
from notifier.store_watch import StoreWatch
from notifier.wiring import open_channels, policies_of

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 10
"""How often somebody should look, beside after every poll: a poll that hangs is a trouble as well."""


class OperatorRoute:
    """From the trouble to the operator. Build it once; then either `start`, or `send_all`."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        stopping: threading.Event,
        broken: Callable[[str], None],
        watch: StoreWatch,
        ticks: Callable[[], float] = time.monotonic,
        refusal: Callable[[], str] = lambda: "",
    ) -> None:
        self._clock = clock
        url = settings.operator.heartbeat_url
        monitor = None if url is None else Monitor(url.get_secret_value())
        self._heart = Heart(monitor, settings.sources, clock, stopping)
        self._operator = Operator(settings, store, clock, ticks, self._heart.last, refusal)
        self._channels = open_channels(settings, settings.operator.channels)
        policies = policies_of(settings, self._channels)
        self._senders = [
            NoticeSender(channel, store, clock, policies[name]) for name, channel in self._channels.items()
        ]
        self._lanes = [Lane(sender, clock, stopping, broken, watch) for sender in self._senders]
        self._watch = watch

    def recover(self, tx: Transaction) -> None:
        """Takes up what a dead process left."""
        if interrupted := notices.recover(tx, self._channels.keys(), self._clock()):
            log.warning("notices_interrupted", notices=interrupted)

    def start(self) -> None:
        """Begins to send."""
        for lane in self._lanes:
            lane.start()
        self._heart.start()

    def polled(self, run: SweepRun) -> None:
        """Hears what a poll came to."""
        self._heart.polled(run)

    def beat(self) -> None:
        """Tells the monitor outside, here and now, that all sources were polled."""
        self._heart.beat()

    def look(self) -> None:
        """Looks whether something is wrong now, or is over."""
        try:
            owed = self._operator.look()
        except StoreError as error:
            self._watch.failed(self, error)
            return
        self._watch.worked(self)
        for lane in self._lanes if owed else ():
            lane.wake()

    def crashed(self, source: str, sweep: str, error: BaseException) -> None:
        """Hears that a mistake of ours ended a poll."""
        try:
            self._operator.crashed(source, sweep, error)
        except StoreError as failure:
            self._watch.failed(self, failure, source=source, sweep=sweep)
        self.look()

    def send_all(self) -> int:
        """Sends all that is due, here and now; returns how much of it was not delivered.

        Raises:
            StoreError: the store can't be used.
        """
        with ThreadPoolExecutor(max(len(self._senders), 1)) as lanes:
            return sum(lanes.map(_send_all, self._senders))

    def join(self, left: Left) -> None:
        """Waits for the sends in hand while there are seconds left."""
        for lane in self._lanes:
            await_end(lane.join, left)
        await_end(self._heart.join, left)

    def close(self) -> None:
        """Closes what the channels keep open."""
        for sender in self._senders:
            sender.close()


def _send_all(sender: NoticeSender) -> int:
    return sum(settlement.state is not State.DELIVERED for settlement in drain(sender))
