"""Kills the daemon again and again while life goes on, and counts what that lost, repeated or put out of order.

The daemon is a process of its own, between a made-up enterprise that lives and receivers that put down what they are
told, all over sockets. It dies by SIGKILL: some times at each labelled step from the page to the record of what became
of a message, and so often at random moments. In the end nothing more happens, a last daemon lives until all is quiet,
and what was true, what is on record and what came are compared.

    python -m benchmarks.kills --kills 1000 --seed 1
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from random import Random

from tests.fault_points import LABELS, RARE
from tests.kill_report import Report, total
from tests.kill_world import Kill, World
from tests.ledger import Law

LONGEST_LIFE = 1.0
"""Seconds after which at the latest a daemon dies that dies at a random moment."""

MOST_PASSES = 3
TOLD_FINDINGS = 10
TELL_EVERY = 25


def plan(count: int, rounds: int, seed: int) -> list[Kill]:
    """Returns how the lives end: so many at random moments, and among them so often at each label."""
    chance = Random(seed)  # noqa: S311 - the same kills in every run
    kills = [Kill(seconds=chance.uniform(0.02, LONGEST_LIFE)) for _ in range(count)]
    for label in LABELS:
        kills += [Kill(label, 1 if label in RARE else chance.randint(1, MOST_PASSES)) for _ in range(rounds)]
    chance.shuffle(kills)
    return kills


def live(seed: int, kills: Sequence[Kill], tell: Callable[[int], None] = lambda _: None) -> Report:
    """Lets a world go on until its daemon was killed so often, and then until all is quiet."""
    with World(seed) as world:
        for number, kill in enumerate(kills, 1):
            world.kill(kill)
            tell(number)
        return world.settle()


def run(count: int, rounds: int, seed: int, worlds: int) -> Report:
    """Lets several worlds go on beside each other, which share the kills, and returns what they came to together."""
    kills = plan(count, rounds, seed)
    shares = [kills[number::worlds] for number in range(worlds)]
    with ProcessPoolExecutor(worlds, mp_context=get_context("spawn")) as pool:
        return total(pool.map(_live_aloud, range(seed * worlds, (seed + 1) * worlds), shares))


def _live_aloud(seed: int, kills: Sequence[Kill]) -> Report:
    return live(seed, kills, partial(_tell, seed, len(kills), time.monotonic()))


def _tell(world: int, count: int, began: float, number: int) -> None:
    if number % TELL_EVERY == 0 or number == count:
        print(f"world {world}: {number} of {count} kills in {time.monotonic() - began:.0f} s", file=sys.stderr)


def show(report: Report) -> str:
    """Returns the report as a table, with the first findings below it."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"{'kills at':48}{'':>8}"
    for label in LABELS:
        missed = f"   missed {report.missed[label]}" if report.missed[label] else ""
        yield f"  {label:46}{report.kills[label]:8}{missed}"
    yield f"  {'a random moment':46}{report.kills['']:8}"
    yield f"{'in all':48}{report.kills.total():8}"
    yield f"{'seconds a kill':48}{sum(report.seconds) / max(report.kills.total(), 1):8.2f}"
    yield ""
    yield f"{'channel':12}{'owed':>10}{'came':>10}{'repeated':>10}{'most a kill':>13}"
    for name, account in report.accounts.items():
        yield f"{name:12}{account.owed:10}{account.told:10}{account.repeated:10}{account.most:13}"
    yield ""
    yield from _verdicts(report)


def _verdicts(report: Report) -> Iterator[str]:
    audits = report.audits
    lines: list[tuple[str, int]] = [
        ("changes", sum(audit.changes for audit in audits)),
        ("events", sum(audit.events for audit in audits)),
        *((f"deliveries {state}", times) for state, times in sorted(report.deliveries.items())),
        *((f"notices {state}", times) for state, times in sorted(report.notices.items())),
        ("personal texts left", report.texts),
        ("changes lost", sum(len(audit.lost) for audit in audits)),
        ("events invented", sum(len(audit.invented) for audit in audits)),
        ("falsely vanished", sum(len(audit.falsely_vanished) for audit in audits)),
        *((f"messages {law}", sum(breach.law is law for breach in report.breaches)) for law in Law),
    ]
    yield from (f"{name:48}{number:8}" for name, number in lines)
    yield f"{'exit codes of the last daemons':48}{', '.join(map(str, report.codes)):>8}"
    found = [finding for audit in audits for finding in (*audit.lost, *audit.invented, *audit.falsely_vanished)]
    yield from (f"appointment {finding.appointment}: {finding.what}" for finding in found[:TOLD_FINDINGS])
    yield from (f"{breach.channel}: {breach.law}: {breach.what}" for breach in report.breaches[:TOLD_FINDINGS])


def main() -> None:
    """Kills as the command line says; the exit code is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000, help="at random moments")
    parser.add_argument("--rounds", type=int, default=5, help="how often at each labelled step")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worlds", type=int, default=2, help="beside each other")
    arguments = parser.parse_args()
    report = run(arguments.kills, arguments.rounds, arguments.seed, arguments.worlds)
    print(show(report))
    sys.exit(0 if report.clean else 1)


if __name__ == "__main__":
    main()
