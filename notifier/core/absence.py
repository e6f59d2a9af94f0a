"""Absences: ids that we know inside a span and that a complete reading of it did not bring back.

An absence is a question, never a fact: the appointment may have moved out of the span, or slipped between two pages.
So it is asked for by its id; unless the brake finds that suspiciously many are missing.
"""

from collections.abc import Iterable, Mapping, Sequence

URL_BUDGET = 1500
"""Characters of a query that ids and other filters may take; the whole address then stays under 2,000."""

Beside = Mapping[str, Sequence[str]]

NOTHING: Beside = {}


def batches(ids: Iterable[str], most: int | None = None, filters: Beside = NOTHING) -> Sequence[tuple[str, ...]]:
    """Returns the ids in groups that one query can ask for, beside other filters; none larger than `most`."""
    found: list[tuple[str, ...]] = []
    batch: list[str] = []
    room = left = URL_BUDGET - sum(_cost(name, value) for name, values in filters.items() for value in values)
    for one in sorted(ids):
        cost = _cost("id", one)
        if batch and (cost > left or len(batch) == most):
            found.append(tuple(batch))
            batch, left = [], room
        batch.append(one)
        left -= cost
    return [*found, tuple(batch)] if batch else found


def fits(one: str) -> bool:
    """Whether a query can ask for an id at all."""
    return _cost("id", one) <= URL_BUDGET


def _cost(name: str, value: str) -> int:
    """Returns how many characters a parameter takes at most."""
    # A character may take three times as much when it is escaped, and four bytes in UTF-8.
    return len(f"&{name}%5B%5D=") + sum(1 if letter.isascii() and letter.isalnum() else 12 for letter in value)
