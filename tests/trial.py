"""A trial: a poller on an enterprise that keeps a journal, while the source misbehaves as it is told to.

What a fault may cost is time. When it is over, all that happened must be told, once, and nothing else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from random import Random

import stamina
from pydantic import SecretStr

from notifier.audit import Audit, Truth, audit_store
from notifier.core.change import Kind
from notifier.core.delivery import State
from notifier.core.rule import on_kinds
from notifier.core.sweep import SweepOutcome, SweepRun
from notifier.engage.client import post_form
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.exchange import SeenRequest
from notifier.engage.simulated.faults import FaultKind, Faults
from notifier.engage.simulated.life import Life
from notifier.engage.simulated.quota import Limits
from notifier.engage.simulated.slip import NEVER
from notifier.engage.simulator import Simulator
from notifier.engage.token import ClientCredentials
from notifier.poller import REFUSED_PAUSE, Poller
from notifier.store import history
from notifier.store.database import Store
from tests.builders import rule
from tests.polling import DATED, UNDATED, polling
from tests.simulated import NOW, HandClock

ROWS = 120
PAGE = 50
FAR = timedelta(days=300)
SPREAD = (timedelta(days=-7), timedelta(days=60))
"""Of the starts: none leaves the sweeps while a trial lasts."""

MINUTE = timedelta(minutes=1)
PATIENT = timedelta(seconds=5)
IMPATIENT = timedelta(seconds=0.3)
"""For those who wait for a time-out."""

EVERYTHING = rule(on_kinds(list(Kind)), name="everything", channels=("chat",))


class Place(StrEnum):
    """Which requests a fault strikes."""

    FIRST_PAGE = "first page"
    LATER_PAGE = "later page"
    ENQUIRY = "enquiry"
    TOKEN = "token"

    def holds(self, request: SeenRequest) -> bool:
        """Whether a request is one of these."""
        names = dict(request.parameters)
        if not request.path.startswith("/enterprises/"):
            return self is Place.TOKEN
        if "id[]" in names:
            return self is Place.ENQUIRY
        return self is (Place.FIRST_PAGE if names["offset"] == "0" else Place.LATER_PAGE)


@dataclass
class Strike:
    """A script of the simulator: a fault at each request of a place, or at so many of them."""

    kind: FaultKind
    place: Place
    times: int | None = None

    def __call__(self, request: SeenRequest) -> FaultKind | None:
        if self.times == 0 or not self.place.holds(request):
            return None
        if self.times is not None:
            self.times -= 1
        return self.kind


class Trial:
    """An enterprise, what happens in it, and what the poller makes of it."""

    def __init__(self, simulator: Simulator, clock: HandClock, poller: Poller, store: Store, seed: int) -> None:
        self.simulator = simulator
        self.clock = clock
        self.poller = poller
        self.store = store
        self.runs: list[SweepRun] = []
        self._life = Life(simulator.enterprise, seed)
        self._draws = Random(seed)  # noqa: S311 - to be repeatable
        self._before = [(row.id, row.body) for row in simulator.enterprise.keep_journal()]

    def poll(self, rounds: int = 1) -> None:
        """Polls both sweeps, a minute apart."""
        for _ in range(rounds):
            for sweep in (DATED, UNDATED):
                self.clock.advance(seconds=30)
                self.runs.append(self.poller.poll(sweep))

    def live(self, steps: int) -> None:
        """Lets something happen, so many times, anywhere."""
        for _ in range(steps):
            self.clock.advance(seconds=1)
            self._life.step(self.clock())

    def happen(self) -> None:
        """One is made and one invited; one is cancelled, one moves beyond the sweeps, one is erased."""
        enterprise, now = self.simulator.enterprise, self.clock()
        coming = [row.id for row in enterprise.rows() if row.status == "ACCEPTED" and _is_near(row.starts_at)]
        cancelled, moved, erased = self._draws.sample(coming, 3)
        enterprise.cancel(cancelled, now)
        enterprise.reschedule(moved, now, now + FAR, now + FAR + timedelta(hours=1))
        enterprise.remove(erased)
        enterprise.create(now, Booking(start=NOW + timedelta(days=3)))
        enterprise.invite(now, Booking())

    def end_trouble(self) -> None:
        """Lets the source behave from now on, and whoever was refused ask again."""
        self.simulator.script, self.simulator.slip = None, NEVER
        self.simulator.faults = Faults(hold=self.simulator.faults.hold)
        self.simulator.order = "insertion"
        self.clock.advance(seconds=REFUSED_PAUSE.total_seconds())

    def settle(self) -> set[SweepOutcome]:
        """Reads everything once more, what is in no sweep too; returns how that went."""
        self.poll()
        self.clock.advance(days=1)
        return {run.outcome for run in [*self.runs[-2:], self.poller.tend([DATED, UNDATED])]}

    def audit(self) -> Audit:
        """Compares all that happened with all that was told."""
        truth = Truth(self.store.fingerprint_key(), self._before)
        for name, row in self.simulator.enterprise.journal:
            truth.add(name, None if row is None else row.body)
        return audit_store(truth, self.store, "acme")

    def owed(self) -> int:
        """Returns how many deliveries there are that somebody gets, or got."""
        with self.store.reading() as tx:
            found = history.deliveries(tx, 10**6)
        return sum(one.state not in {State.HELD, State.DISCARDED} for one in found)

    def deliveries_without_reason(self) -> int:
        """Returns how many deliveries there are beyond one for each event."""
        with self.store.reading() as tx:
            owed = history.deliveries(tx, 10**6)
            told = {record.event.id for record in history.events(tx, 10**6)}
        return len(owed) - len(told & {one.delivery.event_id for one in owed})


def _is_near(start: datetime | None) -> bool:
    return start is not None and NOW + timedelta(days=1) < start < NOW + timedelta(days=60)


@contextmanager
def on_trial(folder: Path, clock: HandClock, seed: int = 1, timeout: timedelta = PATIENT) -> Iterator[Trial]:
    """Gives a trial that has looked at everything once, with tokens that are granted and waits that take no time."""
    faults = Faults(hold=timedelta(seconds=30), retry_after=timedelta(0), huge=2_000_000)
    with (
        stamina.set_testing(True, attempts=2),
        Simulator(clock=clock, faults=faults, limits=Limits(per_minute=None)) as simulator,
    ):
        simulator.enterprise.fill(ROWS, seed, NOW - timedelta(hours=1), SPREAD)
        post = post_form(simulator.token_url, timeout)
        token = ClientCredentials(simulator.client_id, SecretStr(simulator.client_secret), None, post)
        wanted = {"token": token, "page_size": PAGE, "timeout": timeout}
        with polling(folder, simulator, clock, (EVERYTHING,), **wanted) as (poller, store):
            trial = Trial(simulator, clock, poller, store, seed)
            trial.poll()
            yield trial
