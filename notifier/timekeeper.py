"""The timekeeper: records what the snapshot and the clock make together, where nothing changes.

A look asks for the stays of which something is due, and commits events, deliveries and what was told of each stay in
one transaction: whoever dies in between has told nothing, and whoever looks twice tells nothing twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from notifier.clock import Clock
from notifier.core.event import Event
from notifier.core.plan import Plan, plan_firings
from notifier.core.recipients import NOBODY_ELSE, Recipients
from notifier.core.route import Context
from notifier.core.rule import TOO_LATE, Rule, judge
from notifier.core.sweep import Look, Sweep, SweepOutcome
from notifier.core.watch import Progress, Watch, advance, begin_of, event_of, is_told, known_until
from notifier.store import hold, silences, snapshot, sweeps, watches
from notifier.store.database import Store, Transaction
from notifier.store.watches import FIRST, Place, Question, Watched

log = structlog.get_logger(__name__)

PAGE = 500
"""How many stays are looked at in one transaction."""

LOOK_EVERY: Final = timedelta(seconds=15)
"""How often somebody should look."""


@dataclass(frozen=True, slots=True)
class _Asking:
    """What one look asks of one source for one rule, and what it knows."""

    question: Question
    rule: Rule
    looks: Sequence[Look]


@dataclass(frozen=True, slots=True)
class _Page:
    """What came of a look at some stays."""

    plan: Plan
    #: What is to be remembered of which.
    progress: Sequence[tuple[Watched, Progress]]
    #: Where it ended, None at the end of all.
    end: Place | None


class Timekeeper:
    """Looks for what is due by the rules that ask the clock."""

    def __init__(
        self,
        store: Store,
        rules: Sequence[Rule],
        sweeps: Mapping[str, Sequence[Sweep]],
        clock: Clock,
        recipients: Recipients = NOBODY_ELSE,
    ) -> None:
        self._store = store
        #: By their names.
        self._watches: Mapping[str, tuple[Rule, Watch]] = {
            rule.name: (rule, rule.watch) for rule in rules if rule.watch
        }
        self._sweeps = sweeps
        self._clock = clock
        self._recipients = recipients

    @property
    def is_asked(self) -> bool:
        """Whether there is a rule that asks the clock."""
        return bool(self._watches)

    def enrol(self, tx: Transaction) -> None:
        """Remembers since when each rule asks; to be done before the first look."""
        watches.enrol(tx, [rule for rule, _ in self._watches.values()], self._clock())

    def look(self) -> frozenset[str]:
        """Records all that is due now; returns the channels that are owed something.

        Raises:
            StoreError: the store can't be used; what was committed before stays.
        """
        channels: set[str] = set()
        for asking in self._gather() if self.is_asked else ():
            after: Place | None = FIRST
            # Most looks find nothing, and need not wait for whoever writes.
            while after is not None and self._finds(asking, after):
                after = self._page(asking, after, channels)
        return frozenset(channels)

    def foresee(self) -> Iterator[Plan]:
        """Yields what a look would record now, and records nothing."""
        for asking in self._gather() if self.is_asked else ():
            after: Place | None = FIRST
            while after is not None:
                with self._store.reading() as tx:
                    page = self._read(tx, asking, after, self._clock())
                yield page.plan
                after = page.end

    def next_moment(self) -> datetime | None:
        """Returns when, after now, something may fall due of what is known; for those who set their clock by it."""
        now = self._clock()
        with self._store.reading() as tx:
            moments = [
                watches.next_moment(tx, source, rule.name, watch, now)
                for source in self._sweeps
                for rule, watch in self._watches.values()
            ]
        return min((one for one in moments if one), default=None)

    def _gather(self) -> Sequence[_Asking]:
        """Returns what is to be asked, before any of it is: what is read from now on, the next look may rely on."""
        now = self._clock()
        with self._store.reading() as tx:
            loaded = watches.loaded(tx)
            return [
                _Asking(question, rule, looks)
                for source in self._sweeps
                if (looks := self._looks(tx, source)) and not hold.doubts(tx, source)
                for rule, watch in self._watches.values()
                if _may_match(rule, source) and rule.name in loaded
                for question in watches.questions(
                    source, rule.name, watch, loaded[rule.name], min(now, max(look.began_at for look in looks)), now
                )
            ]

    def _looks(self, tx: Transaction, source: str) -> list[Look]:
        """Returns the looks at the source; one that asked for nothing but news has shown all changes as well."""
        read: dict[str, datetime] = {}
        for sweep in self._sweeps[source]:
            record = sweeps.of(tx, source, sweep.name)
            if record and record.last and record.last.outcome is SweepOutcome.OK:
                read[sweep.scope] = record.last.started_at
        looks = snapshot.looks(tx, source)
        return [replace(look, began_at=max(look.began_at, read.get(look.scope, look.began_at))) for look in looks]

    def _finds(self, asking: _Asking, after: Place) -> bool:
        with self._store.reading() as tx:
            return bool(watches.find(tx, asking.question, after, 1))

    def _page(self, asking: _Asking, after: Place, channels: set[str]) -> Place | None:
        """Records what is due of the next stays; returns where it ended, None at the end of all."""
        now, question = self._clock(), asking.question
        with self._store.writing() as tx:
            page = self._read(tx, asking, after, now)
            for watched, progress in page.progress:
                watches.put(tx, question, watched, progress)
            applied = snapshot.apply(tx, page.plan, now)
        if applied.events:
            log.info("stays_told", source=question.source, rule=question.rule, events=applied.events)
            channels.update(delivery.channel for delivery in page.plan.deliveries)
        return page.end

    def _read(self, tx: Transaction, asking: _Asking, after: Place, now: datetime) -> _Page:
        """Returns what is to be told of the next stays."""
        found = watches.find(tx, asking.question, after, PAGE)
        decided = [(watched, each) for watched in found if (each := _decide(asking, watched, now))]
        events = [event for _, (told, _) in decided for event in told]
        context = Context(now=now, silences=silences.lasting(tx, now), recipients=self._recipients)
        plan = plan_firings(asking.question.source, asking.rule, events, context)
        progress = [(watched, each[1]) for watched, each in decided]
        return _Page(plan, progress, found[-1].place if len(found) == PAGE else None)


def _decide(asking: _Asking, watched: Watched, now: datetime) -> tuple[Sequence[Event], Progress] | None:
    """Returns what is told of a stay, and what is to come; None while it can't be known whether it goes on."""
    question, resident = asking.question, watched.resident
    watch = question.watch
    begin, known = begin_of(watch, resident), known_until(resident, asking.looks, now)
    if begin is None or known is None or begin + watch.wait > known:
        return None
    if not watched.progress.told and not is_told(watch, resident, begin, question.loaded_at):
        return (), Progress()
    firings, progress = advance(watch, question.rule, begin, watched.progress, min(known, now), now)
    if not firings:
        return ((), watched.progress) if watched.moved else None
    events = [event_of(question.source, watch, resident.appointment, firing, now) for firing in firings]
    told = [event for event in events if _concerns(asking.rule, event)]
    # Who does not ask for the appointment as it is may do so when it has changed.
    return told, progress if told or watched.progress.told else Progress()


def _concerns(rule: Rule, event: Event) -> bool:
    """Whether the rule asks for such an event, or would have in time."""
    verdict = judge(rule, event)
    return verdict.matched or verdict.key == TOO_LATE


def _may_match(rule: Rule, source: str) -> bool:
    wanted: Iterator[frozenset[str]] = (one.values for one in rule.requirements if one.key == "where.source")
    return all(source in values for values in wanted)
