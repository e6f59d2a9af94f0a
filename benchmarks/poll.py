"""What a poll costs: the first reading of many appointments, and the detection of a few changes among them.

Everything goes over the real HTTP path of the simulator, which runs in a process of its own. In the same run the same
pages are downloaded and decoded by a bare client, since absolute times say little: the ratio is the figure.

    python -m benchmarks.poll --rows 100000 --changes 100
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from notifier.clock import utc_now
from notifier.core.change import Kind
from notifier.core.rule import Rule, on_kinds, to_status
from notifier.core.sweep import Sweep
from notifier.daemon import calm_collector
from notifier.engage.budget import Budget
from notifier.engage.client import Endpoint, EngageClient
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.quota import Limits
from notifier.engage.simulator import Simulator
from notifier.engage.token import FixedToken
from notifier.logs import configure_logs
from notifier.poller import Poller
from notifier.store.database import open_store

PAGE = 1000
EVERYTHING = Sweep(name="everything", every=timedelta(minutes=1), filters={})
RULE = Rule(
    name="cancelled",
    description="",
    requirements=(on_kinds([Kind.STATUS_CHANGED]), to_status(["CANCELLED"])),
    channels=("nobody",),
)


def serve(rows: int) -> None:
    """Serves a filled enterprise; changes as many appointments as each line on standard input says."""
    now = datetime.now(UTC)
    enterprise = Enterprise()
    enterprise.fill(rows, 1, now)
    unlimited = Limits(at_once=None, per_minute=None)
    with Simulator(enterprise=enterprise, clock=lambda: datetime.now(UTC), limits=unlimited) as api:
        print(json.dumps({"url": api.base_url, "token": api.token}), flush=True)
        for line in sys.stdin:
            accepted = [row.id for row in enterprise.rows() if row.status == "ACCEPTED"][: int(line)]
            for name in accepted:
                enterprise.cancel(name, datetime.now(UTC))
            print(json.dumps({"changed": len(accepted)}), flush=True)


def poll(url: str, token: str, store: str) -> None:
    """Polls once into the store."""
    configure_logs("json", "error")
    stopping = threading.Event()
    endpoint = Endpoint(url, "acme", "en", timedelta(seconds=30), timedelta(minutes=2), PAGE)
    budget = Budget(10**9, 2, stopping)
    with (
        open_store(store) as opened,
        EngageClient(endpoint, FixedToken(SecretStr(token)), budget, utc_now, stopping) as client,
    ):
        calm_collector()
        poller = Poller("acme", client, opened, (RULE,), utc_now)
        with _measured() as report:
            run = poller.poll(EVERYTHING)
            report(rows=run.rows, changed=run.changed, events=run.events, outcome=run.outcome.value)


def compare(rows: int, changes: int, repeats: int) -> None:
    """Prints what a first reading and a detecting poll cost beside a bare download of the same pages."""
    runs: dict[str, list[dict[str, float]]] = {}

    def add(name: str, figures: dict[str, float]) -> None:
        runs.setdefault(name, []).append(figures)

    with tempfile.TemporaryDirectory(prefix="notifier-bench-") as folder, _child("serve", str(rows)) as server:
        address = json.loads(server.stdout.readline())
        store = str(Path(folder) / "notifier.db")
        where = (address["url"], address["token"])
        add("first reading", _run("poll", *where, store))
        # In turn, as the machine's speed drifts.
        for _ in range(repeats):
            add("bare download", _bare(*where))
            server.stdin.write(f"{changes}\n")
            server.stdin.flush()
            server.stdout.readline()
            add(f"{changes} changes", _run("poll", *where, store))
            add("nothing moved", _run("poll", *where, store))
    reference = statistics.median(one["cpu_seconds"] for one in runs["bare download"])
    print(
        f"{rows} appointments, pages of {PAGE}, medians of {repeats} runs, simulator on loopback in its own process\n"
    )
    print(f"{'':16}{'rows/s':>9}{'wall s':>8}{'CPU s':>8}{'x bare':>8}{'peak MB':>9}{'changed':>9}{'events':>8}")
    for name, figures in runs.items():
        wall, cpu, peak = (
            statistics.median(one[key] for one in figures) for key in ("wall_seconds", "cpu_seconds", "peak_mb")
        )
        print(
            f"{name:16}{rows / wall:9.0f}{wall:8.2f}{cpu:8.2f}{cpu / reference:8.2f}{peak:9.0f}"
            f"{figures[0].get('changed', '-'):>9}{figures[0].get('events', '-'):>8}"
        )


@contextmanager
def _measured() -> Iterator[Callable[..., None]]:
    """Prints wall and CPU seconds of the block and the peak memory of the process as one JSON line."""
    figures: dict[str, object] = {}
    began, cpu = time.perf_counter(), time.process_time()
    yield figures.update
    figures["wall_seconds"] = time.perf_counter() - began
    figures["cpu_seconds"] = time.process_time() - cpu
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures), flush=True)


@contextmanager
def _child(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "benchmarks.poll", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.terminate()


def _run(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.poll", *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _bare(url: str, token: str) -> dict[str, float]:
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
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    compare(arguments.rows, arguments.changes, arguments.repeats)


if __name__ == "__main__":
    main()
