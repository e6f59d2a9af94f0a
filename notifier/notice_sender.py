"""Sends the notices of one channel: claim what is due, send with no transaction open, settle, record.

It has a lane and an open channel of its own, beside those of the deliveries: a delivery to the same channel that
hangs would else hold back the news that something is wrong, and Apprise's plugins are not made for two threads.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from notifier.channels.channel import Channel
from notifier.channels.parcel import Parcel
from notifier.channels.patience import PatientChannel
from notifier.clock import Clock
from notifier.core.delivery import Outcome, Settlement, State
from notifier.core.notice import document_of, message_of
from notifier.core.policy import PATIENT, Policy, Trial, after_attempt
from notifier.pace import Ending, Pace, never
from notifier.store import notices
from notifier.store.database import Store
from notifier.store.notices import ClaimedNotice

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Ended:
    claimed: ClaimedNotice
    outcome: Outcome
    settlement: Settlement
    at: datetime


class NoticeSender:
    """Sends the notices of one channel; used by one thread at a time."""

    def __init__(self, channel: Channel, store: Store, clock: Clock, policy: Policy = PATIENT) -> None:
        self.channel = channel
        self._patient = PatientChannel(channel, policy.timeout)
        self._pace = Pace(policy.interval)
        self._store = store
        self._clock = clock
        # What was sent and could not be recorded; it is recorded first when the store is back.
        self._unrecorded: _Ended | None = None
        self._draw = random.Random().random  # noqa: S311 - spreads retries, keeps no secret

    def send_due(self, stopping: Ending = never) -> Iterator[Settlement]:
        """Sends all that may go out now, until it is told to stop, and yields what became of each.

        Raises:
            StoreError: as `send_one`.
        """
        while not stopping() and (came := self.send_one()):
            yield came

    def send_one(self) -> Settlement | None:
        """Sends the first notice that is due and returns what became of it; None when nothing is due.

        Raises:
            StoreError: the store can't be written; an attempt that was made is recorded by the next call.
        """
        if self._unrecorded is None:
            claimed = self._claim()
            if claimed is None:
                return None
            outcome, now = self._attempt(claimed), self._clock()
            trial = Trial(tries=claimed.attempt, made_at=claimed.notice.made_at)
            self._unrecorded = _Ended(claimed, outcome, after_attempt(trial, outcome, now, self._draw()), now)
        return self._record(self._unrecorded)

    def settle(self) -> None:
        """Records what was sent and could not be recorded.

        Raises:
            StoreError: the store can't be written.
        """
        if self._unrecorded is not None:
            self._record(self._unrecorded)

    def next_due(self) -> datetime | None:
        """Returns when the next notice may be claimed.

        None while there is none for this channel, and while sends to it hang.
        """
        return self._pace.next_send(self._look(), self._clock())

    def kept_back(self) -> timedelta | None:
        """Returns how long the pace keeps back what is due and could go out; None where there is nothing."""
        return self._pace.keeps_back(self._look(), self._clock())

    def close(self) -> None:
        """Closes the channel."""
        self._patient.close()

    def _look(self) -> datetime | None:
        """Returns when the next notice is due that can be sent; none can while too many hang."""
        if not self._patient.ready:
            return None
        with self._store.reading() as tx:
            return notices.next_due(tx, self.channel.name)

    def _claim(self) -> ClaimedNotice | None:
        due, now = self.next_due(), self._clock()
        if due is None or due > now:
            return None
        with self._store.writing() as tx:
            return notices.claim(tx, self.channel.name, now)

    def _attempt(self, claimed: ClaimedNotice) -> Outcome:
        notice = claimed.notice
        message = message_of(notice, self.channel.target)
        self._pace.begin()
        return self._patient.send(Parcel(notice.id, message, document_of(notice), self._clock()))

    def _record(self, ended: _Ended) -> Settlement:
        with self._store.writing() as tx:
            notices.record(tx, ended.claimed, ended.outcome, ended.settlement, ended.at)
        self._unrecorded = None
        self._tell(ended)
        return ended.settlement

    def _tell(self, ended: _Ended) -> None:
        notice = ended.claimed.notice
        told = log.bind(
            notice=notice.id,
            trouble=notice.trouble,
            edge=notice.edge.value,
            channel=self.channel.name,
            attempt=ended.claimed.attempt,
            reason=ended.outcome.reason.value,
        )
        if ended.settlement.state is State.DELIVERED:
            told.info("notice_delivered")
        elif ended.settlement.state is State.DEAD:
            told.error("notice_dead", detail=ended.outcome.detail)
        else:
            told.warning("notice_retried", detail=ended.outcome.detail)
