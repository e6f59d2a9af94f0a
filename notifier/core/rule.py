"""A rule: requirements on events, and the channels that hear of those that meet them all.

The words are Alertmanager's, the shape is not: every rule sees every event, and each answers with a verdict that
names the first key that failed, so that "why did I not get this?" has an answer on record.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from notifier.core.change import Kind
from notifier.core.duration import parse_duration, say_duration, say_lead, write_duration
from notifier.core.event import Event

ID_FIELDS = (
    "office",
    "subject",
    "employee",
    "customer",
    "listing",
    "lead_segment",
    "callback_request",
)
"""Fields of an appointment that `where` compares with ids."""

WORD_FIELDS = ("meeting_type", "updated_by_type")
"""Fields of an appointment that `where` compares with the vendor's words."""

UNKNOWN = "unknown"
"""How a state that was never seen is shown."""

Bounds = tuple[timedelta | None, timedelta | None]
"""The least and the most that a duration may be, both included; None leaves that end open."""

ANY_DURATION: Bounds = (None, None)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One key of a rule, compiled."""

    #: As the rule's author wrote it, for example `where.office`.
    key: str
    #: What it asks for, for people.
    wanted: str
    #: Whether an event meets it, and what it saw there, for people.
    check: Callable[[Event], tuple[bool, str]]
    #: The same for programs, where the key takes a list: an event that meets it has one of these.
    values: frozenset[str] = frozenset()
    #: The same for a key that takes durations: an event that meets it lies within; it may still fail.
    bounds: Bounds = ANY_DURATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A named route from events to channels; all requirements must hold."""

    name: str
    description: str
    requirements: tuple[Requirement, ...]
    channels: tuple[str, ...]
    #: Templates; None means the default text.
    title: str | None = None
    body: str | None = None
    #: Whether the rules after this one are spared the events that match it.
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule said to one event, and why."""

    rule: str
    matched: bool
    #: The key that decided: the first that failed; empty for a match.
    key: str = ""
    wanted: str = ""
    saw: str = ""


STOPPED = "stop"
"""The key of a verdict on a rule that was not asked, since an earlier one ended the walk."""

TOO_LATE = "max_age"
"""The key of a verdict on an event that met all the others, and was noticed too late to be told."""


def judge(rule: Rule, event: Event) -> Verdict:
    """Returns the rule's verdict on the event: a match, or the first key that failed with what it saw."""
    for requirement in rule.requirements:
        holds, saw = requirement.check(event)
        if not holds:
            return Verdict(rule.name, matched=False, key=requirement.key, wanted=requirement.wanted, saw=saw)
    return Verdict(rule.name, matched=True)


def walk(rules: Sequence[Rule], event: Event) -> tuple[Verdict, ...]:
    """Returns every rule's verdict on the event, in the order of the rules; a match with `stop` ends the walk."""
    verdicts: list[Verdict] = []
    for number, rule in enumerate(rules):
        verdict = judge(rule, event)
        verdicts.append(verdict)
        if verdict.matched and rule.stop:
            spared = rules[number + 1 :]
            verdicts += (Verdict(later.name, matched=False, key=STOPPED, saw=rule.name) for later in spared)
            break
    return tuple(verdicts)


def on_kinds(kinds: Iterable[Kind]) -> Requirement:
    """Any of the event's kinds is among these."""
    wanted = frozenset(kinds)
    return Requirement(
        "on",
        _any_of(kind.value for kind in Kind if kind in wanted),
        lambda event: (not wanted.isdisjoint(event.kinds), ", ".join(event.kinds)),
        values=frozenset(kind.value for kind in wanted),
    )


def from_status(statuses: Iterable[str]) -> Requirement:
    """The status before is known and among these."""
    wanted = tuple(statuses)

    def check(event: Event) -> tuple[bool, str]:
        status = UNKNOWN if event.before is None else event.before.status
        return event.before is not None and status in wanted, status

    return Requirement("from", _any_of(wanted), check, values=frozenset(wanted))


def to_status(statuses: Iterable[str]) -> Requirement:
    """The status after is among these."""
    wanted = tuple(statuses)

    def check(event: Event) -> tuple[bool, str]:
        return event.after.status in wanted, event.after.status

    return Requirement("to", _any_of(wanted), check, values=frozenset(wanted))


def field_among(name: str, values: Iterable[str]) -> Requirement:
    """The appointment's field holds one of these values after the change; a person counts in whatever role."""
    wanted = tuple(values)

    def check(event: Event) -> tuple[bool, str]:
        seen = _field_values(event, name)
        return any(value in wanted for value in seen), ", ".join(seen) or "none"

    return Requirement(f"where.{name}", _any_of(wanted), check, values=frozenset(wanted))


def changed_any(names: Iterable[str]) -> Requirement:
    """At least one of these fields differs."""
    wanted = tuple(names)

    def check(event: Event) -> tuple[bool, str]:
        seen = [change.field for change in event.changes]
        return any(name in wanted for name in seen), ", ".join(seen) or "nothing"

    return Requirement("where.changed", _any_of(wanted), check, values=frozenset(wanted))


_COMPARISON = re.compile(r"\s*(<=|>=|<|>)\s*([+-]?[0-9]+[smhdw])")
_HOLDS: dict[str, Callable[[timedelta, timedelta], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def lead_time(text: str) -> Requirement:
    """The time from the change to the start compares as the text says: `<24h`, `>2d`, or both as in `>0s <24h`.

    Raises:
        ValueError: the text is no such comparison.
    """
    comparisons = _COMPARISON.findall(text)
    if not comparisons or _COMPARISON.sub("", text).strip():
        raise ValueError(f"{text!r} compares nothing; write it like <24h, >2d or '>0s <24h'")
    bounds = [(sign, parse_duration(duration)) for sign, duration in comparisons]

    def check(event: Event) -> tuple[bool, str]:
        lead = event.lead_time
        if lead is None:
            return False, "no start"
        return all(_HOLDS[sign](lead, bound) for sign, bound in bounds), say_lead(lead)

    return Requirement("where.lead_time", text, check, bounds=_bounds(bounds))


def _bounds(comparisons: Iterable[tuple[str, timedelta]]) -> Bounds:
    """Returns the least and the most that meet all the comparisons."""
    pairs = tuple(comparisons)
    least = max((bound for sign, bound in pairs if sign.startswith(">")), default=None)
    most = min((bound for sign, bound in pairs if sign.startswith("<")), default=None)
    return least, most


def condition(text: str, evaluate: Callable[[Event], tuple[bool, str]]) -> Requirement:
    """The compiled condition of `if` holds; `evaluate` also says what it came to."""
    return Requirement("if", text, evaluate)


def max_age(longest: timedelta) -> Requirement:
    """The change is no older than this when it is noticed; one whose time the source does not tell is never too old."""

    def check(event: Event) -> tuple[bool, str]:
        age = _age(event)
        return age is None or age <= longest, "unknown" if age is None else say_duration(age)

    return Requirement(TOO_LATE, write_duration(longest), check)


def _age(event: Event) -> timedelta | None:
    """Returns how long ago the change was when it was noticed; None where its time is not known.

    Nobody tells when an appointment vanished; and an `updatedAt` that did not move on is that of an earlier change.
    """
    if Kind.VANISHED in event.kinds or (event.before and event.occurred_at <= event.before.updated_at):
        return None
    return max(event.detected_at - event.occurred_at, timedelta(0))


def _field_values(event: Event, name: str) -> list[str]:
    after = event.after
    if name == "source":
        return [event.source]
    if name == "employee":
        values = (after.employee, *after.other_employees)
    elif name == "customer":
        values = (after.customer, *after.other_customers)
    else:
        values = (getattr(after, name),)
    return [value for value in values if value is not None]


def _any_of(values: Iterable[str]) -> str:
    return " or ".join(values)
