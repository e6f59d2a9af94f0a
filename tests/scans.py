"""Many scans of an enterprise that lives, slips and fails, each audited against the truth."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Self

from notifier.core.brake import Brake
from notifier.core.change import Kind
from notifier.core.slices import pages_of
from notifier.core.sweep import ANSWERED, SweepOutcome
from notifier.engage.simulated.faults import FaultKind
from notifier.engage.simulated.order import Order
from notifier.engage.simulated.page import Cap
from notifier.engage.simulated.query import Span
from notifier.engage.simulated.slip import Slip
from tests.auditor import Audit
from tests.doings import DAY, STARTS, VERBS, Doing, do
from tests.poll_laws import Breach, Law
from tests.poll_world import HONEST_FAULTS, SWEEPS, Interruption, Overtaking, World

ORDERS: Sequence[Order] = ("insertion", "start", "updated", "id", "unstable")
SPANS: Sequence[Span] = ("overlap", "start", "end", "contained")
CAPS: Sequence[Cap] = ("clamp", "silent")
PAGE_SIZES = (6, 10, 20)
SLICE_ROWS = (20, 50, 5000)
WEIGHTS = {"near": 6, "wide": 2, "far": 2, "office": 3, "ended": 3, "undated": 2, "open": 1, "everything": 1}

NO_BRAKE = Brake(share=1.0, count=10**9)
"""So many scans in so short a time are suspicious, and rightly so."""

ROWS = 80
"""How many appointments there are at least; at most about twice as many."""

ERASED_AFTER = 10 * DAY


@dataclass
class Figures:
    """What many scans came to."""

    scans: int = 0
    #: How many ids were asked for by themselves, and how many changes there were in truth.
    enquired: int = 0
    changes: int = 0
    outcomes: Counter[SweepOutcome] = field(default_factory=Counter)
    #: Requests of those that came to their end, and what the same appointments would take in pages as full as can be.
    requests: int = 0
    plain: int = 0
    events: int = 0
    vanished: int = 0
    breaches: list[Breach] = field(default_factory=list)

    def add(self, audit: Audit, page_rows: int) -> None:
        """Counts one scan of a source that gives so many rows at once."""
        self.scans += 1
        if audit.run.outcome in ANSWERED:
            self.requests += audit.run.pages
            self.plain += pages_of(audit.run.rows, page_rows)
        self.outcomes[audit.run.outcome] += 1
        self.events += len(audit.events)
        self.vanished += sum(Kind.VANISHED in event.kinds for event in audit.events)
        self.breaches += audit.breaches

    def __iadd__(self, other: "Figures") -> Self:
        self.scans += other.scans
        self.enquired += other.enquired
        self.changes += other.changes
        self.outcomes += other.outcomes
        self.requests += other.requests
        self.plain += other.plain
        self.events += other.events
        self.vanished += other.vanished
        self.breaches += other.breaches
        return self

    def broken(self, law: Law) -> int:
        """Returns how often a law was broken."""
        return sum(one.law is law for one in self.breaches)


class Scans:
    """A world that is scanned as a seed says."""

    def __init__(self, seed: int, *, over_sockets: bool = False, concurrency: int = 1) -> None:
        self._draws = Random(seed)  # noqa: S311 - to be repeatable, not secret
        self.figures = Figures()
        self._page_size = self._draws.choice(PAGE_SIZES)
        self.world = World(
            page_size=self._page_size,
            slice_rows=self._draws.choice(SLICE_ROWS),
            span=self._draws.choice(SPANS),
            brake=NO_BRAKE,
            over_sockets=over_sockets,
            concurrency=concurrency,
        )
        for number in range(ROWS):
            self._do(Doing("create", start=number, choice=number // len(STARTS)))
        self.world.clock.advance(hours=1)

    def close(self) -> None:
        """Gives the world up."""
        self.world.close()

    def scan(self) -> Audit:
        """Lets something happen, and scans once."""
        self._turn(self.figures.scans)
        for _ in range(self._draws.choice((0, 0, 1, 2, 4))):
            self._do(self._doing())
        sweep = self._draws.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        audit = self.world.poll(sweep, self._interruptions())
        self.figures.add(audit, min(self._page_size, self.world.simulator.page_cap or self._page_size))
        self.figures.enquired, self.figures.changes = self.world.enquired, self.world.truth.moment
        self.world.clock.now += self._draws.choice((1, 20, 60, 300, 1200)) * timedelta(seconds=1)
        return audit

    def _turn(self, number: int) -> None:
        """From time to time the source behaves otherwise, the process ends, or what is in no sweep is looked after."""
        if number % 25 == 0:
            self._behave()
        if number % 60 == 0:
            self.world.restart()
        if number % 40 == 0:
            self._erase()
            self.figures.breaches += self.world.tend(SWEEPS).breaches

    def _behave(self) -> None:
        simulator = self.world.simulator
        simulator.order = self._draws.choice(ORDERS)
        simulator.slip = Slip(self._draws.choice((0.0, 0.1, 0.3)), self._draws.randrange(1000))
        simulator.cap, simulator.page_cap = self._draws.choice(CAPS), self._draws.choice((None, None, 4, 7))

    def _erase(self) -> None:
        """Appointments that are long over are erased, and new ones made instead."""
        truth, now = self.world.truth, self.world.source_clock()
        for row in truth.rows():
            if row.starts_at is not None and row.starts_at < now - ERASED_AFTER:
                truth.remove(row.id)
        for _ in range(ROWS - len(truth)):
            self._do(Doing("create", start=self._draws.randrange(len(STARTS)), choice=self._draws.randrange(6)))

    def _doing(self) -> Doing:
        verb = self._draws.choice(VERBS if len(self.world.truth) < 2 * ROWS else ("remove",))
        return Doing(verb, *(self._draws.randrange(1000) for _ in range(3)))

    def _do(self, doing: Doing) -> None:
        do(self.world.truth, self.world.source_clock(), doing)

    def _interruptions(self) -> Iterator[Interruption]:
        for _ in range(self._draws.choice((0, 0, 0, 1, 2, 3))):
            kind = self._draws.random()
            what: Doing | Overtaking | FaultKind | timedelta = self._doing()
            if kind < 0.1:
                what = self._draws.choice(HONEST_FAULTS)
            elif kind < 0.15:
                what = Overtaking(self._doing(), self._draws.choice(tuple(SWEEPS)))
            elif kind < 0.3:
                what = timedelta(seconds=20)
            yield Interruption(self._draws.randrange(1, 20), what)


@contextmanager
def scanning(seed: int, *, over_sockets: bool = False, concurrency: int = 1) -> Iterator[Scans]:
    """Gives scans that are closed in the end."""
    scans = Scans(seed, over_sockets=over_sockets, concurrency=concurrency)
    try:
        yield scans
    finally:
        scans.close()
