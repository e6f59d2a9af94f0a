"""The operator's route: looks for troubles, and sends what the operator is to hear of them.

Each channel has a lane for the notices beside that for the deliveries, so that neither waits for the other.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from notifier.clock import Clock
from notifier.config.settings import Settings
from notifier.core.delivery import State
from notifier.errors import StoreError
from notifier.lane import Lane
from notifier.notice_sender import NoticeSender
from notifier.operator import Operator
from notifier.store import notices
from notifier.store.database import Store, Transaction
from notifier.wiring import open_channels

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 10
"""How often somebody should look, beside after every poll: a poll that hangs is a trouble as well."""


class OperatorRoute:
    """From the trouble to the operator. Build it once; then either `start`, or `send_all`."""

    def __init__(
        self, settings: Settings, store: Store, clock: Clock, stopping: threading.Event, broken: Callable[[str], None]
    ) -> None:
        self._clock = clock
        self._operator = Operator(settings, store, clock)
        self._channels = open_channels(settings, settings.operator.channels)
        self._senders = [NoticeSender(channel, store, clock) for channel in self._channels.values()]
        self._lanes = [Lane(sender, clock, stopping, broken) for sender in self._senders]
        self._failing = False

    def recover(self, tx: Transaction) -> None:
        """Takes up what a dead process left."""
        if interrupted := notices.recover(tx, self._channels.keys(), self._clock()):
            log.warning("notices_interrupted", notices=interrupted)

    def start(self) -> None:
        """Begins to send."""
        for lane in self._lanes:
            lane.start()

    def look(self) -> None:
        """Looks whether something is wrong now, or is over."""
        try:
            owed = self._operator.look()
        except StoreError as error:
            if not self._failing:
                log.error("store_failed", error=str(error))  # noqa: TRY400 - the cause is in the text
            self._failing = True
            return
        self._failing = False
        for lane in self._lanes if owed else ():
            lane.wake()

    def crashed(self, source: str, sweep: str, error: BaseException) -> None:
        """Hears that a mistake of ours ended a poll."""
        try:
            self._operator.crashed(source, sweep, error)
        except StoreError as failure:
            log.error("store_failed", source=source, sweep=sweep, error=str(failure))  # noqa: TRY400
        self.look()

    def send_all(self) -> int:
        """Sends all that is due, here and now; returns how much of it was not delivered.

        Raises:
            StoreError: the store can't be used.
        """
        with ThreadPoolExecutor(max(len(self._senders), 1)) as lanes:
            return sum(lanes.map(_drain, self._senders))

    def join(self, timeout_seconds: Callable[[], float]) -> None:
        """Waits for the sends in hand, each no longer than there is time left."""
        for lane in self._lanes:
            lane.join(timeout_seconds())

    def close(self) -> None:
        """Closes what the channels keep open."""
        for channel in self._channels.values():
            channel.close()


def _drain(sender: NoticeSender) -> int:
    failures = 0
    while (settlement := sender.send_one()) is not None:
        failures += settlement.state is not State.DELIVERED
    return failures
