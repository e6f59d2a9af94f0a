"""The poll line: a sweep is read slice by slice, `core` decides what it means, and each slice is committed at once.

Snapshot, events and deliveries of a slice are one transaction. A process that dies between two slices has lost
nothing: what it had not committed, the next poll finds again. The deliveries are held until the sweep has come to its
end and the brake has judged all of it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from notifier.clock import Clock
from notifier.core.brake import Decision, holds, judge
from notifier.core.delivery import State
from notifier.core.grant import Grant
from notifier.core.manner import PLAIN, Manner
from notifier.core.plan import NO_GRANTS, Known, Observation, Plan
from notifier.core.recipients import NOBODY_ELSE, Recipients, possible_channels
from notifier.core.rule import Rule
from notifier.core.stray import Fate
from notifier.core.sweep import Sweep, SweepOutcome, SweepRun, Window, reach
from notifier.core.walk import Rules
from notifier.engage.answer import QueryRefused
from notifier.engage.client import EngageClient
from notifier.engage.remembered import PageMemory
from notifier.errors import SourceRefused, SourceUnavailable
from notifier.planner import Planner
from notifier.reading import Reader, Reading, Watch
from notifier.run import Run
from notifier.store import census, hold, snapshot, sweeps
from notifier.store.database import Store, Transaction

log = structlog.get_logger(__name__)

REFUSED_PAUSE = timedelta(minutes=15)
"""How long a source is left alone that refused us: a revoked scope does not come back within a minute."""

STRAYS = Sweep(name="strays", every=timedelta(hours=1), filters={})
"""What events are found by that come from an enquiry about appointments in no sweep."""

ASKED_AT_ONCE = 1000
"""How many of these are asked for in one go."""


class Poller:
    """Polls the sweeps of one source; several sweeps may be polled at once, each in a thread of its own."""

    def __init__(
        self,
        source: str,
        client: EngageClient,
        store: Store,
        rules: Sequence[Rule],
        clock: Clock,
        manner: Manner = PLAIN,
        watch: Watch = lambda _: None,
        grants: Mapping[str, Grant] = NO_GRANTS,
        recipients: Recipients = NOBODY_ELSE,
    ) -> None:
        self._source = source
        self._client = client
        self._store = store
        self._planner = Planner(Rules(rules), grants, recipients, manner.overlap)
        self._clock = clock
        self._manner = manner
        self._reader = Reader(source, client, store, watch, _told_texts(rules, grants, recipients))
        with store.reading() as tx:
            client.page_size = min(snapshot.page_size(tx, source) or client.page_size, client.page_size)
            self._reader.contained = snapshot.contained(tx, source)
        self._learnt = (client.page_size, self._reader.contained)
        self._memory = PageMemory()
        self._log = log.bind(source=source)
        self._failing: set[str] = set()
        #: Until when a sweep, or under no name the whole source, is left alone, and what it was refused with.
        self._refused: dict[str, tuple[datetime, str]] = {}

    def poll(self, sweep: Sweep) -> SweepRun:
        """Reads the sweep, commits what changed slice by slice, records how it went, and returns that.

        Trouble of the source is a value, not an exception. A source that refused us is asked again only after
        `REFUSED_PAUSE`.

        Raises:
            StoreError: the store can't be written; nothing of the slice in hand was committed.
        """
        run = self._begin(sweep)
        outcome, error = self._read(run)
        done = self._end(run, outcome, error)
        self._tell(done)
        return done

    def looked_at(self, sweep: Sweep) -> bool:
        """Whether there was a look at all of the sweep's scope before."""
        with self._store.reading() as tx:
            return sweep.scope in {look.scope for look in snapshot.looks(tx, self._source)}

    def tend(self, sweeps: Sequence[Sweep]) -> SweepRun:
        """Looks after the appointments that lie in none of these sweeps; returns how that went.

        Those that are past are let go in silence; those ahead are asked for by their ids, each once in a while.

        Raises:
            StoreError: the store can't be written.
        """
        run = self._begin(STRAYS)
        with self._store.reading() as tx:
            now = run.reading.started_at
            # What a sweep is still to read after an outage is no stray yet.
            spans = [(sweep, reach(sweep, run.looks, now)) for sweep in sweeps]
            found = snapshot.strays(tx, self._source, spans, now, ASKED_AT_ONCE)
        trouble = self._paused(run) or self._try(run, lambda: self._look_after(run, found))
        outcome, error = trouble or (SweepOutcome.DOUBTFUL if run.doubt else SweepOutcome.OK, run.doubt)
        return self._end(run, outcome, error)

    def preview(
        self,
        sweep: Sweep,
        unread: Callable[[str], None],
        urgency: float | None = None,
        *,
        doubting: bool = True,
    ) -> Iterator[Plan]:
        """Yields what a poll would commit now, slice by slice, and commits nothing.

        `unread` is told where the list could not be read as a whole, so that something may be missing here. With an
        urgency of its own it takes its turn behind, or before, the polls. Unless it is doubting, it asks for
        everything that is missing, however much that is.

        Raises:
            SourceError: the source did not give the list.
        """
        run = self._begin(sweep)
        run.reading.whole, run.reading.memory = True, None
        run.reading.urgency = run.reading.urgency if urgency is None else urgency
        run.decision = run.decision if doubting else Decision.RELEASED
        run.reading.absent_limit = self._absent_limit(run)
        for observed in self._reader.read(run.reading):
            yield self._foresee(run, observed)
        if run.reading.course.slipped:
            unread(f"{self._source}/{sweep.name} slipped while it was read: {run.slipped}")
        self._judge(run)
        if run.doubt:
            self._log.error("poll_doubtful", sweep=sweep.name, why=run.doubt)
            return
        for observed, gone in self._reader.enquire(run.reading.absent, run.reading):
            yield self._foresee(run, observed, gone)

    def _begin(self, sweep: Sweep) -> Run:
        """Looks up what is known before the reading."""
        now = self._clock()
        with self._store.reading() as tx:
            record = sweeps.of(tx, self._source, sweep.name)
            looks = snapshot.looks(tx, self._source)
            decision = hold.decision(tx, self._source, sweep.name)
            learnt = snapshot.slices(tx, self._source, sweep.scope)
            doubted = hold.doubted_at(tx, self._source, sweep.name)
            left = list(hold.left(tx, self._source, sweep.name))
        watermark = record.last.watermark if record and record.last else None
        began = [look.began_at for look in looks if look.scope == sweep.scope]
        reading = Reading(
            sweep=sweep,
            started_at=now,
            span=reach(sweep, looks, now),
            window=Window(None if watermark is None else min(watermark, now) - self._manner.overlap, now),
            whole=self._asks_for_all(record, now),
            urgency=sweep.every.total_seconds(),
            first=not began,
            learnt=learnt,
            memory=self._memory.begin(sweep.scope),
        )
        run = Run(reading, looks, decision, (doubted or now) - began[0] if began else None, len(left))
        reading.absent_limit = self._absent_limit(run)
        for kinds, fields in left:
            run.tally.count(kinds, fields)
        return run

    def _asks_for_all(self, record: sweeps.SweepRecord | None, now: datetime) -> bool:
        """Whether a run reads all of its span, as every run does where the source can't be asked for news alone."""
        every, complete = self._manner.complete_every, record.complete_at if record else None
        # A clock that was set back is no reason to wait.
        return every is None or complete is None or not timedelta(0) <= now - complete < every

    def _absent_limit(self, run: Run) -> int | None:
        """Returns how many missing ids are worth keeping: all, once a person has decided what they mean."""
        return None if run.decision else self._manner.brake.most(run.since)

    def _read(self, run: Run) -> tuple[SweepOutcome, str]:
        paused = self._paused(run)
        trouble = paused or self._try(run, lambda: self._commit_changes(run))
        self._judge(run)
        if paused:
            return paused
        if run.reshaped:
            # As long as nobody believes the other ids, they are not known: the source may have its own again next time.
            with self._store.reading() as tx:
                made_up = census.silent_since(tx, self._source, run.reading.span, run.reading.started_at)
            self._forget(made_up)
        trouble = trouble or self._try(run, lambda: self._settle_absences(run))
        if trouble:
            return trouble
        for name in ("", run.sweep.name):
            self._refused.pop(name, None)
        if run.doubt:
            return SweepOutcome.DOUBTFUL, run.doubt
        if run.reading.course.slipped:
            return SweepOutcome.INCOMPLETE, run.slipped
        return SweepOutcome.OK, ""

    def _paused(self, run: Run) -> tuple[SweepOutcome, str] | None:
        """Returns why the source is left alone for now; None where it is not."""
        for name in ("", run.sweep.name):
            until, refusal = self._refused.get(name, (run.reading.started_at, ""))
            # Where the clock was set back, the pause is not that long.
            if until - REFUSED_PAUSE <= run.reading.started_at < until:
                return SweepOutcome.REFUSED, refusal
        return None

    def _try(self, run: Run, step: Callable[[], None]) -> tuple[SweepOutcome, str] | None:
        """Takes a step that asks the source; returns what the source's trouble is, None where there was none."""
        try:
            step()
        except SourceRefused as error:
            # A query that is not understood is that of one sweep; what is wrong with the credentials is so for all.
            name = run.sweep.name if isinstance(error, QueryRefused) else ""
            self._refused[name] = (run.reading.started_at + REFUSED_PAUSE, str(error))
            return SweepOutcome.REFUSED, str(error)
        except SourceUnavailable as error:
            return SweepOutcome.UNAVAILABLE, str(error)
        return None

    def _commit_changes(self, run: Run) -> None:
        for observed in self._reader.read(run.reading):
            self._commit(run, observed)
        run.listed = True

    def _judge(self, run: Run) -> None:
        """Lets the brake judge what the list showed."""
        course, tally = run.reading.course, run.tally
        known = sum(part.known for part in course.done) + run.reading.in_hand
        # Of a few that are asked for, many may rightly change within a day: it is a share of all that are around. And
        # so it is of what dead processes left, wherever they had read.
        if (run.sweep.filters or not run.reading.whole or run.left) and (tally.events or run.reading.absent):
            with self._store.reading() as tx:
                known = max(known, self._around(tx, run))
        tally.read(known, course.came, run.reading.absent)
        tally.absent += run.reading.unkept
        self._weigh(run)

    def _around(self, tx: Transaction, run: Run) -> int:
        """Returns how many appointments were known in the span of a run before it changed anything."""
        if run.around is None:
            run.around = census.count_within(tx, self._source, run.reading.span)
        return run.around

    def _weigh(self, run: Run) -> None:
        """Lets the brake say whether the run is doubted, and whether what it found is held."""
        if run.decision is Decision.RELEASED and run.reading.whole:
            return
        found, brake = run.tally.found(f"{self._source}/{run.sweep.name}", run.since), self._manner.brake
        if run.decision is Decision.DISCARDED and judge(found, brake):
            run.forgets, found = True, replace(found, absent=0, missing=())
        run.doubt, run.held = judge(found, brake), holds(found, brake)
        run.reshaped = bool(run.doubt) and found.reshaped

    def _settle_absences(self, run: Run) -> None:
        """Finds out what became of the appointments that a whole list did not bring, unless that is doubted."""
        if run.forgets:
            self._forget(run.reading.absent)
        elif not run.doubt:
            for observed, gone in self._reader.enquire(run.reading.absent, run.reading):
                self._commit(run, observed, gone)

    def _look_after(self, run: Run, found: Mapping[str, Fate]) -> None:
        let_go = [name for name, fate in found.items() if fate is Fate.LET_GO]
        asked = [name for name, fate in found.items() if fate is Fate.ASK]
        self._forget(let_go)
        gone: set[str] = set()
        for observed, missing in self._reader.enquire(asked, run.reading):
            self._commit(run, observed)
            gone |= missing
        run.tally.read(len(asked), len(asked) - len(gone), gone)
        self._weigh(run)
        if run.forgets:
            self._forget(gone)
        elif not run.doubt:
            self._commit(run, (), gone)
        with self._store.writing() as tx:
            # Those that are doubted are asked for again, until a person has decided.
            snapshot.mark_asked(tx, self._source, set(asked) - (gone if run.doubt else set()), run.reading.started_at)
            if not run.doubt:
                hold.end_decision(tx, self._source, run.sweep.name)

    def _forget(self, names: Collection[str]) -> None:
        """Takes appointments out of the snapshot in silence."""
        with self._store.writing() as tx:
            snapshot.forget(tx, self._source, names)
        self._memory.wrote(names)

    def _commit(self, run: Run, observed: Sequence[Observation], gone: Collection[str] = ()) -> None:
        """Decides and commits one slice; what is known is read in the same transaction, as other sweeps write too."""
        now = self._clock()
        with self._store.writing() as tx:
            if run.sweep.filters or not run.reading.whole:
                self._around(tx, run)
            plan, known = self._plan(tx, run, observed, now, gone)
            applied = snapshot.apply(tx, plan, now, born=State.HELD)
        written = [row.appointment.id for row in plan.rows if row.appointment.id in known]
        number = self._memory.wrote(written)
        run.reading.own.update(dict.fromkeys(written, number))
        run.reading.agreed = run.reading.agreed and len(plan.rows) == len(observed)
        run.add(plan, now)
        if applied.silenced:
            self._log.info("deliveries_silenced", sweep=run.sweep.name, deliveries=applied.silenced)
        # What was on record already is no news.
        run.events -= len(plan.recorded) - applied.events

    def _foresee(self, run: Run, observed: Sequence[Observation], gone: Collection[str] = ()) -> Plan:
        with self._store.reading() as tx:
            plan, _ = self._plan(tx, run, observed, run.reading.started_at, gone)
        run.add(plan, run.reading.started_at)
        return plan

    def _plan(
        self, tx: Transaction, run: Run, observed: Sequence[Observation], now: datetime, gone: Collection[str]
    ) -> tuple[Plan, Mapping[str, Known]]:
        return self._planner.plan(tx, self._source, run.sweep.name, observed, run.looks, now, gone)

    def _end(self, run: Run, outcome: SweepOutcome, error: str) -> SweepRun:
        """Lets go out what the run made, or holds it; records how it went."""
        with self._store.writing() as tx:
            now, name = self._clock(), run.sweep.name
            if not run.held:
                hold.settle(tx, self._source, name, now)
            if run.doubt:
                hold.trip(tx, self._source, name, now)
            done = run.done(self._source, outcome, error, now, hold.held(tx, self._source, name))
            sweeps.record(tx, self._source, name, done)
            self._learn(tx)
            if run.listed and run.reading.whole:
                self._remember(tx, run, outcome)
        if run.listed and run.reading.memory:
            run.reading.memory.end()
        return done

    def _learn(self, tx: Transaction) -> None:
        """Stores what was found out about the source itself."""
        learnt = (self._client.page_size, self._reader.contained)
        if learnt != self._learnt:
            self._learnt = learnt
            snapshot.put_page_size(tx, self._source, self._client.page_size)
            if self._reader.contained is not None:
                snapshot.put_contained(tx, self._source, contained=self._reader.contained)

    def _remember(self, tx: Transaction, run: Run, outcome: SweepOutcome) -> None:
        """Stores what a run that came to the end of its list is for the next ones."""
        sweep, reading = run.sweep, run.reading
        snapshot.put_slices(tx, self._source, sweep.scope, [part.piece for part in reading.course.done])
        if outcome is SweepOutcome.OK:
            hold.end_decision(tx, self._source, sweep.name)
        first = sweep.scope not in {look.scope for look in snapshot.looks(tx, self._source)}
        believed = not (run.doubt and (reading.absent or reading.unkept))
        # A first look counts even where rows slipped: without any, everything would be baseline for ever.
        if believed and (first or not reading.course.slipped):
            snapshot.put_look(tx, self._source, run.look)

    def _tell(self, run: SweepRun) -> None:
        """Logs the edges: when a sweep begins to fail and when it works again, not every round."""
        fine = run.outcome is SweepOutcome.OK
        told = self._log.bind(sweep=run.sweep, pages=run.pages, rows=run.rows, events=run.events)
        if not fine and run.sweep not in self._failing:
            self._failing.add(run.sweep)
            told.warning("poll_failed", outcome=run.outcome.value, error=run.error)
        elif fine and run.sweep in self._failing:
            self._failing.discard(run.sweep)
            told.info("poll_recovered")
        elif fine:
            level = told.info if run.events or run.baseline else told.debug
            level("polled", baseline=run.baseline, rejected=run.rejected)


def _told_texts(rules: Sequence[Rule], grants: Mapping[str, Grant], recipients: Recipients) -> frozenset[str]:
    """Returns the personal texts that a rule may tell to anybody; of all others, no text is read."""
    channels = {channel for rule in rules for channel in possible_channels(rule, recipients)}
    return frozenset(name for channel in channels & grants.keys() for name in grants[channel].personal)
