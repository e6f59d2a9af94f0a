"""The send line of one channel: claim what is due, render, send with no transaction open, settle, record.

It knows of the poll line only the rows of the outbox. Each channel has a lane of its own, so that one that hangs
or fails delays no other.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog

from notifier.channels.channel import Channel
from notifier.channels.parcel import Parcel
from notifier.clock import Clock
from notifier.core.delivery import Outcome, Reason, Result, Settlement, State, after_attempt
from notifier.core.document import document
from notifier.core.event import Event
from notifier.core.message import Renderer, TemplateFailed
from notifier.core.rule import Rule
from notifier.store import outbox
from notifier.store.database import Store
from notifier.store.outbox import Claimed

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt and what it came to."""

    delivery_id: str
    event: Event
    rule: str
    channel: str
    outcome: Outcome
    settlement: Settlement


@dataclass(frozen=True, slots=True)
class _Ended:
    claimed: Claimed
    outcome: Outcome
    settlement: Settlement
    at: datetime


class Sender:
    """Sends the deliveries of one channel; used by one thread at a time."""

    def __init__(
        self,
        channel: Channel,
        store: Store,
        rules: Mapping[str, Rule],
        zone: ZoneInfo,
        clock: Clock,
    ) -> None:
        self.channel = channel
        self._store = store
        self._rules = rules
        self._clock = clock
        self._renderer = Renderer(zone, channel.target)
        # What was sent and could not be recorded, as with a full disk: it is recorded first when the store is back.
        self._unrecorded: _Ended | None = None
        self._draw = random.Random().random  # noqa: S311 - spreads retries, keeps no secret

    def send_one(self) -> Sent | None:
        """Sends the first delivery that is due and returns what it came to; None when nothing is due.

        Raises:
            StoreError: the store can't be written; an attempt that was made is recorded by the next call.
        """
        if self._unrecorded is None:
            claimed = self._claim()
            if claimed is None:
                return None
            outcome, now = self._attempt(claimed), self._clock()
            settlement = after_attempt(claimed.attempt, outcome, now, self._draw())
            self._unrecorded = _Ended(claimed, outcome, settlement, now)
        return self._record(self._unrecorded)

    def next_due(self) -> datetime | None:
        """Returns when the next delivery may be claimed; None while the outbox holds none for this channel."""
        with self._store.reading() as tx:
            return outbox.next_due(tx, self.channel.name)

    def _record(self, ended: _Ended) -> Sent:
        claimed, outcome, settlement = ended.claimed, ended.outcome, ended.settlement
        with self._store.writing() as tx:
            outbox.record(tx, claimed, outcome, settlement, ended.at)
        self._unrecorded = None
        sent = Sent(claimed.delivery.id, claimed.event, claimed.delivery.rule, self.channel.name, outcome, settlement)
        self._tell(sent, claimed.attempt)
        return sent

    def _claim(self) -> Claimed | None:
        # Looked at first without a write transaction: an idle lane keeps no other from writing.
        due = self.next_due()
        now = self._clock()
        if due is None or due > now:
            return None
        with self._store.writing() as tx:
            claimed = outbox.claim(tx, self.channel.name, now, limit=1)
        return claimed[0] if claimed else None

    def _attempt(self, claimed: Claimed) -> Outcome:
        delivery, event, now = claimed.delivery, claimed.event, self._clock()
        rule = self._rules.get(delivery.rule) or _removed(delivery.rule)
        try:
            message = self._renderer.render(event, rule, now)
        except TemplateFailed as failure:
            return Outcome(Result.DEAD, Reason.TEMPLATE, detail=str(failure))
        return self.channel.send(Parcel(delivery.id, message, document(event, delivery.rule), now))

    def _tell(self, sent: Sent, attempt: int) -> None:
        told = log.bind(
            delivery=sent.delivery_id,
            event_id=sent.event.id,
            appointment=sent.event.after.id,
            rule=sent.rule,
            channel=sent.channel,
            attempt=attempt,
            reason=sent.outcome.reason.value,
        )
        if sent.settlement.state is State.DELIVERED:
            told.info("delivered")
        elif sent.settlement.state is State.DEAD:
            told.error("delivery_dead", detail=sent.outcome.detail)
        else:
            told.warning("delivery_retried", detail=sent.outcome.detail)


def _removed(name: str) -> Rule:
    """Stands for a rule that was taken out after its event was committed: what is owed goes out, in default words."""
    return Rule(name=name, description="", requirements=(), channels=())
