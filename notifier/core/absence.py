"""Absences: ids that we know inside a span and that a complete reading of it did not bring back.

An absence is a question, never a fact: the appointment may have moved out of the span, or slipped between two pages.
It is asked for by its id. And a reading that misses suspiciously many is doubted as a whole, as vdirsyncer doubts an
empty side: a source that has lost its data, or gives other ids than before, must not look like a mass cancellation.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

URL_BUDGET = 1500
"""Characters of a query that ids may take; the whole address then stays under 2,000."""

_ID_OVERHEAD = len("&id%5B%5D=")


@dataclass(frozen=True, slots=True)
class Brake:
    """How much may be missing from one reading before it is doubted."""

    #: Of what is known there, where at least `floor` appointments are.
    share: float = 0.2
    count: int = 500
    floor: int = 50


def doubt(known: Collection[str], absent: Collection[str], seen: int, brake: Brake) -> str:
    """Returns why a reading is not believed, in words for the operator; empty where it is.

    Args:
        known: ids that the snapshot has in the span.
        absent: those of them that the reading did not bring.
        seen: how many appointments the reading brought.
        brake: how much may be missing.
    """
    if not absent:
        return ""
    much = len(absent) > brake.count or (len(known) >= brake.floor and len(absent) > brake.share * len(known))
    if not much:
        return ""
    missing = f"{len(absent)} of {len(known)} known appointments are missing"
    if seen == 0:
        return f"{missing}: the source answers with an empty list"
    if len(absent) == len(known):
        return f"{missing} and {seen} others came: the source may have changed its ids"
    return f"{missing}: the source may have lost data, or its access may have been narrowed"


def batches(ids: Iterable[str]) -> Sequence[tuple[str, ...]]:
    """Returns the ids in groups that one query can ask for."""
    found: list[tuple[str, ...]] = []
    batch: list[str] = []
    room = URL_BUDGET
    for one in sorted(ids):
        # A character may take three times as much when it is escaped, and four bytes in UTF-8.
        cost = _ID_OVERHEAD + sum(1 if letter.isascii() and letter.isalnum() else 12 for letter in one)
        if batch and cost > room:
            found.append(tuple(batch))
            batch, room = [], URL_BUDGET
        batch.append(one)
        room -= cost
    return [*found, tuple(batch)] if batch else found
