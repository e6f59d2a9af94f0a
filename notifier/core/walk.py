"""The way of an event through the rules: what each of them says to it, in their order.

Many rules ask for much the same: hundreds for a cancellation, each at offices of its own. So they are laid out once,
as a tree of what they ask for one after the other: what several ask for is looked at for all of them together, and
where each asks for other values of the same list, the values lead to those that ask for them. Every rule still has its
verdict, the same as if it had been asked alone, which is `judge`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from typing import Any

from msgspec import Struct

from notifier.core.event import Event
from notifier.core.rule import STOPPED, TAKEN, Requirement, Rule, Verdict, judge


class Rules(tuple[Rule, ...]):  # noqa: SLOT001 - it keeps how it is laid out
    """Rules in their order, laid out when the first event comes."""

    @cached_property
    def stretches(self) -> tuple["_Stretch", ...]:
        """The rules that are no fallbacks, up to each that may end the walk."""
        found: list[_Stretch] = []
        asking: list[_Place] = []
        for position, rule in enumerate(self):
            if not rule.fallback:
                asking.append((position, rule))
                if rule.stop:
                    found.append(_Stretch(_branch(asking), position))
                    asking = []
        return (*found, _Stretch(_branch(asking), None))

    @cached_property
    def falling_back(self) -> bool:
        """Whether any of them is a fallback."""
        return any(rule.fallback for rule in self)

    @cached_property
    def unasked(self) -> tuple[Verdict, ...]:
        """The verdicts before anybody was asked; at the fallbacks they are left open."""
        return tuple(_failed(rule.name, TAKEN, "", "") for rule in self)


def walk(rules: Sequence[Rule], event: Event) -> tuple[Verdict, ...]:
    """Returns every rule's verdict on the event, in the order of the rules; a match with `stop` ends the walk.

    Fallbacks are asked last, and only where no other rule took the event; a `stop` of one of them is for the others.
    What the clock made is for the rule that asked, and for no other. `Rules` are laid out once, others each time.
    """
    if event.firing is not None:
        rules = [rule for rule in rules if rule.name == event.firing.rule]
    laid = rules if isinstance(rules, Rules) else Rules(rules)
    way = _Way(event, list(laid.unasked))
    for stretch in laid.stretches:
        way.take(stretch.branch)
        if stretch.stop is not None and way.verdicts[stretch.stop].matched:
            begin, name = stretch.stop + 1, laid[stretch.stop].name
            way.verdicts[begin:] = [_failed(later.name, STOPPED, "", name) for later in laid[begin:]]
            break
    if laid.falling_back:
        _fall_back(laid, event, way.verdicts)
    return tuple(way.verdicts)


def _fall_back(rules: Rules, event: Event, verdicts: list[Verdict]) -> None:
    """Puts in the verdicts of the fallbacks, where these were left open."""
    taken = next((verdict.rule for verdict in verdicts if verdict.matched), "")
    stopped = ""
    for number, rule in enumerate(rules):
        if not rule.fallback or verdicts[number].key == STOPPED:
            continue
        if taken:
            verdicts[number] = _failed(rule.name, TAKEN, "", taken)
        elif stopped:
            verdicts[number] = _failed(rule.name, STOPPED, "", stopped)
        else:
            verdicts[number] = judge(rule, event)
            stopped = rule.name if rule.stop and verdicts[number].matched else ""


_NO = repeat(object=False)

_Place = tuple[int, Rule]
"""A rule and its position among all."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    branch: "_Branch"
    #: The position of its last rule, if that may end the walk.
    stop: int | None


@dataclass(frozen=True, slots=True)
class _Branch:
    """The rules that have asked for the same so far, by what they ask for next."""

    #: Positions and names of those that ask for nothing more.
    ends: tuple[tuple[int, str], ...]
    steps: tuple["_Step", ...]
    forks: tuple["_Fork", ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """What the same rules ask for next."""

    requirement: Requirement
    branch: _Branch
    #: Of all of them.
    positions: tuple[int, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Fork:
    """Where each asks for other values of the same list."""

    #: One of what they ask for; all look at the same, and say it alike.
    requirement: Requirement
    #: To which rules a value leads.
    branches: Mapping[str, Sequence[_Branch]]
    #: Of all of them, what a verdict consists of that says no.
    positions: tuple[int, ...]
    names: tuple[str, ...]
    keys: tuple[str, ...]
    wanted: tuple[str, ...]


def _branch(asking: Sequence[_Place], depth: int = 0) -> _Branch:
    """Lays out rules that have asked for the same so often; what they share is known by being the same object."""
    groups: dict[int, list[_Place]] = defaultdict(list)
    for place in asking:
        if len(place[1].requirements) > depth:
            groups[id(place[1].requirements[depth])].append(place)
    steps: list[_Step] = []
    lists: dict[Callable[[Event], Any], list[_Step]] = defaultdict(list)
    for places in groups.values():
        positions, rules = zip(*places, strict=True)
        requirement: Requirement = rules[0].requirements[depth]
        step = _Step(requirement, _branch(places, depth + 1), positions, tuple(rule.name for rule in rules))
        (lists[requirement.see] if requirement.listed else steps).append(step)
    ends = tuple((position, rule.name) for position, rule in asking if len(rule.requirements) == depth)
    return _Branch(ends, tuple(steps), tuple(map(_fork, lists.values())))


def _fork(steps: Sequence[_Step]) -> _Fork:
    branches: dict[str, list[_Branch]] = defaultdict(list)
    for step in steps:
        for value in step.requirement.values:
            branches[value].append(step.branch)
    return _Fork(
        steps[0].requirement,
        dict(branches),
        tuple(chain.from_iterable(step.positions for step in steps)),
        tuple(chain.from_iterable(step.names for step in steps)),
        tuple(chain.from_iterable(repeat(step.requirement.key, len(step.names)) for step in steps)),
        tuple(chain.from_iterable(repeat(step.requirement.wanted, len(step.names)) for step in steps)),
    )


class _Sight(Struct):
    """What requirements that look at the same have seen of one event; they say it alike."""

    value: Any
    #: For people; None until somebody asks.
    said: str | None = None

    def say(self, requirement: Requirement) -> str:
        if self.said is None:
            self.said = requirement.say(self.value)
        return self.said


class _Way:
    """One event on its way: what was seen of it, and what was said to it so far."""

    def __init__(self, event: Event, verdicts: list[Verdict]) -> None:
        self.verdicts = verdicts
        self._event = event
        self._seen: dict[Callable[[Event], Any], _Sight] = {}

    def take(self, branch: _Branch) -> None:
        """Asks the rules of a branch for what is left."""
        for position, name in branch.ends:
            self.verdicts[position] = Verdict(name, matched=True)
        for step in branch.steps:
            requirement = step.requirement
            sight = self._see(requirement)
            if requirement.meets(sight.value):
                self.take(step.branch)
            else:
                said = repeat(sight.say(requirement))
                self._refuse(step.positions, step.names, repeat(requirement.key), repeat(requirement.wanted), said)
        for fork in branch.forks:
            sight = self._see(fork.requirement)
            self._refuse(fork.positions, fork.names, fork.keys, fork.wanted, repeat(sight.say(fork.requirement)))
            for value in sight.value:
                for wanted in fork.branches.get(value, ()):
                    self.take(wanted)

    def _see(self, requirement: Requirement) -> _Sight:
        sight = self._seen.get(requirement.see)
        if sight is None:
            sight = self._seen[requirement.see] = _Sight(requirement.see(self._event))
        return sight

    def _refuse(
        self,
        positions: Iterable[int],
        names: Iterable[str],
        keys: Iterable[str],
        wanted: Iterable[str],
        saw: Iterable[str],
    ) -> None:
        # Made all in one go, without a step of the interpreter for each rule.
        said = map(Verdict, names, _NO, keys, wanted, saw)
        for position, verdict in zip(positions, said, strict=False):
            self.verdicts[position] = verdict


def _failed(rule: str, key: str, wanted: str, saw: str) -> Verdict:
    return Verdict(rule, False, key, wanted, saw)  # noqa: FBT003 - by its place, which is faster than by its name
