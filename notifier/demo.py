"""The demo: a made-up enterprise lives in the terminal, and the real daemon tells of what happens in it.

Simulator, daemon, store and channel are those of production, on loopback and in a temporary folder. The enterprise
has a clock of its own that always starts on the same morning, so that one seed is one life, to the letter. With faults
the source misbehaves in all the ways that a client must get over by itself, and what is told must be right even so.
"""

import tempfile
import textwrap
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from notifier.audit import Audit, Truth, audit_store
from notifier.clock import Clock, utc_now
from notifier.config.first_steps import starter_folder
from notifier.config.rulebook import load_rulebook
from notifier.config.settings import load_settings
from notifier.core.delivery import State
from notifier.core.language import ENGLISH
from notifier.daemon import Daemon
from notifier.engage.names import RESOURCES, names_in
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.faults import OFF, Faults
from notifier.engage.simulated.life import Happening, Life
from notifier.engage.simulated.named import Named
from notifier.engage.simulated.slip import NEVER, Slip, SlipKind
from notifier.engage.simulator import Simulator
from notifier.store import history, snapshot, sweeps
from notifier.store.database import Store, open_store
from notifier.store.history import EventRecord

MORNING = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
"""When every demo begins: a Tuesday, with people at work."""

PAUSE = timedelta(seconds=2.5)
"""Between two happenings; long enough to read a message."""

PATIENCE_SECONDS = 15.0
"""How long the daemon may take to notice and tell before the demo calls it a failure."""

FAULTY_PATIENCE_SECONDS = 45.0
"""The same where faults strike: several in a row are nobody's failure."""

APPOINTMENTS = 60

FAULT_SHARE = 0.25
SLIP_SHARE = 0.5
FAULTY_PAGE = 25
"""Rows on a page where faults strike: a list of several pages can slip."""

TOLD_FINDINGS = 10
WIDTH = 80

HOLD = timedelta(seconds=2)
"""How long a request is left without an answer at most."""

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

{directory}"""

_CREDENTIALS = """\
token = "{token}"
"""

# Tokens that are granted can end early; short waits, since somebody is watching.
_FAULTY_CREDENTIALS = """\
timeout = "1s"
deadline = "8s"

[sources.demo.oauth]
token_url = "{token_url}"
client_id = "{client_id}"
client_secret = "{client_secret}"
"""

ZONE = ZoneInfo("Europe/Brussels")

_SLIPPED = "a row that changed its place"

_NEXT = (
    "Your own: `notifier init` writes config.toml and rules/, `notifier check` looks them through,\n"
    "`notifier plan` shows what would be told, `notifier run` tells it."
)


def run_demo(
    seconds: float | None, seed: int, say: Callable[[str], None], stop: threading.Event, *, faults: bool = False
) -> int:
    """Lives and tells until the seconds are over or `stop` is set; returns 0 if every happening was noticed.

    A happening that a rule asks for must be told, one that no rule asks for must not; everything else is a failure.
    With faults the source misbehaves meanwhile, and in the end all that was told is compared with all that happened.
    """
    began = utc_now()

    def clock() -> datetime:
        return MORNING + (utc_now() - began)

    enterprise = Enterprise()
    enterprise.fill(APPOINTMENTS, seed, MORNING)
    with (
        tempfile.TemporaryDirectory(prefix="notifier-demo-") as folder,
        _simulator(enterprise, seed, clock, faults=faults) as api,
        open_store(Path(folder) / "notifier.db", synchronous="normal") as store,
    ):
        daemon = _daemon(Path(folder), api, store, clock, faults=faults)
        say(_welcome(seed, len(enterprise)) + (_warning(api) if faults else ""))
        trial = _Trial(api, store) if faults else None
        daemon.start()
        try:
            story = _Story(Life(enterprise, seed, ZONE), store, say, stop, trial)
            story.live(None if seconds is None else timedelta(seconds=seconds))
            verdict = trial.verdict() if trial else None
        finally:
            daemon.stop()
        say("\n".join([story.summary(), *([verdict.text] if verdict else []), _NEXT]))
        return 1 if story.failures or (verdict and not verdict.audit.clean) else 0


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What came out of a trial, and its words."""

    audit: Audit
    text: str


class _Trial:
    """What strikes while the story goes on, and whether it did any harm."""

    def __init__(self, api: Simulator, store: Store) -> None:
        self._api = api
        self._store = store
        rows = api.enterprise.keep_journal()
        self._before = [(row.id, row.body) for row in rows]
        self._told: Counter[str] = Counter()

    def struck(self) -> str:
        """Returns a line about what struck since the last time that this was asked for; empty for nothing."""
        counts = self._counts()
        news, self._told = counts - self._told, counts
        return _list("  in spite of", news) if news else ""

    def verdict(self) -> _Verdict:
        """Lets the source behave again, waits until all is noticed that there is, and compares."""
        self._api.faults, self._api.slip = OFF, NEVER
        until = utc_now() + timedelta(seconds=PATIENCE_SECONDS)
        while not (audit := self._audit()).clean and utc_now() < until:
            threading.Event().wait(0.1)
        asked, counts = self._api.counts.total(), self._counts()
        text = f"{self._api.faulted.total()} of {asked} requests met a fault.\n{_list('What struck', counts)}\n"
        if audit.clean:
            return _Verdict(audit, f"{text}Nothing was lost and nothing invented:\n{_agree(audit)}.\n")
        findings = [*audit.lost, *audit.invented, *audit.falsely_vanished]
        wrong = [f"WRONG: appointment {one.appointment}: {one.what}\n" for one in findings[:TOLD_FINDINGS]]
        return _Verdict(audit, f"{text}{''.join(wrong)}{len(findings)} findings.\n")

    def _counts(self) -> Counter[str]:
        counts = Counter({str(kind): times for kind, times in self._api.faulted.items()})
        return counts + Counter({_SLIPPED: self._api.slipped.total()})

    def _audit(self) -> Audit:
        truth = Truth(self._store.fingerprint_key(), self._before)
        for name, row in self._api.enterprise.journal:
            truth.add(name, None if row is None else row.body)
        return audit_store(truth, self._store, "demo")


class _Story:
    """Happenings one after another, each with what came of it before the next one begins."""

    def __init__(
        self, life: Life, store: Store, say: Callable[[str], None], stop: threading.Event, trial: _Trial | None = None
    ) -> None:
        self._life = life
        self._store = store
        self._say = say
        self._stop = stop
        self._trial = trial
        self._steps = 0
        self._told = 0
        self._newest = 0
        self.failures = 0

    def live(self, length: timedelta | None) -> None:
        """Lets things happen from the first look on, until the time is over or somebody stops it."""
        if not self._await_baseline():
            return
        until = None if length is None else utc_now() + length
        while not self._stop.is_set() and (until is None or utc_now() < until):
            self._steps += 1
            # Not the real time: the same step of the same seed is always at the same moment of this life.
            happening = self._life.step(MORNING + self._steps * PAUSE)
            self._say(f"● {happening.text}\n")
            self._follow(happening)
            left = PAUSE.total_seconds() if until is None else (until - utc_now()).total_seconds()
            self._stop.wait(min(PAUSE.total_seconds(), max(left, 0)))

    def summary(self) -> str:
        """Returns the figures."""
        return f"{self._steps} happenings, {self._told} messages, {self.failures} failures.\n"

    def _await_baseline(self) -> bool:
        def both_read() -> bool | None:
            with self._store.reading() as tx:
                good = [sweep.last_good_at is not None for sweep in sweeps.every(tx)]
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
            self._note("no rule asks for this: nobody is bothered")
            return
        states = self._wait_for(lambda: self._settled(record))
        if states is None or any(state is not State.DELIVERED for state in states):
            self._fail("not told")
            return
        self._told += len(states)
        self._note(f"told by the rule {' and '.join(rules)}")

    def _event_of(self, happening: Happening) -> EventRecord | None:
        with self._store.reading() as tx:
            newest = history.events(tx, 1, appointment=happening.appointment_id)
        return newest[0] if newest and newest[0].seq > self._newest else None

    def _settled(self, record: EventRecord) -> list[State] | None:
        with self._store.reading() as tx:
            states = [delivery.state for delivery in history.deliveries_of(tx, record.event.id)]
        return None if {State.HELD, State.PENDING, State.SENDING} & set(states) else states

    def _wait_for(self, look: Callable[[], Found | None]) -> Found | None:
        """Returns what `look` finds, or None when it finds nothing for too long or the demo is stopped."""
        patience = FAULTY_PATIENCE_SECONDS if self._trial else PATIENCE_SECONDS
        until = utc_now() + timedelta(seconds=patience)
        while (found := look()) is None and utc_now() < until and not self._stop.wait(0.05):
            pass
        return found

    def _fail(self, what: str) -> None:
        # Stopped in the middle of a step is no failure.
        if not self._stop.is_set():
            self.failures += 1
            self._note(f"FAILED: {what}")

    def _note(self, what: str) -> None:
        struck = self._trial.struck() if self._trial else ""
        self._say(f"  {what}\n{struck}\n" if struck else f"  {what}\n")


def _simulator(enterprise: Enterprise, seed: int, clock: Clock, *, faults: bool) -> Simulator:
    if not faults:
        return Simulator(enterprise=enterprise, clock=clock)
    return Simulator(
        enterprise=enterprise,
        clock=clock,
        page_cap=FAULTY_PAGE,
        cap="clamp",
        slip=Slip(SLIP_SHARE, seed, (SlipKind.REORDER,)),
        # Whoever is lied to can't tell the truth.
        faults=replace(Faults.mixed(FAULT_SHARE, seed, lies=False), hold=HOLD),
    )


def _daemon(folder: Path, api: Simulator, store: Store, clock: Clock, *, faults: bool) -> Daemon:
    rules = (starter_folder() / "rules").as_posix()
    config = folder / "config.toml"
    text = _CONFIG.replace(_CREDENTIALS, _FAULTY_CREDENTIALS) if faults else _CONFIG
    filled = text.format(
        rules=rules,
        base_url=api.base_url,
        token=api.token,
        token_url=api.token_url,
        client_id=api.client_id,
        client_secret=api.client_secret,
        directory=_directory(api.named),
    )
    config.write_text(filled, encoding="utf-8")
    settings = load_settings(config, {})
    return Daemon(settings, load_rulebook(settings), store, clock=clock)


def _directory(named: Named) -> str:
    """Returns tables of what the enterprise calls its people and places: appointments have only their ids."""
    lists = {kind: names_in(kind, named.answer(of, "limit=100").body) for kind, of in RESOURCES.items()}
    return "\n".join(
        f"[directory.{kind}s.{id_}]\nname = '{called.name}'\n"
        for kind, known in lists.items()
        for id_, called in known.items()
    )


def _welcome(seed: int, appointments: int) -> str:
    return (
        f"A made-up enterprise with {appointments} appointments; it is {ENGLISH.say_moment(MORNING, ZONE)} there.\n"
        f"Nothing leaves this machine. Life number {seed} (--seed); Ctrl-C ends it.\n"
        "After ● stands what is done there, by ids; in the frame what the team is told, by its own names.\n"
    )


def _warning(api: Simulator) -> str:
    return (
        f"The source misbehaves: {api.faults.share:.0%} of the requests meet one of {len(api.faults.kinds)} faults,\n"
        f"and before {api.slip.share:.0%} of the further pages a row changes its place.\n"
    )


def _list(what: str, counts: Counter[str]) -> str:
    """Returns what struck how often, most often first, in lines that fit a terminal."""
    struck = [f"{kind} ({times})" if times > 1 else str(kind) for kind, times in counts.most_common() if times]
    return textwrap.fill(
        f"{what}: {', '.join(struck) or 'nothing'}.", WIDTH, break_on_hyphens=False, subsequent_indent="    "
    )


def _agree(audit: Audit) -> str:
    return f"{audit.changes} changes, {audit.events} events, and the snapshot is what the source has"
