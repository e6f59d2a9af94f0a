"""The poll line: a sweep's pages are gathered, `core` decides what they mean, and each slice is committed at once.

A slice is as many changed records as fit in memory; snapshot, events and deliveries of a slice are one transaction.
A process that dies between two slices has lost nothing: what it had not committed, the next poll finds again.
"""

from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from notifier.clock import Clock
from notifier.core.absence import Brake, batches, doubt
from notifier.core.plan import Observation, Plan, make_plan
from notifier.core.rule import Rule
from notifier.core.sweep import Filters, Look, Span, Sweep, SweepOutcome, SweepRun, passes
from notifier.engage.client import EngageClient, PageLook
from notifier.engage.payload import RecordRejected, digest_of, id_of, read_appointment
from notifier.errors import SourceRefused, SourceUnavailable
from notifier.store import snapshot
from notifier.store.database import Store, Transaction

log = structlog.get_logger(__name__)

SLICE_ROWS = 5000
"""Changed records that are held in memory and committed together."""

PASSES = 3
"""How often a list is read whose rows slip while they are read."""

SPAN_MARGIN = timedelta(hours=12)
"""Asked for beyond both ends of a span: the API does not say whether its dates mean starts, ends or overlaps."""

_ANYWHERE = Span(None, None)

BRAKE = Brake()
"""How much may be missing from a reading before it is doubted."""

REFUSED_PAUSE = timedelta(minutes=15)
"""How long a source is left alone that refused us: a revoked scope does not come back within a minute."""

TOLD_LIMIT = 10_000
"""Oddities remembered as told; beyond it all may be told once more, but memory does not grow for ever."""


@dataclass
class _Tally:
    """What one run of a sweep has seen so far."""

    #: Of its requests: the shorter the beat of the sweep, the sooner its turn.
    urgency: float = 0.0
    pages: int = 0
    changed: int = 0
    events: int = 0
    baseline: int = 0
    rejected: int = 0
    #: What the list said to hold, in the first and in the last answer of a pass.
    first_total: int = 0
    total: int = 0
    ids: set[str] = field(default_factory=set)
    #: Records without an id, in this pass over the list; they count towards the total all the same.
    nameless: int = 0
    served_at: datetime | None = None
    watermark: datetime | None = None
    lag: timedelta | None = None
    channels: set[str] = field(default_factory=set)

    @property
    def complete(self) -> bool:
        """Whether as many distinct appointments came as the list says it holds, at its first page and its last."""
        return len(self.ids) + self.nameless >= self.total == self.first_total

    def add_plan(self, plan: Plan, now: datetime) -> None:
        """Counts what a committed slice held."""
        self.changed += len(plan.rows)
        self.events += len(plan.recorded)
        self.baseline += len(plan.baseline)
        self.channels.update(delivery.channel for delivery in plan.deliveries)
        newest = [row.appointment.updated_at for row in plan.rows]
        self.watermark = max([*newest, *([self.watermark] if self.watermark else [])], default=None)
        lags = [now - entry.event.occurred_at for entry in plan.recorded]
        self.lag = max([*lags, *([self.lag] if self.lag else [])], default=None)


class Poller:
    """Polls the sweeps of one source; several sweeps may be polled at once, each in a thread of its own."""

    def __init__(self, source: str, client: EngageClient, store: Store, rules: Sequence[Rule], clock: Clock) -> None:
        self._source = source
        self._client = client
        self._store = store
        self._rules = rules
        self._clock = clock
        self._key = store.fingerprint_key()
        with store.reading() as tx:
            client.page_size = min(snapshot.page_size(tx, source) or client.page_size, client.page_size)
        self._page_size = client.page_size
        self._log = log.bind(source=source)
        self._failing: set[str] = set()
        self._refused_until: datetime | None = None
        self._refusal = ""
        self._told: set[str] = set()

    def poll(self, sweep: Sweep) -> SweepRun:
        """Reads the sweep, commits what changed slice by slice, records how it went, and returns that.

        Trouble of the source is a value, not an exception. A source that refused us is asked again only after
        `REFUSED_PAUSE`.

        Raises:
            StoreError: the store can't be written; nothing of the slice in hand was committed.
        """
        started_at, tally = self._clock(), _Tally(sweep.every.total_seconds())
        outcome, error = self._read(sweep, started_at, tally)
        run = SweepRun(
            source=self._source,
            sweep=sweep.name,
            started_at=started_at,
            finished_at=self._clock(),
            outcome=outcome,
            pages=tally.pages,
            rows=len(tally.ids),
            changed=tally.changed,
            events=tally.events,
            baseline=tally.baseline,
            rejected=tally.rejected,
            watermark=tally.watermark,
            lag=tally.lag,
            error=error,
            channels=frozenset(tally.channels),
        )
        self._record(sweep, run, tally)
        self._tell(run)
        return run

    def preview(self, sweep: Sweep, urgency: float | None = None) -> Iterator[Plan]:
        """Yields what a poll would commit now, slice by slice, and commits nothing.

        With an urgency of its own it takes its turn behind, or before, the polls.

        Raises:
            SourceError: the source did not give the list.
        """
        now, tally = self._clock(), _Tally(sweep.every.total_seconds() if urgency is None else urgency)
        looks, known = self._looks(), self._known_in(sweep, now)
        for observed in self._gather(sweep, now, tally):
            with self._store.reading() as tx:
                plan = self._plan(tx, sweep, observed, looks, now)
            yield plan
        absent, _ = self._missing(sweep, known, tally)
        for observed, gone in self._enquire(absent, tally):
            with self._store.reading() as tx:
                plan = self._plan(tx, sweep, observed, looks, now, gone)
            yield plan

    def _read(self, sweep: Sweep, started_at: datetime, tally: _Tally) -> tuple[SweepOutcome, str]:
        if self._refused_until is not None and started_at < self._refused_until:
            return SweepOutcome.REFUSED, self._refusal
        try:
            # Before anything of this reading is stored: what it adds can't be missing from it.
            looks, known = self._looks(), self._known_in(sweep, started_at)
            for observed in self._gather(sweep, started_at, tally):
                self._commit(sweep, observed, looks, tally)
            absent, doubts = self._missing(sweep, known, tally)
            for observed, gone in self._enquire(absent, tally):
                self._commit(sweep, observed, looks, tally, gone)
        except SourceRefused as error:
            self._refused_until, self._refusal = started_at + REFUSED_PAUSE, str(error)
            return SweepOutcome.REFUSED, str(error)
        except SourceUnavailable as error:
            return SweepOutcome.UNAVAILABLE, str(error)
        self._refused_until = None
        if not tally.complete:
            return SweepOutcome.INCOMPLETE, f"{len(tally.ids)} of {tally.total} appointments came in {PASSES} passes"
        return (SweepOutcome.DOUBTFUL, doubts) if doubts else (SweepOutcome.OK, "")

    def _missing(self, sweep: Sweep, known: AbstractSet[str], tally: _Tally) -> tuple[AbstractSet[str], str]:
        """Returns what a complete reading should have brought and did not, or why the reading is not believed."""
        if not tally.complete:
            return set(), ""
        absent = known - tally.ids
        with self._store.reading() as tx:
            released = snapshot.is_released(tx, self._source, sweep.name)
        doubts = "" if released else doubt(known, absent, len(tally.ids), BRAKE)
        return (set(), doubts) if doubts else (absent, "")

    def _enquire(self, absent: Collection[str], tally: _Tally) -> Iterator[tuple[list[Observation], set[str]]]:
        """Asks for ids by themselves; yields what is found and differs, and which ids the source does not show."""
        for batch in batches(absent):
            answer = _Tally()
            observed: list[Observation] = []
            for look in self._client.pages(_ANYWHERE, {"id": batch}, tally.urgency):
                tally.pages += 1
                observed += self._changed(look, answer)
            yield observed, set(batch) - answer.ids

    def _known_in(self, sweep: Sweep, now: datetime) -> set[str]:
        """Returns the ids that a complete reading of the sweep should bring, going by what we know of them."""
        others = {name: wanted for name, wanted in sweep.filters.items() if name != "status"}
        with self._store.reading() as tx:
            ids = snapshot.ids_within(tx, self._source, sweep.span(now), sweep.filters.get("status", ()))
            return self._passing(tx, sorted(ids), others) if others else ids

    def _passing(self, tx: Transaction, ids: Sequence[str], filters: Filters) -> set[str]:
        found: set[str] = set()
        for begin in range(0, len(ids), SLICE_ROWS):
            states = snapshot.known(tx, self._source, ids[begin : begin + SLICE_ROWS])
            found |= {name for name, known in states.items() if passes(known.appointment, filters)}
        return found

    def _gather(self, sweep: Sweep, now: datetime, tally: _Tally) -> Iterator[list[Observation]]:
        """Yields the changed records in slices, reading the list again while rows slipped between its pages."""
        span = sweep.span(now)
        for _ in range(PASSES):
            tally.nameless = tally.rejected = 0
            held: dict[str, Observation] = {}
            first = True
            for look in self._client.pages(_widened(span), sweep.filters, tally.urgency):
                tally.pages += 1
                tally.total = look.page.meta.total_count
                if first:
                    tally.first_total, first = tally.total, False
                tally.served_at = tally.served_at or look.served_at or look.asked_at
                for seen in self._changed(look, tally):
                    twin = held.get(seen.appointment.id)
                    if twin is None or seen.appointment.updated_at >= twin.appointment.updated_at:
                        held[seen.appointment.id] = seen
                if len(held) >= SLICE_ROWS:
                    yield list(held.values())
                    held = {}
            if held:
                yield list(held.values())
            if tally.complete:
                return

    def _changed(self, look: PageLook, tally: _Tally) -> Iterator[Observation]:
        """Yields the page's records that are not byte for byte what the snapshot holds."""
        records = look.page.records
        ids = [id_of(record) for record in records]
        with self._store.reading() as tx:
            digests = snapshot.digests(tx, self._source, [one for one in ids if one is not None])
        for name, record in zip(ids, records, strict=True):
            if name is None:
                tally.nameless += 1
            else:
                tally.ids.add(name)
            digest = digest_of(record, self._key)
            if name is not None and digests.get(name) == digest:
                continue
            observation = self._observe(record, digest, look.asked_at)
            if observation is None:
                tally.rejected += 1
            else:
                yield observation

    def _observe(self, record: object, digest: bytes, asked_at: datetime) -> Observation | None:
        try:
            reading = read_appointment(record, self._key)
        except RecordRejected as error:
            # By digest: the same bad record comes with every poll, and is told once.
            self._tell_once(f"record {digest.hex()}", "record_rejected", id=id_of(record), why=str(error))
            return None
        for unfamiliar in reading.unfamiliar:
            self._tell_once(unfamiliar, "unfamiliar_value", value=unfamiliar)
        return Observation(reading.appointment, digest, asked_at)

    def _commit(
        self,
        sweep: Sweep,
        observed: Sequence[Observation],
        looks: Sequence[Look],
        tally: _Tally,
        gone: Collection[str] = (),
    ) -> None:
        """Decides and commits one slice; what is known is read in the same transaction, as other sweeps write too."""
        now = self._clock()
        with self._store.writing() as tx:
            plan = self._plan(tx, sweep, observed, looks, now, gone)
            snapshot.apply(tx, plan, now)
        tally.add_plan(plan, now)

    def _plan(
        self,
        tx: Transaction,
        sweep: Sweep,
        observed: Sequence[Observation],
        looks: Sequence[Look],
        now: datetime,
        gone: Collection[str] = (),
    ) -> Plan:
        known = snapshot.known(tx, self._source, {*gone, *(seen.appointment.id for seen in observed)})
        return make_plan(self._source, sweep.name, known, observed, looks, self._rules, now, gone)

    def _looks(self) -> Sequence[Look]:
        with self._store.reading() as tx:
            return snapshot.looks(tx, self._source)

    def _record(self, sweep: Sweep, run: SweepRun, tally: _Tally) -> None:
        with self._store.writing() as tx:
            if self._client.page_size != self._page_size:
                self._page_size = self._client.page_size
                snapshot.put_page_size(tx, self._source, self._page_size)
            snapshot.record_sweep(tx, self._source, sweep.name, run)
            if run.outcome is SweepOutcome.OK:
                snapshot.end_release(tx, self._source, sweep.name)
            first = sweep.scope not in {look.scope for look in snapshot.looks(tx, self._source)}
            # A first look counts even where rows slipped: without any, everything would be baseline for ever.
            if run.outcome is SweepOutcome.OK or (run.outcome is SweepOutcome.INCOMPLETE and first):
                snapshot.put_look(tx, self._source, _look(sweep, run.started_at, tally.served_at))

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

    def _tell_once(self, what: str, action: str, **details: object) -> None:
        if what not in self._told:
            if len(self._told) >= TOLD_LIMIT:
                self._told.clear()
            self._told.add(what)
            self._log.warning(action, **details)


def _widened(span: Span) -> Span:
    return Span(
        None if span.start is None else span.start - SPAN_MARGIN,
        None if span.end is None else span.end + SPAN_MARGIN,
    )


def _look(sweep: Sweep, started_at: datetime, served_at: datetime | None) -> Look:
    return Look(
        scope=sweep.scope,
        began_at=served_at or started_at,
        span=sweep.span(started_at),
        end_offset=sweep.end,
        filters=sweep.filters,
    )
