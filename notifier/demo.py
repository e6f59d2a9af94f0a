"""The demo: a made-up enterprise lives in the terminal, and the real daemon tells of what happens in it.

Simulator, daemon, store and channel are those of production, on loopback and in a temporary folder. The enterprise
has a clock of its own that always starts on the same morning, so that one seed is one life, to the letter.
"""

import tempfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from notifier.clock import Clock, utc_now
from notifier.config.first_steps import starter_folder
from notifier.config.rulebook import load_rulebook
from notifier.config.settings import load_settings
from notifier.core.delivery import State
from notifier.core.facts import say_moment
from notifier.daemon import Daemon
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.life import Happening, Life
from notifier.engage.simulator import Simulator
from notifier.store import history, snapshot
from notifier.store.database import Store, open_store
from notifier.store.history import EventRecord

MORNING = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
"""When every demo begins: a Tuesday, with people at work."""

PAUSE = timedelta(seconds=2.5)
"""Between two happenings; long enough to read a message."""

PATIENCE_SECONDS = 15.0
"""How long the daemon may take to notice and tell before the demo calls it a failure."""

APPOINTMENTS = 60

Found = TypeVar("Found")

_CONFIG = """\
timezone = "Europe/Brussels"
rules = ['{rules}/*.toml']

[sources.demo]
base_url = "{base_url}"
enterprise = "acme"
token = "{token}"

[[sources.demo.sweeps]]
name = "dated"
from = "-14d"
to = "90d"
every = "1s"

[[sources.demo.sweeps]]
name = "undated"
status = ["OUTGOING_INVITE", "ALTERNATIVE_DATE_REQUESTED"]
every = "1s"

[channels.team]
url = "console://"
"""

ZONE = ZoneInfo("Europe/Brussels")


def run_demo(seconds: float | None, seed: int, say: Callable[[str], None], stop: threading.Event) -> int:
    """Lives and tells until the seconds are over or `stop` is set; returns 0 if every happening was noticed.

    A happening that a rule asks for must be told, one that no rule asks for must not; everything else is a failure.
    """
    began = utc_now()

    def clock() -> datetime:
        return MORNING + (utc_now() - began)

    enterprise = Enterprise()
    enterprise.fill(APPOINTMENTS, seed, MORNING)
    with (
        tempfile.TemporaryDirectory(prefix="notifier-demo-") as folder,
        Simulator(enterprise=enterprise, clock=clock) as api,
        open_store(Path(folder) / "notifier.db", synchronous="normal") as store,
    ):
        daemon = _daemon(Path(folder), api, store, clock)
        say(_welcome(seed, len(enterprise)))
        daemon.start()
        try:
            story = _Story(Life(enterprise, seed, ZONE), store, say, stop)
            story.live(None if seconds is None else began + timedelta(seconds=seconds))
        finally:
            daemon.stop()
        say(story.summary())
        return 1 if story.failures else 0


class _Story:
    """Happenings one after another, each with what came of it before the next one begins."""

    def __init__(self, life: Life, store: Store, say: Callable[[str], None], stop: threading.Event) -> None:
        self._life = life
        self._store = store
        self._say = say
        self._stop = stop
        self._steps = 0
        self._told = 0
        self._newest = 0
        self.failures = 0

    def live(self, until: datetime | None) -> None:
        """Lets things happen until the time is over or somebody stops it."""
        if not self._await_baseline():
            return
        while not self._stop.is_set() and (until is None or utc_now() < until):
            self._steps += 1
            # Not the real time: the same step of the same seed is always at the same moment of this life.
            happening = self._life.step(MORNING + self._steps * PAUSE)
            self._say(f"● {happening.text}\n")
            self._follow(happening)
            left = PAUSE.total_seconds() if until is None else (until - utc_now()).total_seconds()
            self._stop.wait(min(PAUSE.total_seconds(), max(left, 0)))

    def summary(self) -> str:
        """Returns the figures, and what to do next."""
        return (
            f"{self._steps} happenings, {self._told} messages, {self.failures} failures.\n\n"
            "Your own: `notifier init` writes config.toml and rules/, `notifier check` looks them through,\n"
            "`notifier plan` shows what would be told, `notifier run` tells it."
        )

    def _await_baseline(self) -> bool:
        def both_read() -> bool | None:
            with self._store.reading() as tx:
                good = [sweep.last_good_at is not None for sweep in snapshot.sweeps(tx)]
            return good == [True, True] or None

        if self._wait_for(both_read) is None:
            self._fail("The first look at the appointments did not succeed.")
            return False
        with self._store.reading() as tx:
            known = snapshot.count(tx, "demo")
        self._say(f"First look: {known} appointments, stored in silence. From here on, changes are told.\n")
        return True

    def _follow(self, happening: Happening) -> None:
        """Waits until the happening was noticed and told to whom the rules say, and says how that went."""
        record = self._wait_for(lambda: self._event_of(happening))
        if record is None:
            self._fail("not noticed")
            return
        self._newest = record.seq
        rules = [verdict.rule for verdict in record.verdicts if verdict.matched]
        if not rules:
            self._say("  no rule asks for this: nobody is bothered\n")
            return
        states = self._wait_for(lambda: self._settled(record))
        if states is None or any(state is not State.DELIVERED for state in states):
            self._fail("not told")
            return
        self._told += len(states)
        self._say(f"  told by the rule {' and '.join(rules)}\n")

    def _event_of(self, happening: Happening) -> EventRecord | None:
        with self._store.reading() as tx:
            newest = history.events(tx, 1, appointment=happening.appointment_id)
        return newest[0] if newest and newest[0].seq > self._newest else None

    def _settled(self, record: EventRecord) -> list[State] | None:
        with self._store.reading() as tx:
            states = [delivery.state for delivery in history.deliveries_of(tx, record.event.id)]
        return None if {State.PENDING, State.SENDING} & set(states) else states

    def _wait_for(self, look: Callable[[], Found | None]) -> Found | None:
        """Returns what `look` finds, or None when it finds nothing for too long or the demo is stopped."""
        until = utc_now() + timedelta(seconds=PATIENCE_SECONDS)
        while (found := look()) is None and utc_now() < until and not self._stop.wait(0.05):
            pass
        return found

    def _fail(self, what: str) -> None:
        # Stopped in the middle of a step is no failure.
        if not self._stop.is_set():
            self.failures += 1
            self._say(f"  FAILED: {what}\n")


def _daemon(folder: Path, api: Simulator, store: Store, clock: Clock) -> Daemon:
    rules = (starter_folder() / "rules").as_posix()
    config = folder / "config.toml"
    config.write_text(_CONFIG.format(rules=rules, base_url=api.base_url, token=api.token), encoding="utf-8")
    settings = load_settings(config, {})
    return Daemon(settings, load_rulebook(settings), store, clock=clock)


def _welcome(seed: int, appointments: int) -> str:
    return (
        f"A made-up enterprise with {appointments} appointments; it is {say_moment(MORNING, ZONE)} there.\n"
        f"Nothing leaves this machine. Life number {seed} (--seed); Ctrl-C ends it.\n"
    )
