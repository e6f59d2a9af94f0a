"""How a measurement is taken, and on what machine."""

import json
import os
import platform
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CPU_LIST = Path("/proc/cpuinfo")


@contextmanager
def measured() -> Iterator[Callable[..., None]]:
    """Prints wall and CPU seconds of the block and the peak memory of the process as one JSON line."""
    figures: dict[str, object] = {}
    began, cpu = time.perf_counter(), time.process_time()
    yield figures.update
    figures["wall_seconds"] = time.perf_counter() - began
    figures["cpu_seconds"] = time.process_time() - cpu
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures), flush=True)


def machine() -> str:
    """Returns what the figures were taken on."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, {python}, SQLite {sqlite3.sqlite_version}"


def _processor() -> str:
    if CPU_LIST.exists():
        for line in CPU_LIST.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
