"""The send line of one channel: claim what is due, render, send with no transaction open, settle, record.

It knows of the poll line only the rows of the outbox. Each channel has a lane of its own, so that one that hangs
or fails delays no other. How the lane stands is asked before anything is claimed, so that what waits for a channel that
fails is not tried in vain; it is put on record together with each attempt.
"""

import random
import sqlite3
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from notifier.channels.channel import Channel
from notifier.channels.parcel import Parcel
from notifier.channels.patience import PatientChannel
from notifier.clock import Clock
from notifier.core.bundle import BundleKind, read_bundle
from notifier.core.delivery import Outcome, Reason, Result, Settlement, State
from notifier.core.digest import DOCUMENT_LIMIT, Gathered, digest, digest_document, gathered
from notifier.core.directory import Directory
from notifier.core.document import document, document_size
from notifier.core.event import Event
from notifier.core.grant import NO_TEXTS, USUAL, Excerpt, Grant, Texts, mask
from notifier.core.message import WORDLESS, Message, Renderer
from notifier.core.policy import PATIENT, Policy, Trial, after_attempt, read_outcome
from notifier.core.readers import Readers
from notifier.core.recheck import Terms
from notifier.core.recipients import NOBODY_ELSE, Recipients
from notifier.core.rule import Rule
from notifier.core.standing import OPEN, Standing, after_send, next_send
from notifier.core.template import TemplateFailed
from notifier.pace import Ending, Pace, never
from notifier.store import lanes, outbox, texts
from notifier.store.backlog import Superseded
from notifier.store.bundles import AMPLE, Room
from notifier.store.claimed import Claimed
from notifier.store.database import Store, Transaction
from notifier.store.driver import driver

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
    #: What else its message told.
    others: tuple[Event, ...] = ()

    @property
    def told(self) -> int:
        """How many deliveries its message told."""
        return 1 + len(self.others)


@dataclass(frozen=True, slots=True)
class _Owed:
    """What is claimed, with the personal texts that go with it."""

    claimed: Claimed
    #: By the ids of the deliveries that the message tells.
    texts: Mapping[str, Texts]


@dataclass(frozen=True, slots=True)
class _Ended:
    claimed: Claimed
    outcome: Outcome
    #: The same as the channel's policy sees it.
    seen: Outcome
    settlement: Settlement
    at: datetime
    #: Whether it was one of the message's tries.
    counts: bool


def _always() -> bool:
    return True


class Sender:
    """Sends the deliveries of one channel; used by one thread at a time."""

    def __init__(
        self,
        channel: Channel,
        store: Store,
        rules: Mapping[str, Rule],
        readers: Readers,
        clock: Clock,
        policy: Policy = PATIENT,
        grant: Grant = USUAL,
        recipients: Recipients = NOBODY_ELSE,
    ) -> None:
        self.channel = channel
        self._store = store
        self._rules = rules
        self._clock = clock
        self._policy = policy
        self._terms = Terms(policy.recheck_after, rules, recipients)
        self._grant = grant
        self._patient = PatientChannel(channel, policy.timeout)
        self._pace = Pace(policy.interval)
        #: As it was when it was last asked.
        self._standing = OPEN
        self._renderer = Renderer(readers, channel.target)
        #: Those who read what is claimed from now on: what is claimed is told as it was weighed.
        self._readers = readers
        self._room = AMPLE if channel.shows_words else Room(DOCUMENT_LIMIT, self._weigh)
        # What was sent and could not be recorded, as with a full disk: it is recorded first when the store is back.
        self._unrecorded: _Ended | None = None
        #: What was claimed when the one before was recorded: one commit is enough for both.
        self._ahead: _Owed | None = None
        self._draw = random.Random().random  # noqa: S311 - spreads retries, keeps no secret

    def send_due(self, stopping: Ending = never) -> Generator[Sent, None, None]:
        """Sends all that may go out now, until it is told to stop, and yields what each came to.

        Raises:
            StoreError: the store can't be written; an attempt that was made is recorded by the next call.
        """
        self._hand_back()
        try:
            while not stopping() and (sent := self._send(stopping)):
                yield sent
        finally:
            self._hand_back()

    def send_one(self) -> Sent | None:
        """Sends the first delivery that may go out now and returns what it came to; None when there is none.

        Raises:
            StoreError: as `send_due`.
        """
        self._hand_back()
        return self._send(_always)

    def settle(self) -> None:
        """Records what was sent and could not be recorded, and gives back what was claimed and not begun.

        Raises:
            StoreError: the store can't be written.
        """
        self._hand_back()
        if self._unrecorded is not None:
            self._record(self._unrecorded, _always)

    def rename(self, directories: Mapping[str, Directory]) -> None:
        """Takes what the sources call things, from any thread; what is claimed from now on says so."""
        self._readers = replace(self._readers, directories=directories)

    def next_due(self) -> datetime | None:
        """Returns when the next delivery may be claimed.

        None while there is none for this channel, and while that is switched off.
        """
        return self._pace.next_send(self._look(), self._clock())

    def kept_back(self) -> timedelta | None:
        """Returns how long the pace keeps back what is due and could go out; None where there is nothing."""
        return self._pace.keeps_back(self._look(), self._clock())

    def close(self) -> None:
        """Closes the channel."""
        self._patient.close()

    def _send(self, stopping: Ending) -> Sent | None:
        """Sends one; claims the next when it records that, unless it is told to stop."""
        if self._unrecorded is None:
            owed, self._ahead = self._ahead or self._claim(), None
            if owed is None:
                return None
            self._unrecorded = self._end(owed.claimed, self._attempt(owed))
        return self._record(self._unrecorded, stopping)

    def _hand_back(self) -> None:
        """Gives back what was claimed and not begun."""
        if self._ahead is not None:
            with self._store.writing_plainly() as connection:
                outbox.hand_back(connection, self._ahead.claimed)
            self._ahead = None

    def _look(self) -> datetime | None:
        """Asks how the lane stands, and returns when that lets the next delivery be claimed."""
        with self._store.reading() as tx:
            self._standing = lanes.standing(tx, self.channel.name)
            return next_send(self._standing, outbox.next_due(tx, self.channel.name))

    def _end(self, claimed: Claimed, outcome: Outcome) -> _Ended:
        """Decides what an attempt means for its delivery."""
        now, seen = self._clock(), read_outcome(outcome, self._policy)
        of_channel = self._standing.is_paused or after_send(self._standing, seen, now).is_off
        trial = Trial(tries=claimed.tries, made_at=claimed.delivery.not_before or claimed.made_at, probe=of_channel)
        settlement = after_attempt(trial, outcome, now, self._draw(), self._policy)
        return _Ended(claimed, outcome, seen, settlement, now, counts=not of_channel)

    def _record(self, ended: _Ended, stopping: Ending) -> Sent:
        claimed, outcome, settlement = ended.claimed, ended.outcome, ended.settlement
        if self._standing == OPEN and ended.seen.result is Result.DELIVERED:
            # As nearly always; nobody else closes a lane, so that there is nothing to advance.
            self._record_and_claim(ended, stopping)
        else:
            with self._store.writing() as tx:
                outbox.record(driver(tx), claimed, outcome, settlement, ended.at, counts=ended.counts)
                before, after = self._advance(tx, ended.seen, ended.at)
            self._tell_edge(before, after)
        self._unrecorded = None
        sent = Sent(
            claimed.delivery.id,
            claimed.event,
            claimed.delivery.rule,
            self.channel.name,
            outcome,
            settlement,
            tuple(one.event for one in claimed.members),
        )
        self._tell(sent, claimed.attempt)
        return sent

    def _record_and_claim(self, ended: _Ended, stopping: Ending) -> None:
        """Records a delivery, and claims the next one if it may go out at once; the last one is written through."""
        ahead = not stopping() and self._patient.ready and not self._pace.waits
        with self._store.writing_plainly(lazily=ahead) as connection:
            outbox.record(connection, ended.claimed, ended.outcome, ended.settlement, ended.at, counts=ended.counts)
            if ahead:
                self._renderer.readers = self._readers
                young = self._terms.after
                claimed = outbox.claim_young(connection, self.channel.name, self._clock(), young)
                self._ahead = None if claimed is None else self._owed(connection, claimed)

    def _advance(self, tx: Transaction, seen: Outcome, now: datetime) -> tuple[Standing, Standing]:
        """Puts on record what a send says about the channel; returns how the lane stood, and how it stands."""
        # Meanwhile a person may have opened it.
        before = lanes.standing(tx, self.channel.name)
        after = after_send(before, seen, now)
        if after != before:
            lanes.keep(tx, self.channel.name, after)
        return before, after

    def _owed(self, connection: sqlite3.Connection, claimed: Claimed) -> _Owed:
        """Takes along the personal texts that are owed with a delivery."""
        return _Owed(claimed, {one.delivery.id: self._texts(connection, one) for one in claimed.together})

    def _texts(self, connection: sqlite3.Connection, claimed: Claimed) -> Texts:
        if not self._grant.personal:
            return NO_TEXTS
        return texts.of_delivery(connection, claimed.delivery.id, claimed.event.after)

    def _document(self, excerpt: Excerpt, rule: str) -> Mapping[str, object]:
        return document(excerpt, rule, self._renderer.readers.directory_of(excerpt.event.source))

    def _weigh(self, connection: sqlite3.Connection, claimed: Claimed) -> int:
        """Returns how many bytes of a document a delivery takes."""
        excerpt = mask(claimed.event, self._grant, self._texts(connection, claimed))
        return document_size(self._document(excerpt, claimed.delivery.rule))

    def _claim(self) -> _Owed | None:
        """Claims a delivery, after a look at how the lane stands."""
        # Looked at first without a write transaction: an idle lane keeps no other from writing.
        due = self.next_due()
        now = self._clock()
        if due is None or due > now:
            return None
        if not self._patient.ready:
            # No message is tried, but that nothing can be is a failure of the channel.
            with self._store.writing() as tx:
                before, after = self._advance(tx, self._patient.stuck(), now)
            self._tell_edge(before, after)
            return None
        self._renderer.readers = self._readers
        while True:
            superseded: list[Superseded] = []
            with self._store.writing() as tx:
                claimed = outbox.claim(tx, self.channel.name, now, 1, self._terms, superseded.append, self._room)
                owed = [self._owed(driver(tx), one) for one in claimed]
            _tell_superseded(superseded)
            if owed:
                return owed[0]
            if not superseded:
                return None

    def _attempt(self, owed: _Owed) -> Outcome:
        claimed, now = owed.claimed, self._clock()
        excerpts = [mask(one.event, self._grant, owed.texts[one.delivery.id]) for one in claimed.together]
        told = self._gathered(claimed, excerpts)
        try:
            message = self._message(claimed, told or excerpts[0], now) if self.channel.shows_words else WORDLESS
        except TemplateFailed as failure:
            return Outcome(Result.DEAD, Reason.TEMPLATE, detail=str(failure))
        self._pace.begin()
        delivery = claimed.delivery
        content = (
            digest_document(told, delivery.id, self._renderer.readers.directory_of)
            if told
            else self._document(excerpts[0], delivery.rule)
        )
        outcome = self._patient.send(Parcel(delivery.id, message, content, now))
        # The words of an answer may repeat what was sent, and are put on record.
        private = any(excerpt.texts for excerpt in excerpts)
        return replace(outcome, detail="") if private and outcome.status is not None else outcome

    def _gathered(self, claimed: Claimed, excerpts: Sequence[Excerpt]) -> Gathered | None:
        """Returns what is told together; None for one that is told as if by itself, as what a group has found alone."""
        bundle = None if claimed.delivery.bundle is None else read_bundle(claimed.delivery.bundle)
        if bundle is None or (len(excerpts) == 1 and bundle.kind is not BundleKind.DIGEST):
            return None
        pairs = sorted(zip(claimed.together, excerpts, strict=True), key=lambda pair: pair[0].seq)
        return gathered(bundle, [excerpt for _, excerpt in pairs], self._grant)

    def _message(self, claimed: Claimed, told: Gathered | Excerpt, now: datetime) -> Message:
        if isinstance(told, Gathered):
            return digest(told, self._renderer.readers, self.channel.target, self.channel.room)
        name = claimed.delivery.rule
        return self._renderer.render(told, self._rules.get(name) or _removed(name), now)

    def _tell_edge(self, before: Standing, after: Standing) -> None:
        """Says so when the lane stands otherwise than before."""
        told = log.bind(channel=self.channel.name)
        if after.is_off and not before.is_off:
            told.error("lane_off", failures=after.failures, reason=str(after.reason), detail=after.detail)
        elif after.paused_until and not before.is_paused:
            until = after.paused_until.isoformat()
            told.warning("lane_paused", failures=after.failures, until=until, reason=str(after.reason))
        elif before.is_paused and not after.is_paused and not after.is_off:
            told.info("lane_opened")

    def _tell(self, sent: Sent, attempt: int) -> None:
        told = log.bind(
            delivery=sent.delivery_id,
            event_id=sent.event.id,
            appointment=sent.event.after.id,
            rule=sent.rule,
            channel=sent.channel,
            attempt=attempt,
            reason=sent.outcome.reason.value,
            **({"deliveries": sent.told} if sent.told > 1 else {}),
        )
        if sent.settlement.state is State.DELIVERED:
            told.info("delivered")
        elif sent.settlement.state is State.DEAD:
            told.error("delivery_dead", detail=sent.outcome.detail)
        elif sent.settlement.state is State.UNCERTAIN:
            told.warning("delivery_uncertain", detail=sent.outcome.detail)
        else:
            told.warning("delivery_retried", detail=sent.outcome.detail)


def _tell_superseded(superseded: Iterable[Superseded]) -> None:
    for one in superseded:
        told = log.bind(
            delivery=one.delivery,
            event_id=one.event_id,
            appointment=one.appointment,
            rule=one.rule,
            channel=one.channel,
            reason=one.reason.value,
        )
        if one.reason is Reason.SILENCE:
            told.info("delivery_silenced")
        else:
            told.info("delivery_superseded", by=one.by)


def _removed(name: str) -> Rule:
    """Stands for a rule that was taken out after its event was committed: what is owed goes out, in default words."""
    return Rule(name=name, description="", requirements=(), channels=())
