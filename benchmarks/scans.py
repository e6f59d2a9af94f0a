"""Thousands of scans of an enterprise that lives, slips and fails while it is read, each compared with the truth.

One world after the other is scanned, each with its own size of page and slice and its own meaning of dates; the order
of the list, the slips and the faults change all the time. What must stay zero is a change that was lost, one that was
invented, and an appointment that was told as vanished though it was there.

    python -m benchmarks.scans --scans 10000 --seed 1
"""

import argparse
import logging
import sys
import time

import structlog

from notifier.core.sweep import SweepOutcome
from tests.poll_laws import Law
from tests.scans import Figures, scanning

SCANS_OF_A_WORLD = 500


def scan(count: int, seed: int, *, over_sockets: bool, concurrency: int) -> Figures:
    """Returns what so many scans came to; tells how far it is, and every breach at once."""
    total, began = Figures(), time.monotonic()
    for world, first in enumerate(range(0, count, SCANS_OF_A_WORLD)):
        with scanning(seed * 1_000_000 + world, over_sockets=over_sockets, concurrency=concurrency) as scans:
            for _ in range(min(SCANS_OF_A_WORLD, count - first)):
                for breach in scans.scan().breaches:
                    print(f"world {world}, scan {scans.figures.scans}: {breach}", file=sys.stderr, flush=True)
        total += scans.figures
        print(f"{total.scans} scans in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return total


def show(figures: Figures, seed: int) -> None:
    """Prints the table."""
    complete, incomplete = figures.outcomes[SweepOutcome.OK], figures.outcomes[SweepOutcome.INCOMPLETE]
    false = figures.broken(Law.FALSELY_VANISHED)
    lines: list[tuple[str, int]] = [
        ("scans", figures.scans),
        ("  complete", complete),
        ("  incomplete", incomplete),
        ("  failed", figures.scans - complete - incomplete),
        ("requests", figures.requests),
        ("  in full pages", figures.plain),
        ("absences asked for", figures.enquired),
        ("vanished, and gone", figures.vanished - false),
        ("vanished, but there", false),
        ("changes in truth", figures.changes),
        ("events", figures.events),
        ("lost", figures.broken(Law.LOST)),
        ("invented", figures.broken(Law.INVENTED)),
        ("figures that don't fit", figures.broken(Law.FIGURES)),
    ]
    print(f"seed {seed}\n")
    for name, number in lines:
        print(f"{name:24}{number:9,}")


def main() -> None:
    """Scans, prints the table, and exits with 1 if a law was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sockets", action="store_true", help="over loopback, which takes several times as long")
    parser.add_argument("--concurrency", type=int, default=1, help="requests at once; above 1 no run is like another")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    figures = scan(arguments.scans, arguments.seed, over_sockets=arguments.sockets, concurrency=arguments.concurrency)
    show(figures, arguments.seed)
    sys.exit(1 if figures.breaches else 0)


if __name__ == "__main__":
    main()
