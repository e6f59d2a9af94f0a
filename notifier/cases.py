"""Runs the cases of a test of rules: each in a rehearsal of its own, compared with what it expects, step by step."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from msgspec import json

from notifier.channels.channel import Channel
from notifier.config.case_file import Case, Happening, Step
from notifier.config.settings import Settings
from notifier.core.coverage import Coverage, measure_coverage
from notifier.core.expectation import Comparison, compare_told
from notifier.core.plan import Observation
from notifier.core.rule import Rule
from notifier.core.told import Told
from notifier.rehearsal import Rehearsal
from notifier.store.history import DeliveryRecord, EventRecord
from notifier.wiring import open_channels

BEFORE: Final = timedelta(minutes=1)
"""So long before a case begins, what it has as known was looked at."""

MOMENT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What came of one step of a case."""

    step: Step
    told: tuple[Told, ...]
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of a case."""

    case: Case
    steps: tuple[StepResult, ...]
    #: What was recorded, oldest first.
    events: tuple[EventRecord, ...]
    #: What became of each delivery, oldest first.
    deliveries: tuple[DeliveryRecord, ...]

    @property
    def passed(self) -> bool:
        """Whether all came that the case expects, and nothing else."""
        return all(one.comparison.passed for one in self.steps)


@dataclass(frozen=True, slots=True)
class TestRun:
    """What came of all cases."""

    #: No class of tests, whatever its name.
    __test__ = False

    results: tuple[CaseResult, ...]
    coverage: Coverage

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return all(result.passed for result in self.results)


def run_cases(settings: Settings, rules: Sequence[Rule], cases: Iterable[Case]) -> TestRun:
    """Runs the cases one after another; none knows of any other."""
    with ExitStack() as stack:
        channels = list(open_channels(settings).values())
        for channel in channels:
            stack.callback(channel.close)
        results = tuple(_run(settings, rules, channels, case) for case in cases)
    verdicts = (verdict for result in results for record in result.events for verdict in record.verdicts)
    deliveries = (record.delivery for result in results for record in result.deliveries)
    return TestRun(results, measure_coverage(rules, verdicts, deliveries))


def _run(settings: Settings, rules: Sequence[Rule], channels: Sequence[Channel], case: Case) -> CaseResult:
    there = replace(settings, directory=case.directory)
    with Rehearsal(there, rules, channels, case.steps[0].at - BEFORE) as rehearsal:
        rehearsal.observe(case.source, _observed(case.before, rehearsal.now))
        results = tuple(_steps(case, rehearsal))
        return CaseResult(case, results, tuple(rehearsal.events()), tuple(rehearsal.deliveries()))


def _steps(case: Case, rehearsal: Rehearsal) -> Iterator[StepResult]:
    """Lets happen what a case says; the clock runs from step to step, and to the last time that is expected."""
    ends = [step.at - MOMENT for step in case.steps[1:]]
    for step, end in zip(case.steps, [*ends, _end(case.steps[-1])], strict=True):
        rehearsal.now = step.at
        told_before = len(rehearsal.told)
        for one in step.silences:
            rehearsal.silence(rules=one.rules, where=one.where, author=one.author, why=one.why, until=one.until)
        rehearsal.observe(case.source, _observed(step.changed, step.at), step.vanished)
        rehearsal.advance(end)
        told = tuple(rehearsal.told[told_before:])
        yield StepResult(step, told, compare_told(step.expected, told))


def _end(step: Step) -> datetime:
    return max([step.at, *(one.at for one in step.expected if one.at)])


def _observed(happenings: Iterable[Happening], at: datetime) -> list[Observation]:
    found: list[Observation] = []
    for one in happenings:
        digest = blake2b(json.encode(one.appointment), digest_size=16).digest()
        found.append(Observation(one.appointment, digest, at, texts=one.texts))
    return found
