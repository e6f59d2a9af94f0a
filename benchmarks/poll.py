"""What a poll costs: the first reading of many appointments, and the detection of a few changes among them.

Everything goes over the real HTTP path of the simulator, which runs in a process of its own. In the same run the same
pages are downloaded and decoded by a bare client, since absolute times say little: the ratio is the figure.

    python -m benchmarks.poll --rows 100000 --changes 100
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import orjson
from pydantic import SecretStr

from notifier.clock import utc_now
from notifier.core.change import Kind
from notifier.core.rule import Rule, on_kinds, to_status
from notifier.core.sweep import Sweep
from notifier.engage.budget import Budget
from notifier.engage.client import Endpoint, EngageClient
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.quota import Limits
from notifier.engage.simulator import Simulator
from notifier.engage.token import FixedToken
from notifier.logs import configure_logs
from notifier.poller import Poller
from notifier.store.database import open_store

PAGE = 500
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


def bare(url: str, token: str) -> None:
    """Downloads and decodes every page, and nothing else."""
    with _measured() as report, httpx.Client(timeout=30) as client:
        offset, total = 0, 1
        while offset < total:
            answer = client.get(
                f"{url}/enterprises/acme/appointments",
                params=[("offset", str(offset)), ("limit", str(PAGE))],
                headers={"Authorization": f"Bearer {token}"},
            )
            page = orjson.loads(answer.content)
            total, offset = page["meta"]["totalCount"], offset + PAGE
        report(rows=total)


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
        poller = Poller("acme", client, opened, (RULE,), utc_now)
        with _measured() as report:
            run = poller.poll(EVERYTHING)
            report(rows=run.rows, changed=run.changed, events=run.events, outcome=run.outcome.value)


def compare(rows: int, changes: int) -> None:
    """Prints what a first reading and a detecting poll cost beside a bare download of the same pages."""
    with tempfile.TemporaryDirectory(prefix="notifier-bench-") as folder, _child("serve", str(rows)) as server:
        address = json.loads(server.stdout.readline())
        store = str(Path(folder) / "notifier.db")
        where = (address["url"], address["token"])
        runs = [("bare download", _run("bare", *where)), ("first reading", _run("poll", *where, store))]
        server.stdin.write(f"{changes}\n")
        server.stdin.flush()
        server.stdout.readline()
        runs += [(f"{changes} changes", _run("poll", *where, store)), ("nothing moved", _run("poll", *where, store))]
        runs.append(("bare download", _run("bare", *where)))
    reference = min(figures["cpu_seconds"] for name, figures in runs if name == "bare download")
    print(f"{rows} appointments, pages of {PAGE}, simulator on loopback in a process of its own\n")
    print(f"{'':16}{'rows/s':>9}{'wall s':>8}{'CPU s':>8}{'x bare':>8}{'peak MB':>9}{'changed':>9}{'events':>8}")
    for name, figures in runs:
        print(
            f"{name:16}{figures['rows'] / figures['wall_seconds']:9.0f}{figures['wall_seconds']:8.2f}"
            f"{figures['cpu_seconds']:8.2f}{figures['cpu_seconds'] / reference:8.2f}{figures['peak_mb']:9.0f}"
            f"{figures.get('changed', '-'):>9}{figures.get('events', '-'):>8}"
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


def main() -> None:
    """Runs the comparison, or as a child one part of it."""
    parts = {"serve": lambda rows: serve(int(rows)), "bare": bare, "poll": poll}
    if len(sys.argv) > 1 and sys.argv[1] in parts:
        parts[sys.argv[1]](*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=100)
    arguments = parser.parse_args()
    compare(arguments.rows, arguments.changes)


if __name__ == "__main__":
    main()
