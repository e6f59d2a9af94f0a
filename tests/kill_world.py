"""A world in which a daemon is killed again and again while life goes on, and which is called to account in the end.

The daemon, the sockets and the store are real; the enterprise and those who are told are made up, so that what was
true and what was told are both known. Every kill is a SIGKILL, at a fault point or at a random moment.
"""

import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from threading import Event, Lock, Thread
from typing import Final, Self

from notifier.audit import Truth
from notifier.clock import utc_now
from notifier.core.delivery import State
from notifier.core.sweep import SweepOutcome
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.exchange import Reply, SeenRequest, refuse
from notifier.engage.simulated.life import Life
from notifier.engage.simulator import Simulator
from notifier.store import notices, outbox, sweeps
from notifier.store.database import open_store
from tests.fake_receiver import Request, receiving
from tests.fault_points import BEAT, FAULT_POINTS
from tests.kill_config import (
    BRIEF,
    CHAT,
    FLAKY,
    GATHERED,
    OPERATOR,
    PRIVILEGED,
    ROUTES,
    SHAKY,
    SWEEPS,
    THROTTLED,
    configure,
)
from tests.kill_report import Report, reckon, unwatched
from tests.ledger import Ledger, Told, read_chat, read_webhook
from tests.nursery import Child, Nursery

ROWS: Final = 250
"""About so many appointments there are all the time; a page has far fewer."""

BREATH: Final = 100
"""When a former life left so many deliveries unjudged, the next one may judge them: more would trip the brake."""

SPREAD: Final = (timedelta(days=-13), timedelta(days=80))
STEPS_A_SECOND: Final = 8
BACKLOG: Final = 150
"""Nothing more happens while so many deliveries wait, since in the end all of them have to be sent."""

ERASED_SHARE: Final = 0.5
"""How many of the steps erase something while there are more than enough appointments."""

BUSY: Final = 8
"""Appointments to which most happens, so that much waits behind each other."""

BUSY_SHARE: Final = 0.5
MOVED_SHARE: Final = 0.5
QUARTER: Final = timedelta(minutes=15)
REFUSED_SHARE: Final = 0.3
"""After how many of the kills the shaky source refuses us, or does so no more."""

PATIENCE: Final = 60.0
PAUSE: Final = 0.05
LAST_WORDS: Final = 4000
"""Characters of the log that are shown of a daemon that ended in another way than it should."""

TROUBLE: Final = f"source {SHAKY}"
RECEIVERS: Final[Mapping[str, Callable[[int, Request], Sequence[Told]]]] = {
    FLAKY: read_webhook,
    PRIVILEGED: read_webhook,
    CHAT: read_chat,
    BRIEF: read_webhook,
    GATHERED: partial(read_webhook, channel=GATHERED),
    THROTTLED: partial(read_webhook, channel=THROTTLED),
    OPERATOR: read_webhook,
}
REFUSED_MESSAGES: Final = 0.1
"""How many of their messages some of the channels refuse for the time being."""


@dataclass(frozen=True, slots=True)
class Kill:
    """How one life ends: at a label when it is passed for the so-manieth time, or after so many seconds."""

    label: str = ""
    passes: int = 1
    seconds: float = 0.0


class Strike:
    """Strikes once, when it was called for the so-manieth time; several threads may call."""

    def __init__(self, passes: int, strike: Callable[[], object]) -> None:
        self._left = passes
        self._strike = strike
        self._lock = Lock()

    def __call__(self) -> bool:
        """Returns whether it has struck, now or before."""
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._strike()
            return self._left <= 0


class World:
    """One world, from its first daemon to its last."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)  # noqa: S311 - the same kills in every run
        self._life = 0
        self._child: Child | None = None
        self._done = Report()
        self._refused = False
        self._page_strike: Strike | None = None
        with ExitStack() as opened:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="notifier-kills-")))
            self._log, self._config = folder / "daemon.log", folder / "config.toml"
            self._enterprise = Enterprise()
            self._enterprise.fill(ROWS, seed, utc_now() - timedelta(hours=1), SPREAD)
            api = Simulator(enterprise=self._enterprise, clock=utc_now, others={SHAKY: Enterprise()})
            api.script = self._script
            opened.enter_context(api)
            self._ledgers = {name: opened.enter_context(_listening(read)) for name, read in RECEIVERS.items()}
            for name in (FLAKY, BRIEF, GATHERED, THROTTLED):
                self._ledgers[name].refuse(REFUSED_MESSAGES, seed)
            monitor = opened.enter_context(receiving())
            urls = {name: ledger.url for name, ledger in self._ledgers.items()}
            configure(self._config, api.base_url, api.token, monitor.url, urls)
            self._store = opened.enter_context(open_store(folder / "notifier.db"))
            self._nursery = Nursery(self._log)
            opened.callback(self._nursery.close)
            self._live_until(self._all_read)
            self._watched_since = utc_now()
            self._before = self._enterprise.keep_journal()
            self._bustle = _Bustle(self._enterprise, seed, lambda: self._count(State.PENDING) > BACKLOG)
            opened.callback(self._bustle.end)
            self._closing = opened.pop_all()
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def kill(self, kill: Kill) -> None:
        """Starts the daemon, and kills it."""
        out_of_breath = self._count(State.HELD) > BREATH
        child = self._start(kill)
        ended = child.ended.wait(PATIENCE if kill.label else kill.seconds)
        if out_of_breath and not ended:
            _await(lambda: self._count(State.HELD) <= BREATH)
        child.kill()
        if child.code != -signal.SIGKILL:
            raise RuntimeError(f"the daemon ended with {child.code}\n{self._last_words()}")
        counts = self._done.missed if kill.label and not ended else self._done.kills
        counts[kill.label] += 1

    def settle(self) -> Report:
        """Lets nothing more happen, waits until all is told, and calls to account."""
        seconds = time.monotonic() - self._began
        self._bustle.end()
        self._refused = False
        code = self._live_until(self._quiet)
        self._begin_life()
        truth = Truth(self._store.fingerprint_key(), [(row.id, row.body) for row in self._before])
        for name, row in self._enterprise.journal:
            truth.add(name, None if row is None else row.body)
        done = Report(kills=self._done.kills, missed=self._done.missed, seconds=[seconds], codes=[code])
        told = {name: ledger.told for name, ledger in self._ledgers.items()}
        return done + reckon(self._store, truth, told, self._watched_since)

    def _begin_life(self) -> None:
        """Waits until nothing of the former daemon is on its way any more."""
        self._life += 1
        self._page_strike = None
        for ledger in self._ledgers.values():
            ledger.begin(self._life)

    def _start(self, kill: Kill | None = None) -> Child:
        self._begin_life()
        if kill:
            self._prepare(kill)
        die = (kill.label, kill.passes) if kill and kill.label in FAULT_POINTS else None
        command = ("--log-level", "warning", "run", "--config", str(self._config))
        self._child = self._nursery.start(*command, die=die)
        return self._child

    def _prepare(self, kill: Kill) -> None:
        """Sees to it that the daemon comes by where it is to die."""
        if "notice" in kill.label:
            # A trouble begins where none is on record, and ends where one is.
            with self._store.reading() as tx:
                trouble = notices.troubles(tx).get(TROUBLE)
            self._refused = trouble is None or trouble.told_at is None
        elif kill.label == BEAT:
            self._refused = False
        elif self._chance.random() < REFUSED_SHARE:
            self._refused = not self._refused
        strike = Strike(kill.passes, self._strike)
        if kill.label == "page asked for":
            self._page_strike = strike
        elif kill.label == "message out, not answered":
            self._ledgers[self._chance.choice((*ROUTES["everything"], GATHERED, THROTTLED))].strike = strike
        elif kill.label == "notice out, not answered":
            self._ledgers[OPERATOR].strike = strike

    def _strike(self) -> None:
        """Kills the daemon, from a thread of those whom it asks or tells."""
        if self._child is not None:
            self._child.send_signal(signal.SIGKILL)

    def _script(self, request: SeenRequest) -> Reply | None:
        if f"/{SHAKY}/" in request.path:
            return refuse(403, "not today") if self._refused else None
        if self._page_strike is not None:
            self._page_strike()
        return None

    def _live_until(self, done: Callable[[datetime], bool]) -> int | None:
        """Lets a daemon live until something is done, and asks it to end; returns its exit code."""
        began, child = utc_now(), self._start()
        _await(lambda: done(began) or child.ended.is_set(), self._progress)
        child.send_signal(signal.SIGTERM)
        child.ended.wait(PATIENCE)
        return child.code

    def _all_read(self, since: datetime) -> bool:
        """Whether every sweep has been read well, beginning since then."""
        with self._store.reading() as tx:
            runs = [record.last for record in sweeps.every(tx)]
        good = [run for run in runs if run and run.started_at >= since and run.outcome is SweepOutcome.OK]
        return len(good) == SWEEPS

    def _quiet(self, since: datetime) -> bool:
        """Whether all has been read since then, and all is told."""
        with self._store.reading() as tx:
            unsent = any(count.unsent for count in notices.counts(tx, since).values())
            troubled = TROUBLE in notices.troubles(tx)
        waiting = any(map(self._count, (State.HELD, State.PENDING, State.SENDING)))
        staying = unwatched(self._store, self._watched_since)
        return not (waiting or unsent or troubled or staying) and self._all_read(since)

    def _progress(self) -> int:
        return sum(len(ledger.told) for ledger in self._ledgers.values())

    def _count(self, state: State) -> int:
        with self._store.reading() as tx:
            return sum(states[state] for states in outbox.counts(tx).values())

    def _last_words(self) -> str:
        return self._log.read_text(encoding="utf-8")[-LAST_WORDS:]


class _Bustle:
    """Lets things happen to the appointments of an enterprise, and new ones come as old ones go."""

    def __init__(self, enterprise: Enterprise, seed: int, tired: Callable[[], bool]) -> None:
        self._enterprise = enterprise
        self._tired = tired
        self._life = Life(enterprise, seed)
        start = utc_now() + timedelta(days=3)
        self._busy = [enterprise.create(utc_now(), Booking(start=start)) for _ in range(BUSY)]
        self._chance = Random(seed)  # noqa: S311 - the same life in every run
        self._over = Event()
        self._thread = Thread(target=self._go_on, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Lets nothing more happen."""
        self._over.set()
        self._thread.join(PATIENCE)

    def _go_on(self) -> None:
        while not self._over.wait(1 / STEPS_A_SECOND):
            rows = self._enterprise.rows()
            if self._tired():
                continue
            if self._chance.random() < BUSY_SHARE:
                self._change(self._chance.choice(self._busy), utc_now())
            elif len(rows) > ROWS and self._chance.random() < ERASED_SHARE:
                self._erase(self._chance.choice(rows).id)
            else:
                self._life.step(utc_now())

    def _change(self, appointment: str, now: datetime) -> None:
        """Moves an appointment, or calls it off, or takes that back."""
        row = self._enterprise.row(appointment)
        assert row is not None
        if self._chance.random() < MOVED_SHARE and row.starts_at is not None:
            start = row.starts_at + self._chance.choice((-QUARTER, QUARTER))
            self._enterprise.reschedule(appointment, now, start, start + 4 * QUARTER)
        elif row.status == "CANCELLED":
            self._enterprise.accept(appointment, now)
        else:
            self._enterprise.cancel(appointment, now)

    def _erase(self, appointment: str) -> None:
        if appointment not in self._busy:
            self._enterprise.remove(appointment)


def _await(done: Callable[[], bool], progress: Callable[[], int] = lambda: 0) -> None:
    """Waits until something is done, but not for long without any progress; what is wrong then shows in the report."""
    until, seen, pause = time.monotonic() + PATIENCE, progress(), Event()
    while not done() and time.monotonic() < until:
        pause.wait(PAUSE)
        if progress() != seen:
            until, seen = time.monotonic() + PATIENCE, progress()


@contextmanager
def _listening(read: Callable[[int, Request], Sequence[Told]]) -> Iterator[Ledger]:
    ledger = Ledger(read)
    ledger.listen()
    try:
        yield ledger
    finally:
        ledger.close()
