"""What a poll costs: the first fill, nothing moved, and a few changes among many appointments.

Everything goes over the real HTTP path of the simulator, which runs in a process of its own. In the same run the same
pages are downloaded and decoded by a bare client, since absolute times say little: the ratio is the figure.

    python -m benchmarks.poll --rows 100000
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from pydantic import SecretStr

from benchmarks.measure import machine, measured
from notifier.clock import utc_now
from notifier.core.brake import Brake
from notifier.core.change import Kind
from notifier.core.manner import Manner
from notifier.core.rule import Rule, on_kinds, to_status
from notifier.core.sweep import Sweep
from notifier.engage.budget import Budget
from notifier.engage.client import Endpoint, EngageClient
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.quota import Limits
from notifier.engage.simulator import Simulator
from notifier.engage.token import FixedToken
from notifier.logs import configure_logs
from notifier.memory import calm_collector, share_heaps
from notifier.poller import Poller
from notifier.store.database import open_store

PAGE = 1000
# Together all that the simulator fills in, as the sweeps of a real source are: those with dates, and invitations.
SWEEPS = (
    Sweep(name="dated", begin=timedelta(days=-30), end=timedelta(days=120), every=timedelta(minutes=1), filters={}),
    Sweep(name="undated", every=timedelta(minutes=5), filters={"status": ("OUTGOING_INVITE",)}),
)
RULE = Rule(
    name="cancelled",
    description="",
    requirements=(on_kinds([Kind.STATUS_CHANGED]), to_status(["CANCELLED"])),
    channels=("nobody",),
)
# A thousand cancellations at once are what is measured here, not what is doubted.
MANNER = Manner(brake=Brake(share=1.0, count=10**9))

COLUMNS = (
    ("rows/s", 9),
    ("wall s", 8),
    ("CPU s", 8),
    ("x bare", 8),
    ("peak MB", 9),
    ("requests", 10),
    ("changed", 9),
    ("events", 8),
)


def serve(rows: int) -> None:
    """Serves a filled enterprise; cancels as many appointments as each line on standard input says, far and wide."""
    now = datetime.now(UTC)
    enterprise = Enterprise()
    enterprise.fill(rows, 1, now)
    unlimited = Limits(at_once=None, per_minute=None)
    with Simulator(enterprise=enterprise, clock=lambda: datetime.now(UTC), limits=unlimited) as api:
        print(json.dumps({"url": api.base_url, "token": api.token}), flush=True)
        for line in sys.stdin:
            accepted = [row.id for row in enterprise.rows() if row.status == "ACCEPTED"]
            chosen = accepted[:: max(len(accepted) // int(line), 1)][: int(line)]
            for name in chosen:
                enterprise.cancel(name, datetime.now(UTC))
            print(json.dumps({"changed": len(chosen)}), flush=True)


def poll(url: str, token: str, store: str) -> None:
    """Polls all sweeps into the store, once for each line on standard input."""
    configure_logs("json", "error")
    stopping = threading.Event()
    endpoint = Endpoint(url, "acme", "en", timedelta(seconds=30), timedelta(minutes=2), PAGE)
    with (
        open_store(store) as opened,
        EngageClient(endpoint, FixedToken(SecretStr(token)), Budget(10**9, 2, stopping), utc_now, stopping) as client,
    ):
        share_heaps()
        calm_collector()
        poller = Poller("acme", client, opened, (RULE,), utc_now, MANNER)
        for _ in sys.stdin:
            with measured() as report:
                runs = [poller.poll(sweep) for sweep in SWEEPS]
                report(
                    rows=sum(run.rows for run in runs),
                    requests=sum(run.pages for run in runs),
                    changed=sum(run.changed for run in runs),
                    events=sum(run.events for run in runs),
                    outcome=[run.outcome.value for run in runs],
                )


Figures = dict[str, float]


class Child:
    """A part of this benchmark in a process of its own, which answers each line with one."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def read(self) -> Figures:
        """Returns what it says next."""
        return json.loads(_of(self._process.stdout).readline())

    def ask(self, line: object = "") -> Figures:
        """Returns what it answers."""
        stdin = _of(self._process.stdin)
        stdin.write(f"{line}\n")
        stdin.flush()
        return self.read()


def compare(rows: int, repeats: int) -> dict[str, list[Figures]]:
    """Returns the figures of all runs of each kind; the kinds take turns, as the machine's speed drifts."""
    runs: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory(prefix="notifier-bench-") as folder, _child("serve", str(rows)) as server:
        address = server.read()
        where = (str(address["url"]), str(address["token"]))
        store = str(Path(folder) / "notifier.db")
        for number in range(repeats):
            with ExitStack() as stack:
                runs.setdefault("bare download", []).append(_bare(*where))
                if number < 3:
                    with _child("poll", *where, f"{store}{number}") as filler:
                        runs.setdefault("first fill", []).append(filler.ask())
                poller = stack.enter_context(_child("poll", *where, f"{store}0"))
                # What the former repeat changed is caught up with where it was changed: in the first store.
                runs.setdefault("nothing moved, after a restart", []).append(poller.ask())
                runs.setdefault("nothing moved", []).append(poller.ask())
                for changes in (100, rows // 100):
                    server.ask(changes)
                    runs.setdefault(f"{changes} changes", []).append(poller.ask())
    return runs


def show(rows: int, repeats: int, runs: dict[str, list[Figures]]) -> str:
    """Returns the table of figures, each a median."""
    reference = statistics.median(one["cpu_seconds"] for one in runs["bare download"])
    lines = [
        machine(),
        f"{rows} appointments, pages of {PAGE}, medians of {repeats} runs, simulator on loopback in its own process",
        "",
        f"{'':31}" + "".join(f"{name:>{width}}" for name, width in COLUMNS),
    ]
    for name, figures in runs.items():
        wall, cpu, peak = (
            statistics.median(one[key] for one in figures) for key in ("wall_seconds", "cpu_seconds", "peak_mb")
        )
        lines.append(
            f"{name:31}{rows / wall:9.0f}{wall:8.2f}{cpu:8.2f}{cpu / reference:8.2f}{peak:9.0f}"
            f"{figures[-1].get('requests', '-'):>10}"
            f"{figures[-1].get('changed', '-'):>9}{figures[-1].get('events', '-'):>8}"
        )
    return "\n".join(lines)


@contextmanager
def _child(*arguments: str) -> Iterator[Child]:
    command = [sys.executable, "-m", "benchmarks.poll", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Child(process)
        finally:
            process.terminate()


def _of(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def _bare(url: str, token: str) -> Figures:
    command = [sys.executable, "-m", "benchmarks.bare", url, token, str(PAGE)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Runs the comparison, or as a child one part of it."""
    parts = {"serve": lambda rows: serve(int(rows)), "poll": poll}
    if len(sys.argv) > 1 and sys.argv[1] in parts:
        parts[sys.argv[1]](*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print(show(arguments.rows, arguments.repeats, compare(arguments.rows, arguments.repeats)))


if __name__ == "__main__":
    main()
