"""What a source in trouble costs: the daemon as a process, over sockets, against everything that can go wrong.

An enterprise lives while a share of its requests fails in every way that a client must get over by itself, and its
lists slip while they are read, in one order after another. In the end the faults stop, everything is read once more,
and all that happened is compared with all that is in the snapshot and on record.

    python -m benchmarks.faults --rows 20000 --minutes 5 --seed 1
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from notifier.audit import Audit, Truth, audit_store
from notifier.clock import utc_now
from notifier.core.delivery import State
from notifier.core.sweep import SweepOutcome, SweepRun
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.faults import OFF, FaultKind, Faults
from notifier.engage.simulated.life import Life
from notifier.engage.simulated.order import Order
from notifier.engage.simulated.slip import NEVER, Slip, SlipKind
from notifier.engage.simulator import Simulator
from notifier.store import history, sweeps
from notifier.store.database import Store, open_store

ORDERS: Sequence[Order] = ("insertion", "start", "updated", "id", "unstable")
FAULT_SHARE = 0.1
SLIP_SHARE = 0.5
STEPS_A_SECOND = 8
HOLD = timedelta(seconds=5)
HUGE = 100 << 20
PATIENCE_SECONDS = 120.0
GRACE_SECONDS = 20.0
TOLD_FINDINGS = 10
SPREAD = (timedelta(days=-13), timedelta(days=80))
SWEEPS = ("dated", "undated")

CONFIG = """\
timezone = "Europe/Brussels"
rules = ["everything.toml"]

[sources.acme]
base_url = "{base_url}"
enterprise = "acme"
page_size = {page_size}
timeout = "2s"
deadline = "10s"

[sources.acme.oauth]
token_url = "{token_url}"
client_id = "{client_id}"
client_secret = "{client_secret}"

[sources.acme.limits]
requests_per_minute = 2400
concurrency = 4

[[sources.acme.sweeps]]
name = "dated"
from = "-14d"
to = "90d"
every = "2s"

[[sources.acme.sweeps]]
name = "undated"
status = ["OUTGOING_INVITE", "ALTERNATIVE_DATE_REQUESTED"]
every = "2s"

[channels.team]
url = "console://"
"""

RULES = """\
[[rule]]
name = "everything"
on = ["created", "discovered", "status_changed", "rescheduled", "reassigned", "relocated", "updated", "vanished"]
channels = "team"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run came to."""

    rows: int
    seconds: float
    requests: int
    faults: Counter[FaultKind]
    slips: Counter[SlipKind]
    sweeps: Counter[tuple[str, SweepOutcome]]
    #: Changes that lay before the window of the run that found them.
    late: int
    audit: Audit
    #: Deliveries by what became of them.
    deliveries: Counter[State]
    #: How the daemon ended.
    code: int

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong, and every event was told."""
        told = self.deliveries == Counter({State.DELIVERED: self.audit.events})
        return self.audit.clean and told and self.code == 0


@dataclass
class Sightings:
    """The runs of sweeps, as the store shows them one after another."""

    store: Store
    runs: dict[tuple[str, datetime], SweepRun] = field(default_factory=dict)

    def look(self) -> None:
        """Notes what the newest run of each sweep came to."""
        with self.store.reading() as tx:
            for record in sweeps.every(tx):
                if record.last:
                    self.runs[record.name, record.last.started_at] = record.last

    def good_since(self, moment: datetime) -> bool:
        """Whether every sweep has been read well, beginning since then."""
        self.look()
        good = {name for (name, began), run in self.runs.items() if began >= moment and run.outcome is SweepOutcome.OK}
        return good >= set(SWEEPS)


def run(rows: int, seconds: float, seed: int, page_size: int = 1000) -> Report:
    """Lets the daemon poll an enterprise in trouble for so long, and returns what that came to."""
    enterprise = Enterprise()
    enterprise.fill(rows, seed, utc_now() - timedelta(hours=1), SPREAD)
    faults = replace(Faults.mixed(FAULT_SHARE, seed, lies=False), hold=HOLD, huge=HUGE)
    with (
        tempfile.TemporaryDirectory(prefix="notifier-faults-") as folder,
        Simulator(enterprise=enterprise, clock=utc_now, faults=faults) as api,
    ):
        home = Path(folder)
        _configure(home, api, page_size)
        with open_store(home / "notifier.db") as store, _daemon(home) as process:
            seen = Sightings(store)
            began = utc_now()
            _wait(lambda: seen.good_since(began), process)
            before = enterprise.keep_journal()
            api.slip = Slip(SLIP_SHARE, seed)
            for order in ORDERS:
                api.order = order
                _live(Life(enterprise, seed), seconds / len(ORDERS), seen, process)
            api.faults, api.slip = OFF, NEVER
            settled = utc_now()
            _wait(lambda: seen.good_since(settled) and _all_told(store), process)
            process.terminate()
            code = process.wait(GRACE_SECONDS)
            truth = Truth(store.fingerprint_key(), [(row.id, row.body) for row in before])
            for name, row in enterprise.journal:
                truth.add(name, None if row is None else row.body)
            return Report(
                rows=len(before),
                seconds=seconds,
                requests=api.counts.total(),
                faults=api.faulted,
                slips=api.slipped,
                sweeps=Counter((name, run.outcome) for (name, _), run in seen.runs.items()),
                late=sum(run.late for run in seen.runs.values()),
                audit=audit_store(truth, store, "acme"),
                deliveries=_states(store),
                code=code,
            )


def _live(life: Life, seconds: float, seen: Sightings, process: "subprocess.Popen[bytes]") -> None:
    """Lets things happen at a steady pace, and notes how the sweeps get on."""
    ends = time.monotonic() + seconds
    pause = threading.Event()
    while time.monotonic() < ends:
        if process.poll() is not None:
            raise RuntimeError(f"the daemon ended with {process.returncode}")
        life.step(utc_now())
        seen.look()
        pause.wait(1 / STEPS_A_SECOND)


def _wait(done: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    """Waits until something is done; whatever is wrong after that shows in the report."""
    until, pause = time.monotonic() + PATIENCE_SECONDS, threading.Event()
    while not done() and time.monotonic() < until and process.poll() is None:
        pause.wait(0.2)


def _configure(home: Path, api: Simulator, page_size: int) -> None:
    text = CONFIG.format(
        base_url=api.base_url,
        page_size=page_size,
        token_url=api.token_url,
        client_id=api.client_id,
        client_secret=api.client_secret,
    )
    (home / "config.toml").write_text(text, encoding="utf-8")
    (home / "everything.toml").write_text(RULES, encoding="utf-8")


@contextmanager
def _daemon(home: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs the command in a folder, as whoever installed it would; what it prints is not looked at."""
    installed = shutil.which("notifier", path=str(Path(sys.executable).parent))
    if installed is None:
        raise RuntimeError("the command `notifier` is not installed beside this interpreter")
    command = [installed, "--log-level", "error", "run"]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def _states(store: Store) -> Counter[State]:
    with store.reading() as tx:
        return Counter(one.state for one in history.deliveries(tx, 10**9))


def _all_told(store: Store) -> bool:
    return not _states(store).keys() & {State.HELD, State.PENDING, State.SENDING}


def show(report: Report) -> str:
    """Returns the report as a table, with the first findings below it."""
    audit = report.audit
    lines: list[tuple[str, object]] = [
        ("appointments", report.rows),
        ("seconds", f"{report.seconds:.0f}"),
        ("orders", ", ".join(ORDERS)),
        ("requests", report.requests),
        *((f"fault {kind}", times) for kind, times in sorted(report.faults.items())),
        *((f"slip {kind}", times) for kind, times in sorted(report.slips.items())),
        *((f"sweep {name} {outcome}", times) for (name, outcome), times in sorted(report.sweeps.items())),
        ("changes", audit.changes),
        ("appointments changed", audit.changed),
        ("events", audit.events),
        ("of them late", report.late),
        *((f"deliveries {state}", times) for state, times in sorted(report.deliveries.items())),
        ("lost", len(audit.lost)),
        ("invented", len(audit.invented)),
        ("falsely vanished", len(audit.falsely_vanished)),
        ("exit code", report.code),
    ]
    findings = [*audit.lost, *audit.invented, *audit.falsely_vanished][:TOLD_FINDINGS]
    table = [f"{name:28}{value:>8}" if isinstance(value, int) else f"{name:28}{value}" for name, value in lines]
    return "\n".join([*table, *(f"appointment {one.appointment}: {one.what}" for one in findings)])


def main() -> None:
    """Runs it as the command line says; the exit code is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page-size", type=int, default=1000)
    arguments = parser.parse_args()
    report = run(arguments.rows, arguments.minutes * 60, arguments.seed, arguments.page_size)
    print(show(report))
    sys.exit(0 if report.clean else 1)


if __name__ == "__main__":
    main()
