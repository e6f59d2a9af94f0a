"""The plan of the sweeps: what of a source is asked for, how often and why, going by what the rules wait for.

It begins with the default sweeps, and keeps each of them: the same span, nothing filtered. That settles what may be
missed: each appointment that the default sweeps show is read, known and compared here as well, and what leaves a span
or a filter is asked for by its id. The rules only decide how soon.

- A span in which no rule waits for anything is read more seldom, to know the states before.
- Where every rule waits for certain offices, meeting types, statuses..., a second sweep asks for these alone, at the
  beat of the first, which is then read more seldom.
- Rules that wait for a status which few appointments have get a quick sweep that asks for it alone.

A rule looks at the state after the change, and so does a filter: a sweep that asks for the values that a rule wants
shows every event that the rule can match, as soon as it would be shown without the filter. The state before comes from
the snapshot, whichever sweep brought it there; from the seldom one it may be some minutes old. Hence three kinds of
rule are never served by a filter alone, since they would hear something else, or nothing:

- Who asks what became of a field (`relocated` of offices, `where.changed`, `from` of statuses) needs the last state
  before the change, and that may lie outside the filter. So that field is not filtered by.
- Who asks for `discovered` needs everybody to be known who was there.
- What `if` looks at is not known; it may be the state before.

Rules that ask the clock have the time to wait for the beat of a sweep: for a status that few appointments have, that of
a second sweep which asks for it alone; for one that most have, that of the seldom sweeps.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from notifier.core.change import TIMED, FieldChange, Kind, kinds_of
from notifier.core.rule import ANY_DURATION, ID_FIELDS, TOO_LATE, WORD_FIELDS, Bounds, Rule
from notifier.core.sweep import Filters, Sweep

QUICK_EVERY = timedelta(seconds=10)
"""The beat of the quick sweep: with the run itself, a change is noticed within a quarter of a minute."""

SELDOM = 5
"""How many times more seldom a sweep runs that only keeps the states before. For the coming week that makes it five
minutes: as long as a change may be late without being taken for an old one."""

SLACK = timedelta(hours=2)
"""How late a change may be noticed whose lead time is to fit a span; the seldom sweeps see to what comes later."""

FILTER_ROOM = 1200
"""Characters of a query that filters may take; the whole address then stays under 2,000."""

USUAL = frozenset({"ACCEPTED", "COMPLETED"})
"""Statuses in which most appointments are: who asks for one of them asks for nearly everything."""

FIELDS = ("office", "meeting_type", "subject", "listing", "lead_segment", "callback_request")
"""Fields that the API filters by as a rule does. Not employee and customer: whether the API takes a person for one in
whatever role, as a rule does, is not documented."""

_WHERE = frozenset(f"where.{name}" for name in ("source", *ID_FIELDS, *WORD_FIELDS, "changed", "lead_time"))
_PLAIN_KEYS = _WHERE | {"on", "from", "to", TOO_LATE} | {kind.value for kind in TIMED}
_QUICK_KINDS = frozenset({Kind.STATUS_CHANGED, Kind.CREATED})
_LONGEST_PARAMETER = len("&callback-request-id%5B%5D=")


class Purpose(StrEnum):
    """Why a sweep is there."""

    #: Its author wrote it into the configuration.
    OWN = "own"
    #: There is no rule for its source yet, so nothing is left out.
    DEFAULT = "default"
    #: Its rules want different things, or what no query can ask for.
    WHOLE = "whole"
    #: All rules that it can serve ask for certain values.
    WANTED = "wanted"
    #: Some rules wait for statuses that few appointments have.
    QUICK = "quick"
    #: Others serve the rules sooner, or there are none; what was before a change is known by it.
    KEEPS = "keeps"


@dataclass(frozen=True, slots=True)
class PlannedSweep:
    """A sweep, and why it is there."""

    sweep: Sweep
    purpose: Purpose
    #: The rules that it is there for, in their order; none where others show what they wait for.
    rules: tuple[str, ...]
    #: The sweeps that ask for a part of its span, and find the states before by it.
    keeps_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What one rule waits for, as far as a query can say it."""

    rule: str
    kinds: frozenset[str]
    #: The statuses after the change; empty for any.
    to: frozenset[str]
    #: Field to values after the change.
    fields: Mapping[str, frozenset[str]]
    lead: Bounds
    #: The fields whose state before matters.
    before: frozenset[str]
    #: Whether it asks for something that can't be looked into.
    opaque: bool
    #: Whether it asks the clock.
    timed: bool

    @property
    def few(self) -> bool:
        """Whether a query for its statuses shows all that it waits for, and little else."""
        plain = not self.opaque and not self.before - {"status"}
        return plain and self.kinds <= _QUICK_KINDS and bool(self.to) and not self.to & USUAL

    @property
    def quick(self) -> bool:
        """Whether such a query is worth making every few seconds; what waits for the clock has the time."""
        return self.few and not self.timed

    @property
    def content(self) -> bool:
        """Whether that query is also enough, the other states being known a little later."""
        return self.few and not self.before

    @property
    def patient(self) -> bool:
        """Whether the sweeps will do that keep the states: it waits for the clock, with nearly everybody."""
        return self.timed and not self.few

    def allows(self, field: str) -> bool:
        """Whether it can be served by a query that filters by the values it wants of a field."""
        needs_all = self.opaque or Kind.DISCOVERED in self.kinds
        return field in self.fields and field not in self.before and not needs_all


def plan_sweeps(source: str, rules: Sequence[Rule], defaults: Sequence[Sweep]) -> tuple[PlannedSweep, ...]:
    """Returns the sweeps of a source that names none, from the rules that may be met there.

    Args:
        source: its name; rules that are for others only do not count.
        rules: all of them.
        defaults: the sweeps without which something would be missed; the quick sweep goes beside the one that runs
            most often.
    """
    wishes = [wish for rule in rules if (wish := _wish(rule, source))]
    if not wishes:
        return tuple(PlannedSweep(sweep, Purpose.DEFAULT, ()) for sweep in defaults)
    if all(wish.patient for wish in wishes):
        return tuple(PlannedSweep(sweep, Purpose.WHOLE, _names(wishes)) for sweep in defaults)
    wishes = [wish for wish in wishes if not wish.patient]
    soonest = min(defaults, key=lambda sweep: sweep.every)
    return tuple(planned for sweep in defaults for planned in _beside(sweep, wishes, quick=sweep is soonest))


def own_sweeps(source: str, rules: Sequence[Rule], sweeps: Sequence[Sweep]) -> tuple[PlannedSweep, ...]:
    """Returns the sweeps that were written by hand, with the rules that they can serve."""
    wishes = [wish for rule in rules if (wish := _wish(rule, source))]
    return tuple(PlannedSweep(sweep, Purpose.OWN, _names(_served(wishes, sweep))) for sweep in sweeps)


def _beside(sweep: Sweep, wishes: Sequence[_Wish], *, quick: bool) -> Iterator[PlannedSweep]:
    """Yields a default sweep, after those that serve rules in its span sooner, or by asking for less."""
    served = _served(wishes, sweep)
    sooner: list[PlannedSweep] = []
    if waiting := [wish for wish in served if quick and wish.quick]:
        sooner.append(PlannedSweep(_quick_sweep(sweep, waiting), Purpose.QUICK, _names(waiting)))
    rest = [wish for wish in served if wish not in waiting or not wish.content]
    # A status is asked for only where there are dates: without them it would bring the status of all times.
    filters = _filters(rest, status=_dated(sweep) and all(wish.content for wish in rest))
    if filters:
        wanted = replace(sweep, name=f"{sweep.name}-wanted", filters={**sweep.filters, **filters})
        sooner.append(PlannedSweep(wanted, Purpose.WANTED, _names(rest)))
    yield from sooner
    if rest and not filters:
        yield PlannedSweep(sweep, Purpose.WHOLE, _names(rest))
    else:
        seldom = replace(sweep, every=sweep.every * SELDOM)
        yield PlannedSweep(seldom, Purpose.KEEPS, (), tuple(planned.sweep.name for planned in sooner))


def _quick_sweep(sweep: Sweep, waiting: Sequence[_Wish]) -> Sweep:
    """Returns a sweep for the statuses that are waited for, over as much of the span as their lead times can reach."""
    least = _all_known(wish.lead[0] for wish in waiting)
    most = _all_known(wish.lead[1] for wish in waiting)
    begins = (sweep.begin, min(least) - SLACK if least else None)
    ends = (sweep.end, max(most) + SLACK if most else None)
    return replace(
        sweep,
        name="quick",
        every=QUICK_EVERY,
        begin=max((begin for begin in begins if begin is not None), default=None),
        end=min((end for end in ends if end is not None), default=None),
        filters={**sweep.filters, **_filters(waiting, status=True)},
    )


def _all_known(values: Iterable[timedelta | None]) -> Sequence[timedelta]:
    """Returns the values, or nothing where one of them is open."""
    found = tuple(values)
    known = tuple(value for value in found if value is not None)
    return known if len(known) == len(found) else ()


def _filters(wishes: Sequence[_Wish], *, status: bool) -> Filters:
    """Returns what a query can ask for that all wishes agree on, as far as it fits into one address."""
    wanted = {"status": _union(wish.to for wish in wishes)} if status else {}
    for field in FIELDS:
        if all(wish.allows(field) for wish in wishes):
            wanted[field] = _union(wish.fields[field] for wish in wishes)
    found: dict[str, tuple[str, ...]] = {}
    room = FILTER_ROOM
    # The shortest first, after the status: what does not fit is left out as a whole, which asks for more, never less.
    for field, values in sorted(wanted.items(), key=lambda item: (item[0] != "status", _length(item[1]))):
        if values and _length(values) <= room:
            found[field] = values
            room -= _length(values)
    return {field: found[field] for field in wanted if field in found}


def _union(values: Iterable[frozenset[str]]) -> tuple[str, ...]:
    return tuple(sorted(frozenset().union(*values)))


def _length(values: Iterable[str]) -> int:
    """Returns how much of an address the values take at most; an escaped character takes up to twelve."""
    return sum(
        _LONGEST_PARAMETER
        + sum(1 if letter.isascii() and (letter.isalnum() or letter in "-._~") else 12 for letter in value)
        for value in values
    )


def _served(wishes: Iterable[_Wish], sweep: Sweep) -> list[_Wish]:
    return [wish for wish in wishes if _reaches(wish, sweep)]


def _reaches(wish: _Wish, sweep: Sweep) -> bool:
    """Whether a change that the rule waits for may be noticed in the sweep's span, with its values."""
    if any(wanted.isdisjoint(sweep.filters.get(field, wanted)) for field, wanted in wish.fields.items()):
        return False
    # What has no date may get one, and any status by that: it is noticed by what is missing.
    if not _dated(sweep):
        return True
    least, most = wish.lead
    if least is not None and most is not None and least > most:
        return False
    behind = sweep.begin is not None and most is not None and most + SLACK < sweep.begin
    beyond = sweep.end is not None and least is not None and least - SLACK > sweep.end
    return not behind and not beyond


def _names(wishes: Iterable[_Wish]) -> tuple[str, ...]:
    return tuple(wish.rule for wish in wishes)


def _wish(rule: Rule, source: str) -> _Wish | None:
    """Returns what the rule waits for at the source; None where it is for others only."""
    sources = _values(rule, "where.source")
    if sources is not None and source not in sources:
        return None
    wanted = {field: _values(rule, f"where.{field}") for field in FIELDS}
    # Who waits for a status to last has to hear of it as soon as who waits for it to come.
    kinds = _values(rule, "on") if rule.watch is None else frozenset(kind.value for kind in _QUICK_KINDS)
    bounds = [requirement.bounds for requirement in rule.requirements if requirement.bounds != ANY_DURATION]
    keys = {requirement.key for requirement in rule.requirements}
    return _Wish(
        rule=rule.name,
        kinds=frozenset(Kind) if kinds is None else kinds,
        to=_values(rule, "to") or (rule.watch.statuses if rule.watch else frozenset()),
        fields={field: values for field, values in wanted.items() if values is not None},
        lead=(
            max((least for least, _ in bounds if least is not None), default=None),
            min((most for _, most in bounds if most is not None), default=None),
        ),
        before=_fields_before(rule, kinds or frozenset(Kind)),
        opaque=not keys <= _PLAIN_KEYS,
        timed=rule.watch is not None,
    )


def _fields_before(rule: Rule, kinds: frozenset[str]) -> frozenset[str]:
    """Returns the fields of which the rule asks what they were, or whether they changed."""
    asked = {"status"} if _values(rule, "from") is not None else set[str]()
    asked |= {field for field in FIELDS if not kinds.isdisjoint(kinds_of([FieldChange(field, None, None)]))}
    return frozenset(asked | (_values(rule, "where.changed") or frozenset()))


def _values(rule: Rule, key: str) -> frozenset[str] | None:
    """Returns what the rule wants behind a key; None for anything."""
    found = [requirement.values for requirement in rule.requirements if requirement.key == key]
    return frozenset.intersection(*found) if found else None


def _dated(sweep: Sweep) -> bool:
    return sweep.begin is not None or sweep.end is not None
