"""Coverage: which rules, and which of their keys, the cases of a test say nothing about.

A rule is covered by an event that met it. A key of it is covered by an event that it turned away: the keys before it
held, and this one did not; `hours` by what fell outside them. So a key that is not covered could be changed, or left
out, and no case would notice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from notifier.core.bundle import BundleKind
from notifier.core.delivery import Delivery, Reason
from notifier.core.rule import STOPPED, TAKEN, Rule, Verdict

HOURS: Final = "hours"
"""The key that decides when, and the step of a story that says so."""


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A rule of which the cases do not show everything."""

    rule: str
    #: Whether no event of any case met it.
    never_met: bool
    #: The keys that turned no event away.
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the rules the cases show."""

    rules: int
    rules_met: int
    keys: int
    keys_shown: int
    uncovered: tuple[Uncovered, ...]


def measure_coverage(
    rules: Sequence[Rule], verdicts: Iterable[Verdict], deliveries: Iterable[Delivery] = ()
) -> Coverage:
    """Returns what the verdicts and deliveries of all cases together leave open."""
    met: set[str] = set()
    shown: set[tuple[str, str]] = set()
    for verdict in verdicts:
        if verdict.matched:
            met.add(verdict.rule)
        elif verdict.key == STOPPED:
            # It is the key of the rule that matched.
            shown.add((verdict.saw, STOPPED))
        else:
            shown.add((verdict.rule, verdict.key))
    # What a delivery's story tells of was decided by the key of its rule that goes by the same word.
    shown |= {(one.rule, what) for one in deliveries for what, _ in one.story if what != HOURS or _was_outside(one)}
    uncovered: list[Uncovered] = []
    total = 0
    for rule in rules:
        keys = keys_of(rule)
        total += len(keys)
        missing = tuple(key for key in keys if (rule.name, key) not in shown)
        if missing or rule.name not in met:
            uncovered.append(Uncovered(rule.name, rule.name not in met, missing))
    left = sum(len(one.keys) for one in uncovered)
    return Coverage(len(rules), len({rule.name for rule in rules} & met), total, total - left, tuple(uncovered))


def keys_of(rule: Rule) -> tuple[str, ...]:
    """Returns the keys of a rule that decide whether and when somebody is told, as they are asked."""
    more = {
        STOPPED: rule.stop,
        TAKEN: rule.fallback,
        HOURS: rule.hours is not None,
        BundleKind.GROUP.value: rule.group is not None,
        BundleKind.DIGEST.value: rule.digest is not None,
        BundleKind.THROTTLE.value: rule.throttle is not None,
    }
    return (*(requirement.key for requirement in rule.requirements), *(key for key, given in more.items() if given))


def _was_outside(delivery: Delivery) -> bool:
    return delivery.not_before is not None or delivery.silenced is Reason.HOURS
