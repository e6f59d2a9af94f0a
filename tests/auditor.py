"""Polls a source whose truth is known, and says which laws of the poll line that broke."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy

from notifier.core.appointment import Appointment
from notifier.core.delivery import State
from notifier.core.event import Event
from notifier.core.sweep import ANSWERED, Sweep, SweepOutcome, SweepRun
from notifier.poller import Poller
from notifier.store import history, rows
from notifier.store.database import Store, Transaction
from tests.poll_laws import Breach, PastLook, PastLooks, Poll, Row, breaches_of
from tests.truth import Truth

Clock = Callable[[], datetime]

REMEMBERED_LOOKS = 20
"""Complete looks that are remembered of one scope."""


@dataclass(frozen=True, slots=True)
class Audit:
    """How a poll went, by its own account and by the truth."""

    run: SweepRun
    breaches: Sequence[Breach]
    events: Sequence[Event]


class Auditor:
    """Audits every poll of one store; it outlives pollers and clients, as the store does.

    The rules of the pollers have to ask for every event once.
    """

    def __init__(self, truth: Truth, store: Store, clock: Clock, source_clock: Clock) -> None:
        self._truth = truth
        self._store = store
        self._clock = clock
        self._source_clock = source_clock
        self._key = store.fingerprint_key()
        self._states: dict[str, Appointment] = {}
        # By the scope of their sweep.
        self._complete: dict[str, list[PastLook]] = defaultdict(list)
        self._counting: dict[str, PastLook] = {}
        self._tried: dict[str, PastLook] = {}
        self._polls = 0
        self._sighted: set[str] = set()
        self._known_at: dict[str, int] = {}

    def poll(self, poller: Poller, sweep: Sweep) -> Audit:
        """Polls a sweep and returns how that went."""
        now, moment = self._source_clock(), self._truth.moment
        skew = now - self._clock()
        audit = self._audit(lambda: poller.poll(sweep), sweep)
        span = sweep.span(audit.run.started_at)
        self._note(PastLook(moment, now.replace(microsecond=0), skew, sweep, span), audit.run)
        return audit

    def tend(self, poller: Poller, sweeps: Sequence[Sweep]) -> Audit:
        """Tends the appointments that are in none of the sweeps and returns how that went."""
        return self._audit(lambda: poller.tend(sweeps), None, sweeps)

    def known(self) -> dict[str, Row]:
        """Returns the snapshot, with what has vanished."""
        with self._store.reading() as tx:
            return {row.appointment.id: row for row in self._rows(tx)}

    def _audit(self, run: Callable[[], SweepRun], sweep: Sweep | None, sweeps: Sequence[Sweep] = ()) -> Audit:
        self._polls += 1
        number, first, before, seq, looks = self._polls, self._truth.moment, self.known(), self._last(), self._looks()
        self._sighted, outer = set(), self._sighted
        done = run()
        events = self._events_after(seq)
        poll = Poll(
            run=done,
            sweep=sweep,
            sweeps=sweeps,
            truth=self._truth,
            key=self._key,
            first=first,
            last=self._truth.moment,
            ended_at=self._clock(),
            before=before,
            after=self.known(),
            events=events,
            deliveries=self._deliveries(sum(map(len, events.values()))),
            alone=number == self._polls,
            others=frozenset(self._sighted),
            looks=looks,
            known_at=self._known_at.copy(),
        )
        self._sighted |= outer | (poll.after.keys() - before.keys())
        self._known_at |= dict.fromkeys(poll.after, poll.last)
        return Audit(done, list(breaches_of(poll)), [event for several in events.values() for event in several])

    def _looks(self) -> PastLooks:
        complete = [look for looks in self._complete.values() for look in looks]
        return PastLooks(complete, list(self._counting.values()), list(self._tried.values()))

    def _note(self, look: PastLook, run: SweepRun) -> None:
        scope = look.sweep.scope
        if run.pages:
            self._tried[scope] = look
        # A first look counts even where rows slipped: without any, everything would be baseline for ever.
        if run.outcome is SweepOutcome.OK or (run.outcome in ANSWERED and scope not in self._counting):
            self._counting[scope] = look
        if run.outcome is SweepOutcome.OK:
            self._complete[scope] = [*self._complete[scope], look][-REMEMBERED_LOOKS:]

    def _rows(self, tx: Transaction) -> Iterator[Row]:
        query = sqlalchemy.text("SELECT state, revision, vanished_at IS NOT NULL FROM appointment")
        for state, revision, vanished in tx.connection().execute(query):
            if state not in self._states:
                self._states[state] = rows.read_state(state)
            yield Row(self._states[state], revision, bool(vanished))

    def _last(self) -> int:
        with self._store.reading() as tx:
            return max((one.seq for one in history.events(tx, 1)), default=0)

    def _events_after(self, seq: int) -> dict[str, list[Event]]:
        count = self._last() - seq
        found: dict[str, list[Event]] = defaultdict(list)
        with self._store.reading() as tx:
            for record in reversed(history.events(tx, count) if count else []):
                found[record.event.after.id].append(record.event)
        return found

    def _deliveries(self, count: int) -> dict[str, list[State]]:
        """Returns the states of the deliveries of the latest events, of so many and a few more."""
        found: dict[str, list[State]] = defaultdict(list)
        with self._store.reading() as tx:
            for record in history.deliveries(tx, 2 * count + 1) if count else []:
                found[record.delivery.event_id].append(record.state)
        return found
