"""What a run of the cases prints: like a test runner, as JUnit's XML for whatever collects that, or as one document."""

from collections.abc import Iterator, Sequence
from difflib import ndiff
from itertools import groupby
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring
from zoneinfo import ZoneInfo

from notifier.cases import CaseResult, StepResult, TestRun
from notifier.core.coverage import Coverage, Uncovered
from notifier.core.delivery import State
from notifier.core.expectation import Expected, Mismatch, Missing
from notifier.core.headline import headline
from notifier.core.told import Told
from notifier.store.history import DeliveryRecord
from notifier.views import say_time_of, show_verdicts, wrap

LONGEST_VALUE: Final = 300
"""Of a body that nobody expected, this much is shown."""


def show_test_run(run: TestRun, zone: ZoneInfo) -> str:
    """Returns each case with how it went, what was wrong with those that failed, and what no case shows."""
    parts: list[str] = []
    for file, results in groupby(run.results, key=lambda result: result.case.file):
        parts.append("\n".join([str(file), *(line for result in results for line in _lines(result, zone))]))
    failed = sum(not result.passed for result in run.results)
    total = "1 case" if len(run.results) == 1 else f"{len(run.results)} cases"
    parts += [f"{total}: {f'{failed} failed' if failed else 'all passed'}.", _show_coverage(run.coverage)]
    return "\n\n".join(parts)


def junit(run: TestRun, zone: ZoneInfo) -> str:
    """Returns the same as the XML that JUnit writes, which most services for tests collect."""
    failed = sum(not result.passed for result in run.results)
    root = Element("testsuites", name="notifier rules", tests=str(len(run.results)), failures=str(failed))
    for file, group in groupby(run.results, key=lambda result: result.case.file):
        results = list(group)
        failures = str(sum(not result.passed for result in results))
        suite = SubElement(root, "testsuite", name=str(file), tests=str(len(results)), failures=failures, errors="0")
        for result in results:
            case = result.case
            attributes = {"name": case.name, "classname": str(file), "file": str(file), "line": str(case.line)}
            element = SubElement(suite, "testcase", attributes)
            if not result.passed:
                findings = list(_findings(result, zone))
                failure = SubElement(element, "failure", message=_printable(findings[0].strip()))
                failure.text = _printable("\n".join(findings))
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def as_document(run: TestRun) -> dict[str, object]:
    """Returns the same for programs."""
    return {
        "passed": run.passed,
        "cases": [
            {
                "name": result.case.name,
                "file": str(result.case.file),
                "line": result.case.line,
                "passed": result.passed,
                "steps": [
                    {
                        "at": step.step.at,
                        "told": step.told,
                        "missing": step.comparison.missing,
                        "unexpected": step.comparison.unexpected,
                    }
                    for step in result.steps
                ],
                "events": [
                    {"id": record.event.id, "kinds": record.event.kinds, "verdicts": record.verdicts}
                    for record in result.events
                ],
            }
            for result in run.results
        ],
        "coverage": run.coverage,
    }


def _lines(result: CaseResult, zone: ZoneInfo) -> Iterator[str]:
    case = result.case
    if result.passed:
        yield wrap(f"  ok    {case.name}", " " * 8)
        return
    yield wrap(f"  FAIL  {case.name} ({case.file}:{case.line})", " " * 8)
    yield from (f"        {line}" if line else "" for line in _findings(result, zone))


def _findings(result: CaseResult, zone: ZoneInfo) -> Iterator[str]:
    """Yields what is wrong, then what helps to see why."""
    for step in result.steps:
        yield from _step_findings(step, zone)
    for record in result.events:
        yield f"{headline(record.event)}, appointment {record.event.after.id}:"
        yield from (f"  {line}" for line in show_verdicts(record.verdicts).splitlines()[1:])
    if not result.events:
        yield "nothing happened that a rule could be asked about"
    for delivery in result.deliveries:
        yield from _became(delivery, zone)


def _became(record: DeliveryRecord, zone: ZoneInfo) -> Iterator[str]:
    """Yields what was decided about a delivery that did not simply go out."""
    delivery = record.delivery
    if record.settled_at is None:
        yield f"to {delivery.channel}, by {delivery.rule}: waits until {say_time_of(delivery.due_at, zone)}"
    elif record.state is not State.DELIVERED:
        yield f"to {delivery.channel}, by {delivery.rule}: {record.state.value}"
    elif not delivery.story:
        return
    else:
        yield f"to {delivery.channel}, by {delivery.rule}"
    yield from (f"  {what}: {why}" for what, why in delivery.story)


def _step_findings(step: StepResult, zone: ZoneInfo) -> Iterator[str]:
    for missing in step.comparison.missing:
        yield from _missing(missing, zone)
    for told in step.comparison.unexpected:
        yield f"not expected: {_say_told(told, zone)}"
        yield from _came(told)


def _came(told: Told) -> Iterator[str]:
    """Yields what came, behind a plus."""
    if told.failure:
        yield f"  the template fails: {told.failure}"
    else:
        yield from (f"  + {line}" for line in (told.title, *_cut(told.body).splitlines()))


def _missing(missing: Missing, zone: ZoneInfo) -> Iterator[str]:
    expected = missing.expected
    if missing.nearest is None:
        yield f"line {expected.line}: not sent: {_say_expected(expected, zone)}"
        return
    yield f"line {expected.line}: not as expected: {_say_told(missing.nearest, zone)}"
    if missing.nearest.failure:
        yield from _came(missing.nearest)
        return
    for mismatch in missing.mismatches:
        yield from _difference(mismatch, missing.nearest)


def _difference(mismatch: Mismatch, told: Told) -> Iterator[str]:
    """Yields what was expected behind a minus, and what came behind a plus."""
    if mismatch.got is None:
        yield f"  {mismatch.what}"
        yield f"  - {mismatch.expected}"
        yield from _came(told)
        return
    yield f"  {mismatch.what}"
    wanted, got = mismatch.expected.strip().splitlines(), mismatch.got.strip().splitlines()
    yield from (f"  {line.rstrip()}" for line in ndiff(wanted, got) if not line.startswith("?"))


def _say_told(told: Told, zone: ZoneInfo) -> str:
    return f"to {told.channel}, by {told.rule}, at {say_time_of(told.at, zone)}"


def _say_expected(expected: Expected, zone: ZoneInfo) -> str:
    rule = f", by {expected.rule}" if expected.rule else ""
    at = f", at {say_time_of(expected.at, zone)}" if expected.at else ""
    title = f": {expected.title}" if expected.title else ""
    return f"to {expected.channel}{rule}{at}{title}"


def _show_coverage(coverage: Coverage) -> str:
    summary = (
        f"Covered: {coverage.rules_met} of {coverage.rules} rules, which some event met; "
        f"{coverage.keys_shown} of their {coverage.keys} keys, which turned one away."
    )
    left = (wrap(f"  {one.rule}: {_say_uncovered(one)}", "    ") for one in coverage.uncovered)
    return "\n".join([wrap(summary), *left])


def _say_uncovered(one: Uncovered) -> str:
    parts = ["no event met it"] if one.never_met else []
    parts += [f"nothing was turned away by {_listed(one.keys)}"] if one.keys else []
    return "; ".join(parts)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _printable(text: str) -> str:
    """Returns the text without what XML can't hold."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
