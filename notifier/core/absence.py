"""Absences: ids that we know inside a span and that a complete reading of it did not bring back.

An absence is a question, never a fact: the appointment may have moved out of the span, or slipped between two pages.
So it is asked for by its id; unless the brake finds that suspiciously many are missing.
"""

from collections.abc import Iterable, Sequence

URL_BUDGET = 1500
"""Characters of a query that ids may take; the whole address then stays under 2,000."""

_ID_OVERHEAD = len("&id%5B%5D=")


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
