"""What rules say that can't be meant: what never matches, what nobody is spared, channels and ids that nobody knows.

Each finding is certain, given what this program makes of appointments; there are more mistakes than can be found so.
A rule with a key that is not known here, like one that asks the clock, is not judged by what it matches.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from notifier.core.appointment import ENDINGS
from notifier.core.change import Kind
from notifier.core.duration import parse_duration
from notifier.core.recipients import is_from_data
from notifier.core.rule import ID_FIELDS, TOO_LATE, WORD_FIELDS, Requirement, Rule
from notifier.core.template_lint import says_nothing


class Code(StrEnum):
    """What kind of finding it is."""

    #: The rule matches no event that there can be.
    NEVER = "never"
    #: One of the values of a list matches no event that there can be, beside the other keys.
    IDLE_VALUE = "idle-value"
    #: An earlier rule with `stop` takes every event of this one.
    SHADOWED = "shadowed"
    #: Nothing is sent to the channel.
    UNUSED_CHANNEL = "unused-channel"
    #: No appointment that was seen has this id.
    UNKNOWN_ID = "unknown-id"
    #: Where a field has no value the template says nothing.
    EMPTY_TEXT = "empty-text"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a rule, or about a channel, that its author will hardly have meant."""

    code: Code
    #: The rule, or for `unused-channel` the channel.
    name: str
    #: The key that it is about, as its author writes it; empty for all of it.
    key: str
    text: str


_SETS = frozenset({"on", "from", "to", "where.changed", *(f"where.{name}" for name in (*ID_FIELDS, *WORD_FIELDS))})
_KNOWN = _SETS | {"where.source", "where.lead_time", "if", TOO_LATE}

_MOVABLE = frozenset({Kind.RESCHEDULED, Kind.REASSIGNED, Kind.RELOCATED, Kind.UPDATED, Kind.DISCOVERED})
"""Kinds of an event of an appointment that was known, beside a change of its status."""

_TICK = timedelta(microseconds=1)


def lint_rules(rules: Sequence[Rule]) -> Iterator[Finding]:
    """Yields what is wrong with what the rules match, in their order."""
    for number, rule in enumerate(rules):
        if not _is_known(rule):
            continue
        if keys := _contradiction(rule):
            yield Finding(Code.NEVER, rule.name, keys[0], _never(rule, keys))
            continue
        yield from _idle_values(rule)
        if shadow := next((one for one in rules[:number] if shadows(one, rule)), None):
            text = f"`{shadow.name}` comes before it, says stop, and matches all that it matches"
            yield Finding(Code.SHADOWED, rule.name, "", text)


def unused_channels(rules: Iterable[Rule], channels: Iterable[str], others: Iterable[str]) -> Iterator[Finding]:
    """Yields the channels that no rule sends to, and nobody else: `others` have a use of their own.

    A channel of a rule whose name is filled in from the event may be any.
    """
    rules = tuple(rules)
    used = {channel for rule in rules for channel in (*rule.channels, rule.otherwise or "")}
    if any(is_from_data(channel) for channel in used):
        return
    for channel in channels:
        if channel not in used | set(others):
            yield Finding(Code.UNUSED_CHANNEL, channel, "", "no rule sends to this channel, nor does notifier itself")


def unknown_ids(rules: Iterable[Rule], known: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
    """Yields the ids that rules ask for and nobody knows; `known` has those of each field that can be told."""
    for rule in rules:
        for requirement in rule.requirements:
            ids = known.get(requirement.key.removeprefix("where."))
            if ids and requirement.key.startswith("where."):
                for one in sorted(requirement.values - ids):
                    name = requirement.key.removeprefix("where.")
                    text = f"no appointment that was seen has the {name} `{one}`"
                    yield Finding(Code.UNKNOWN_ID, rule.name, requirement.key, text)


def empty_texts(rules: Iterable[Rule]) -> Iterator[Finding]:
    """Yields the templates that say nothing where a field has no value, unless the rule wants the field to have one."""
    for rule in rules:
        for key, template in (("title", rule.title), ("body", rule.body)):
            found = says_nothing(template, _sure(rule)) if template else None
            if found:
                field, text = found
                shown = f"says no more than `{text}`" if text else "says nothing"
                yield Finding(Code.EMPTY_TEXT, rule.name, key, f"{shown} where `{field}` has no value")


def _sure(rule: Rule) -> frozenset[str]:
    """Returns the fields that have a value in every event that the rule matches."""
    keys = {requirement.key for requirement in rule.requirements}
    fields = {key.removeprefix("where.") for key in keys if key.startswith("where.")} - {"employee", "customer"}
    return frozenset(
        fields | ({"start"} if "where.lead_time" in keys else set()) | ({"before"} if "from" in keys else set())
    )


def shadows(earlier: Rule, later: Rule) -> bool:
    """Whether every event that the later rule matches is taken by the earlier one, which says stop."""
    return (
        earlier.stop
        # A fallback is asked after all that are none.
        and (later.fallback or not earlier.fallback)
        and _is_known(earlier)
        and _is_known(later)
        and all(any(_implies(mine, theirs) for mine in later.requirements) for theirs in earlier.requirements)
    )


def _is_known(rule: Rule) -> bool:
    return all(requirement.key in _KNOWN for requirement in rule.requirements)


def _can_match(requirements: Iterable[Requirement]) -> bool:
    """Whether some event meets the requirements, as far as those that are known here exclude each other."""
    by_key: dict[str, list[Requirement]] = {}
    for requirement in requirements:
        by_key.setdefault(requirement.key, []).append(requirement)
    leads = by_key.get("where.lead_time", [])
    if leads and not any(all(one.meets(lead) for one in leads) for lead in _edges(leads)):
        return False
    return any(shape(by_key) for shape in _SHAPES)


def _edges(leads: Iterable[Requirement]) -> Iterator[timedelta]:
    """Yields lead times one of which meets all the comparisons, if any does."""
    for lead in leads:
        for bound in (timedelta(0), *lead.bounds):
            if bound is not None:
                yield from (bound - _TICK, bound, bound + _TICK)


# The shapes of all events that `plan.py` makes. Each takes requirements by their keys.
Asked = Mapping[str, Sequence[Requirement]]


def _values(asked: Asked, key: str) -> frozenset[str] | None:
    """Returns what one value must be among to meet all of the key; None if any will do."""
    found = [requirement.values for requirement in asked.get(key, ())]
    return frozenset.intersection(*found) if found else None


def _any_kind(asked: Asked, kinds: Iterable[str]) -> bool:
    """Whether an event of all these kinds meets what is asked of them."""
    return all(not requirement.values.isdisjoint(kinds) for requirement in asked.get("on", ()))


def _changes(asked: Asked, fields: frozenset[str]) -> bool:
    """Whether these changed fields meet what is asked of them."""
    return all(not requirement.values.isdisjoint(fields) for requirement in asked.get("where.changed", ()))


def _status_changes(asked: Asked) -> bool:
    """A known appointment gets another status; anything may change besides."""
    before, after = _values(asked, "from"), _values(asked, "to")
    differ = before is None or after is None or len(before | after) > 1
    return _any_kind(asked, {Kind.STATUS_CHANGED, *_MOVABLE}) and bool(differ) and frozenset() not in {before, after}


def _something_else_changes(asked: Asked) -> bool:
    """A known appointment keeps its status, and anything else changes, or it is listed again."""
    others = all(requirement.values - {"status"} for requirement in asked.get("where.changed", ()))
    return _any_kind(asked, _MOVABLE) and others and _same_status(asked)


def _is_created(asked: Asked) -> bool:
    """An appointment is made, in a status in which appointments begin."""
    after = _values(asked, "to")
    begins = after is None or bool(after - ENDINGS)
    return _any_kind(asked, {Kind.CREATED}) and "from" not in asked and begins and "where.changed" not in asked


def _is_over_at_once(asked: Asked) -> bool:
    """An appointment was made, and has come to its end, since the last look."""
    after = _values(asked, "to")
    kinds = {Kind.STATUS_CHANGED, Kind.CREATED}
    ends = after is None or bool(after & ENDINGS)
    return _any_kind(asked, kinds) and "from" not in asked and ends and _changes(asked, frozenset({"status"}))


def _is_discovered(asked: Asked) -> bool:
    """An appointment that was not known has reached a status."""
    kinds = {Kind.STATUS_CHANGED, Kind.DISCOVERED}
    some = _values(asked, "to") != frozenset()
    return _any_kind(asked, kinds) and "from" not in asked and some and _changes(asked, frozenset({"status"}))


def _vanishes(asked: Asked) -> bool:
    """An appointment is not shown any more; the state is the last known one."""
    return _any_kind(asked, {Kind.VANISHED}) and "where.changed" not in asked and _same_status(asked)


def _same_status(asked: Asked) -> bool:
    """Whether one status can be the one before and the one after."""
    sets = [found for key in ("from", "to") if (found := _values(asked, key)) is not None]
    return not sets or bool(frozenset.intersection(*sets))


_SHAPES: tuple[Callable[[Asked], bool], ...] = (
    _status_changes,
    _something_else_changes,
    _is_created,
    _is_over_at_once,
    _is_discovered,
    _vanishes,
)


def _contradiction(rule: Rule) -> list[str]:
    """Returns the keys that together no event can meet, as few as will do; none if the rule can match."""
    left = list(rule.requirements)
    if _can_match(left):
        return []
    for requirement in rule.requirements:
        without = [one for one in left if one is not requirement]
        if not _can_match(without):
            left = without
    return [requirement.key for requirement in left]


def _never(rule: Rule, keys: Sequence[str]) -> str:
    asked = [f"`{one.key}` {one.wanted}" for one in rule.requirements if one.key in keys]
    if len(asked) == 1:
        return f"nothing meets {asked[0]}"
    return f"no event has {', '.join(asked[:-1])} and {asked[-1]}"


def _idle_values(rule: Rule) -> Iterator[Finding]:
    """Yields the values that could be left out of a list without any difference."""
    for requirement in rule.requirements:
        if requirement.key not in {"on", "from", "to", "where.changed"} or len(requirement.values) < 2:  # noqa: PLR2004
            continue
        for value in sorted(requirement.values):
            alone = replace(requirement, values=frozenset({value}), wanted=value)
            others = tuple(alone if one is requirement else one for one in rule.requirements)
            if keys := _contradiction(replace(rule, requirements=others)):
                beside = " and ".join(f"`{key}`" for key in keys if key != requirement.key)
                text = f"`{value}` matches nothing beside {beside}"
                yield Finding(Code.IDLE_VALUE, rule.name, requirement.key, text)


def _implies(mine: Requirement, theirs: Requirement) -> bool:
    """Whether whatever meets the first meets the second, for certain."""
    if mine.key != theirs.key:
        return False
    if theirs.key in _SETS or theirs.key == "where.source":
        return mine.values <= theirs.values
    if theirs.key == TOO_LATE:
        return parse_duration(mine.wanted) <= parse_duration(theirs.wanted)
    if theirs.key == "where.lead_time":
        return _lies_within(mine, theirs)
    return mine.wanted == theirs.wanted


def _lies_within(mine: Requirement, theirs: Requirement) -> bool:
    """Whether every lead time that meets the first meets the second: a span lies in another if its ends do."""
    (least, most), (their_least, their_most) = mine.bounds, theirs.bounds
    open_below = least is None and their_least is not None
    open_above = most is None and their_most is not None
    if open_below or open_above:
        return False
    return all(theirs.meets(lead) for lead in _edges((mine, theirs)) if mine.meets(lead))
