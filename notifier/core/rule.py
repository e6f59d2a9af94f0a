"""A rule: requirements on events, and the channels that hear of those that meet them all.

The words are Alertmanager's, the shape is not: every rule sees every event, and each answers with a verdict that
names the first key that failed, so that "why did I not get this?" has an answer on record.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any

from msgspec import Struct

from notifier.core.bundle import Digest, Group, Throttle
from notifier.core.change import Kind
from notifier.core.duration import parse_duration, say_duration, write_duration
from notifier.core.event import Event
from notifier.core.hours import Hours
from notifier.core.language import ENGLISH
from notifier.core.watch import Watch

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
    """One key of a rule, compiled.

    What it looks at and what it makes of that are apart, since hundreds of rules look at the same few things of
    an event.
    """

    #: As the rule's author wrote it, for example `where.office`.
    key: str
    #: What it asks for, for people.
    wanted: str
    #: What it looks at; requirements that look at the same share it.
    see: Callable[[Event], Any]
    #: Whether what it sees will do.
    meets: Callable[[Any], bool]
    #: What it sees, for people; the same for all that look at the same.
    say: Callable[[Any], str]
    #: The same for programs, where the key takes a list: an event that meets it has one of these.
    values: frozenset[str] = frozenset()
    #: Whether what it sees is a list, and one of the values in it is all that it takes.
    listed: bool = False
    #: As `values`, for a key that takes durations: an event that meets it lies within; it may still fail.
    bounds: Bounds = ANY_DURATION

    def check(self, event: Event) -> tuple[bool, str]:
        """Returns whether the event meets it, and what it saw there, for people."""
        seen = self.see(event)
        return self.meets(seen), self.say(seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A named route from events to channels; all requirements must hold."""

    name: str
    description: str
    requirements: tuple[Requirement, ...]
    #: Names of channels; those with brackets, or of the directory, are filled in from the event.
    channels: tuple[str, ...]
    #: Who hears of what leads to no channel; there for rules with names to be filled in.
    otherwise: str | None = None
    #: When it tells; None for at any time.
    hours: Hours | None = None
    #: Whether it tells outside its hours all the same.
    urgent: bool = False
    #: What becomes one message; at most one of the first two.
    group: Group | None = None
    digest: Digest | None = None
    throttle: Throttle | None = None
    #: Templates; None means the default text.
    title: str | None = None
    body: str | None = None
    #: Whether the rules after this one are spared the events that match it.
    stop: bool = False
    #: Whether it sees only what no rule without this took.
    fallback: bool = False
    #: Whether each event is told as it was, also when it waited and something has happened since.
    always: bool = False
    #: What it asks the clock for, in place of changes.
    watch: Watch | None = None

    @property
    def hearers(self) -> tuple[str, ...]:
        """Every channel that may hear of it, those of an escalation included."""
        escalate = self.watch.escalate if self.watch else None
        return tuple(dict.fromkeys([*self.channels, *(escalate.channels if escalate else ())]))


class Verdict(Struct, frozen=True, gc=False):
    """What one rule said to one event, and why; a struct, since there is one for every event and rule."""

    rule: str
    matched: bool
    #: The key that decided: the first that failed; empty for a match.
    key: str = ""
    wanted: str = ""
    saw: str = ""


STOPPED = "stop"
"""The key of a verdict on a rule that was not asked, since an earlier one ended the walk."""

TAKEN = "fallback"
"""The key of a verdict of a fallback that was not asked, since another rule took the event."""

TOO_LATE = "max_age"
"""The key of a verdict on an event that met all the others, and was noticed too late to be told."""


def judge(rule: Rule, event: Event) -> Verdict:
    """Returns the rule's verdict on the event: a match, or the first key that failed with what it saw."""
    for requirement in rule.requirements:
        seen = requirement.see(event)
        if not requirement.meets(seen):
            return Verdict(
                rule.name, matched=False, key=requirement.key, wanted=requirement.wanted, saw=requirement.say(seen)
            )
    return Verdict(rule.name, matched=True)


@lru_cache(maxsize=10_000)
def shared(make: Callable[[Any], Requirement], asked: Hashable) -> Requirement:
    """Returns what `make` makes of what is asked for, always the same: what rules share stays near the processor."""
    return make(asked)


def on_kinds(kinds: Iterable[Kind]) -> Requirement:
    """Any of the event's kinds is among these."""
    wanted = frozenset(kinds)
    return Requirement(
        "on",
        _any_of(kind.value for kind in Kind if kind in wanted),
        _see_kinds,
        lambda kinds: not wanted.isdisjoint(kinds),
        _say_list,
        values=frozenset(kind.value for kind in wanted),
    )


def timed(watch: Watch) -> Requirement:
    """The clock made the event, for what the rule watches."""
    wanted = write_duration(watch.span)
    if watch.kind is Kind.STAYS:
        wanted = f"{_any_of(sorted(watch.statuses))} for {wanted}"
    return Requirement(watch.kind.value, wanted, _see_kinds, lambda kinds: watch.kind in kinds, _say_list)


def from_status(statuses: Iterable[str]) -> Requirement:
    """The status before is known and among these."""
    names = tuple(statuses)
    wanted = frozenset(names)
    return Requirement(
        "from", _any_of(names), _see_status_before, wanted.__contains__, lambda seen: seen or UNKNOWN, values=wanted
    )


def to_status(statuses: Iterable[str]) -> Requirement:
    """The status after is among these."""
    names = tuple(statuses)
    wanted = frozenset(names)
    return Requirement("to", _any_of(names), _see_status, wanted.__contains__, str, values=wanted)


def field_among(name: str, values: Iterable[str]) -> Requirement:
    """The appointment's field holds one of these values after the change; a person counts in whatever role."""
    names = tuple(values)
    wanted = frozenset(names)
    return Requirement(
        f"where.{name}",
        _any_of(names),
        _see_field(name),
        lambda seen: not wanted.isdisjoint(seen),
        lambda seen: _say_list(seen) or "none",
        values=wanted,
        listed=True,
    )


def changed_any(names: Iterable[str]) -> Requirement:
    """At least one of these fields differs."""
    fields = tuple(names)
    wanted = frozenset(fields)
    return Requirement(
        "where.changed",
        _any_of(fields),
        _see_changed,
        lambda seen: not wanted.isdisjoint(seen),
        lambda seen: _say_list(seen) or "nothing",
        values=wanted,
        listed=True,
    )


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

    def meets(lead: timedelta | None) -> bool:
        return lead is not None and all(_HOLDS[sign](lead, bound) for sign, bound in bounds)

    return Requirement("where.lead_time", text, _see_lead_time, meets, _say_lead_time, bounds=_bounds(bounds))


def _bounds(comparisons: Iterable[tuple[str, timedelta]]) -> Bounds:
    """Returns the least and the most that meet all the comparisons."""
    pairs = tuple(comparisons)
    least = max((bound for sign, bound in pairs if sign.startswith(">")), default=None)
    most = min((bound for sign, bound in pairs if sign.startswith("<")), default=None)
    return least, most


def condition(text: str, evaluate: Callable[[Event], tuple[bool, str]]) -> Requirement:
    """The compiled condition of `if` holds; `evaluate` also says what it came to."""
    return Requirement("if", text, evaluate, itemgetter(0), itemgetter(1))


def max_age(longest: timedelta) -> Requirement:
    """The change is no older than this when it is noticed; one whose time the source does not tell is never too old."""
    return Requirement(
        TOO_LATE,
        write_duration(longest),
        _age,
        lambda age: age is None or age <= longest,
        lambda age: "unknown" if age is None else say_duration(age),
    )


def _age(event: Event) -> timedelta | None:
    """Returns how long ago the change was when it was noticed; None where its time is not known.

    Nobody tells when an appointment vanished; and an `updatedAt` that did not move on is that of an earlier change.
    """
    if event.firing is not None:
        return event.detected_at - event.firing.due_at
    if Kind.VANISHED in event.kinds or (event.before and event.occurred_at <= event.before.updated_at):
        return None
    return max(event.detected_at - event.occurred_at, timedelta(0))


def _see_kinds(event: Event) -> tuple[Kind, ...]:
    return event.kinds


def _see_status_before(event: Event) -> str | None:
    return None if event.before is None else event.before.status


def _see_status(event: Event) -> str:
    return event.after.status


def _see_changed(event: Event) -> list[str]:
    return [change.field for change in event.changes]


def _see_lead_time(event: Event) -> timedelta | None:
    return event.lead_time


def _say_lead_time(lead: timedelta | None) -> str:
    return "no start" if lead is None else ENGLISH.say_lead(lead)


@cache
def _see_field(name: str) -> Callable[[Event], list[str]]:
    """Returns what looks at the values of a field, always the same function for the same field."""
    return lambda event: [value for value in values_of(event, name) if value is not None]


def values_of(event: Event, name: str) -> Sequence[str | None]:
    """Returns what an event has in a field that `where` compares; of people those in whatever role."""
    after = event.after
    if name == "source":
        return (event.source,)
    if name == "employee":
        return (after.employee, *after.other_employees)
    if name == "customer":
        return (after.customer, *after.other_customers)
    return (getattr(after, name),)


def _say_list(seen: Iterable[str]) -> str:
    return ", ".join(seen)


def _any_of(values: Iterable[str]) -> str:
    return " or ".join(values)
