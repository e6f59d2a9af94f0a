"""A rehearsal: both lines in a store that is thrown away, by a clock that is set by hand, with channels that listen.

Nothing is decided here. What a change means, whom it is told and when is for the same code as in the daemon: the plan
of a slice, the store, the senders. A test of rules and a replay only say what happens, and read what was told.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self

from msgspec import json

from notifier.channels.capture import capture
from notifier.channels.channel import Channel
from notifier.channels.parcel import Parcel
from notifier.config.settings import Settings
from notifier.core.event import Event
from notifier.core.plan import Known, Observation, Plan
from notifier.core.rule import Rule
from notifier.core.sweep import Look, Span
from notifier.core.told import Told
from notifier.sender import Sender, Sent
from notifier.store import history, silences, snapshot
from notifier.store.database import Store, Transaction, open_store
from notifier.store.history import EventRecord
from notifier.wiring import open_senders, open_timekeeper, planner_of, rehearsed

SWEEP: Final = "rehearsal"
"""What its events are found by."""

BEAT: Final = timedelta(minutes=1)
"""So long after something was seen, the source is looked at again; what the clock tells waits for that."""

MOST: Final = 1_000_000
"""More events than a rehearsal has."""


class Rehearsal:
    """Both lines, and what they told so far; to be closed."""

    def __init__(
        self, settings: Settings, rules: Sequence[Rule], channels: Iterable[Channel], begins_at: datetime
    ) -> None:
        self.now = begins_at
        self.told: list[Told] = []
        #: Whether the clock makes events.
        self.keeps_time = True
        self._planner = planner_of(settings, rules)
        self._parcels: list[Parcel] = []
        self._closing = ExitStack()
        folder = Path(self._closing.enter_context(TemporaryDirectory(prefix="notifier-rehearsal-")))
        path = folder / "notifier.db"
        path.write_bytes(_fresh_store())
        self._store: Store = self._closing.enter_context(open_store(path, synchronous="normal"))
        captured = {channel.name: capture(channel, self._parcels.append) for channel in channels}
        policies = {name: rehearsed(settings.channels[name]) for name in captured}
        self._senders = open_senders(settings, rules, captured, policies, self._store, self.clock)
        for sender in self._senders.values():
            self._closing.callback(sender.close)
        self._sources = tuple(settings.sources)
        self._timekeeper = open_timekeeper(settings, rules, dict.fromkeys(self._sources, ()), self._store, self.clock)
        #: When the source is next looked at, after something was seen there.
        self._look_at: datetime | None = None
        with self._store.writing() as tx:
            self._timekeeper.enrol(tx)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Throws the store away."""
        self._closing.close()

    def clock(self) -> datetime:
        """Returns what time it is in there."""
        return self.now

    def know(self, source: str, rows: Iterable[Known]) -> None:
        """Puts appointments into the snapshot, as if they had been there all along."""
        with self._store.writing() as tx:
            snapshot.apply(tx, Plan(source, SWEEP, tuple(rows), (), (), ()), self.now)

    def observe(self, source: str, observed: Sequence[Observation], gone: Sequence[str] = ()) -> None:
        """Takes in what the source shows now; before the first look at it, it was there all along."""
        with self._store.writing() as tx:
            plan, _ = self._planner.plan(tx, source, SWEEP, observed, snapshot.looks(tx, source), self.now, gone)
            snapshot.apply(tx, plan, self.now)
            _put_look(tx, source, self.now)
        self._look_at = self.now + BEAT

    def record(self, source: str, sweep: str, events: Sequence[Event]) -> None:
        """Takes in events as they are on record, one of each appointment."""
        with self._store.writing() as tx:
            plan = self._planner.plan_again(tx, source, sweep, events, self.now)
            snapshot.apply(tx, plan, self.now)
        self._look_at = self.now + BEAT

    def silence(
        self, *, rules: Sequence[str], where: Mapping[str, Sequence[str]], author: str, why: str, until: datetime
    ) -> None:
        """Lets somebody say that nobody is to hear of something until a time."""
        with self._store.writing() as tx:
            silences.add(tx, rules=rules, where=where, author=author, why=why, until=until, now=self.now)

    def advance(self, until: datetime) -> None:
        """Lets the time pass, and everything be told that falls due up to then."""
        while True:
            self._tell()
            due = self._next_due()
            if due is None or due > until:
                break
            self.now = due
        self.now = max(self.now, until)
        self._tell()

    def events(self) -> list[EventRecord]:
        """Returns what was recorded, oldest first."""
        with self._store.reading() as tx:
            return history.events(tx, MOST)[::-1]

    def deliveries(self) -> list[history.DeliveryRecord]:
        """Returns what became of each delivery so far, oldest first."""
        with self._store.reading() as tx:
            return history.deliveries(tx, MOST)[::-1]

    def _tell(self) -> None:
        self._keep_time()
        for sender in self._senders.values():
            for sent in sender.send_due():
                self.told.append(self._told(sender, sent))

    def _told(self, sender: Sender, sent: Sent) -> Told:
        """Returns what came of an attempt; there is no parcel where the template fails."""
        title, body = "", ""
        for parcel in self._parcels:
            title, body = parcel.message.title, parcel.message.body
            if not sender.channel.shows_words:
                title, body = str(parcel.document["type"]), json.format(json.encode(parcel.document)).decode()
        failure = "" if self._parcels else sent.outcome.detail
        self._parcels.clear()
        return Told(
            at=self.now,
            channel=sent.channel,
            rule=sent.rule,
            title=title,
            body=body,
            events=(sent.event.id, *(one.id for one in sent.others)),
            appointments=(sent.event.after.id, *(one.after.id for one in sent.others)),
            failure=failure,
        )

    def _keep_time(self) -> None:
        """Looks at the sources, which show nothing new, and then for what is due by the clock."""
        if not (self.keeps_time and self._timekeeper.is_asked):
            return
        with self._store.writing() as tx:
            for source in self._sources:
                _put_look(tx, source, self.now)
        if self._look_at and self._look_at <= self.now:
            self._look_at = None
        self._timekeeper.look()

    def _next_due(self) -> datetime | None:
        """Returns when something may fall due after now."""
        moments = [sender.next_due() for sender in self._senders.values()]
        if self.keeps_time and self._timekeeper.is_asked:
            moments += [self._timekeeper.next_moment(), self._look_at]
        return min((one for one in moments if one and one > self.now), default=None)


def _put_look(tx: Transaction, source: str, now: datetime) -> None:
    """Says that all of the source was looked at."""
    everything = Look(scope=SWEEP, began_at=now, span=Span(None, None), end_offset=None, filters={})
    snapshot.put_look(tx, source, everything)


@cache
def _fresh_store() -> bytes:
    """Returns a store in which nothing has happened yet, since it takes a while to make one."""
    with TemporaryDirectory(prefix="notifier-rehearsal-") as folder:
        path = Path(folder) / "fresh.db"
        open_store(path).close()
        return path.read_bytes()
