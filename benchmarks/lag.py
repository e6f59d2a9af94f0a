"""How soon changes are found among a million appointments, with a quarter of the requests that the vendor allows.

The real command watches the simulator, with rules that wait for cancellations and no-shows of the coming week, and
with the sweeps that are planned from these rules. After the first fill life goes on for some minutes; each change that
the rules wait for is then looked up in the store: when it happened, by the source, and when its event was committed.

    python -m benchmarks.lag --rows 1000000 --minutes 5
"""

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from benchmarks.measure import machine
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.quota import Limits
from notifier.engage.simulated.row import Row
from notifier.engage.simulator import Simulator
from notifier.loading import load_planned

LIST = "/enterprises/acme/appointments"
VENDOR_PER_MINUTE = 3000
IN_TIME_SECONDS = 15.0
SETTLING_SECONDS = 45.0
"""How long the last changes are given to be found."""

WEEK = timedelta(days=7)
NO_SHOWS = 0.2
"""The share of them among what is called off."""

CONFIG = """
timezone = "Europe/Brussels"
rules = ["rules.toml"]

[sources.acme]
base_url = "{url}"
enterprise = "acme"
token = "{token}"
limits.requests_per_minute = {requests_per_minute}

[channels.desk]
url = "console://"
"""

RULES = """
[[rule]]
name = "called-off"
on = "status_changed"
to = ["CANCELLED", "NO_SHOW"]
where.lead_time = "<7d"
channels = "desk"
"""

Change = tuple[str, str, datetime]
"""Id, the status that it got, and when."""


def serve(rows: int, seed: int) -> None:
    """Serves a filled enterprise; each line on standard input, a number of seconds and a rate, is a stretch of life."""
    enterprise = Enterprise()
    enterprise.fill(rows, seed, datetime.now(UTC))
    limits = Limits(at_once=4, per_minute=VENDOR_PER_MINUTE)
    with Simulator(enterprise=enterprise, clock=lambda: datetime.now(UTC), limits=limits) as api:
        print(json.dumps({"url": api.base_url, "token": api.token}), flush=True)
        for line in sys.stdin:
            seconds, per_second = map(float, line.split())
            before = api.counts.copy()
            changes = live(enterprise, seconds, per_second, Random(seed))  # noqa: S311 - repeatable, not secret
            asked = api.counts[LIST, 200] - before[LIST, 200]
            refused = sum(api.counts.values()) - sum(before.values()) - asked
            told = [(name, status, at.isoformat()) for name, status, at in changes]
            print(json.dumps({"changes": told, "asked": asked, "refused": refused}), flush=True)


def live(enterprise: Enterprise, seconds: float, per_second: float, chance: Random) -> list[Change]:
    """Calls off appointments of the coming week, and edits as many anywhere; returns what was called off."""
    now, pause = datetime.now(UTC), threading.Event()
    accepted = [row for row in enterprise.rows() if row.status == "ACCEPTED" and row.starts_at]
    chance.shuffle(accepted)
    coming = iter([row for row in accepted if now < _start(row) < now + WEEK - timedelta(hours=1)])
    missed = iter([row for row in accepted if now - timedelta(hours=20) < _start(row) < now])
    others = iter([row for row in accepted if _start(row) > now + WEEK])
    done: list[Change] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        at = datetime.now(UTC)
        row = next(missed, None) if chance.random() < NO_SHOWS else None
        if row is not None:
            enterprise.no_show(row.id, at)
            done.append((row.id, "NO_SHOW", at))
        elif (row := next(coming, None)) is not None:
            enterprise.cancel(row.id, at)
            done.append((row.id, "CANCELLED", at))
        if (other := next(others, None)) is not None:
            enterprise.edit(other.id, at, {"internalNotes": "Has called"})
        pause.wait(chance.expovariate(per_second))
    return done


def _start(row: Row) -> datetime:
    assert row.starts_at
    return row.starts_at


def measure(rows: int, minutes: float, per_second: float, requests_per_minute: int) -> str:
    """Returns the report of one run."""
    with tempfile.TemporaryDirectory(prefix="notifier-lag-") as name, _server(rows) as server:
        folder = Path(name)
        address = json.loads(_line(server))
        (folder / "config.toml").write_text(CONFIG.format(**address, requests_per_minute=requests_per_minute))
        (folder / "rules.toml").write_text(RULES)
        with _daemon(folder) as daemon:
            store, began = folder / "notifier.db", time.monotonic()
            sweeps = len(load_planned(folder / "config.toml", {}).sources["acme"].sweeps)
            _first_fill(store, sweeps, daemon)
            filled = time.monotonic() - began
            _ask(server, f"{minutes * 60} {per_second}")
            life = json.loads(_line(server))
            time.sleep(SETTLING_SECONDS)
            peak, cpu = _end(daemon)
        lags = _lags(store, life["changes"])
        lasted = time.monotonic() - began
    return _report(rows, minutes, filled, sweeps, life, lags, peak, cpu / lasted, requests_per_minute)


def _report(
    rows: int,
    minutes: float,
    filled: float,
    sweeps: int,
    life: dict[str, int],
    lags: Sequence[float | None],
    peak: float,
    busy: float,
    requests_per_minute: int,
) -> str:
    found = sorted(lag for lag in lags if lag is not None)
    in_time = sum(lag <= IN_TIME_SECONDS for lag in found)
    marks = {name: found[min(int(len(found) * share), len(found) - 1)] for name, share in (("p50", 0.5), ("p95", 0.95))}
    marks["max"] = found[-1]
    return "\n".join(
        [
            machine(),
            f"{rows} appointments, {sweeps} sweeps as planned from the rules, simulator on loopback in its own process",
            "",
            f"first fill            {filled:8.0f} s",
            f"requests a minute     {life['asked'] / minutes:8.0f}   of {requests_per_minute} that it may make",
            f"refused               {life['refused']:8}",
            f"changes               {len(lags):8}",
            f"found                 {len(found):8}",
            f"within {IN_TIME_SECONDS:.0f} s           {in_time / len(lags):8.1%}",
            *(f"{name:22}{lag:8.1f} s" for name, lag in marks.items()),
            f"peak MB               {peak:8.0f}",
            f"of one core           {busy:8.0%}",
        ]
    )


def _first_fill(store: Path, sweeps: int, daemon: "subprocess.Popen[bytes]") -> None:
    """Waits until every sweep came to its end once."""
    query = "SELECT count(*) FROM sweep WHERE last_good_at IS NOT NULL"
    while not store.exists() or sum(int(str(count)) for (count,) in _rows(store, query)) < sweeps:
        if daemon.poll() is not None:
            raise SystemExit(f"the command ended with {daemon.returncode}")
        time.sleep(1)


def _lags(store: Path, changes: Sequence[tuple[str, str, str]]) -> list[float | None]:
    """Returns for each change how long it took until its event was committed; None where there is none."""
    query = "SELECT appointment_id, json_extract(after, '$.status'), detected_at FROM event"
    found = {(name, status): datetime.fromisoformat(at).replace(tzinfo=UTC) for name, status, at in _rows(store, query)}
    return [
        (detected - datetime.fromisoformat(at)).total_seconds() if (detected := found.get((name, status))) else None
        for name, status, at in changes
    ]


def _rows(store: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(store, timeout=30)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []  # not made yet


@contextmanager
def _server(rows: int) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "benchmarks.lag", "serve", str(rows)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server
        finally:
            server.terminate()


@contextmanager
def _daemon(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "notifier", "run", "--config", str(folder / "config.toml")]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as daemon:
        try:
            yield daemon
        finally:
            if daemon.poll() is None:
                daemon.kill()


def _end(daemon: "subprocess.Popen[bytes]") -> tuple[float, float]:
    """Ends the command; returns its peak memory in MB and the CPU seconds that it took."""
    daemon.send_signal(signal.SIGTERM)
    _, status, usage = os.wait4(daemon.pid, 0)
    daemon.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def _ask(server: "subprocess.Popen[str]", line: str) -> None:
    assert server.stdin
    server.stdin.write(f"{line}\n")
    server.stdin.flush()


def _line(server: "subprocess.Popen[str]") -> str:
    assert server.stdout
    return server.stdout.readline()


def main() -> None:
    """Measures, or as a child serves."""
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]), 1)
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--per-second", type=float, default=1.0, help="changes that the rules wait for")
    parser.add_argument("--requests-per-minute", type=int, default=VENDOR_PER_MINUTE // 4)
    given = parser.parse_args()
    print(measure(given.rows, given.minutes, given.per_second, given.requests_per_minute))


if __name__ == "__main__":
    main()
