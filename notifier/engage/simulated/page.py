"""One page of a list: how many rows a server gives of those asked for, and the text that it sends."""

from collections.abc import Sequence
from typing import Literal

from notifier.engage.simulated.query import DEFAULT_LIMIT, QueryError
from notifier.engage.simulated.row import Row

# What a server does with a limit above its own ceiling. "refuse": 400. "clamp": fewer rows, and `meta.limit` says so.
# "silent": fewer rows, while `meta.limit` repeats what was asked for.
Cap = Literal["refuse", "clamp", "silent"]


def default_limit(page_cap: int | None) -> int:
    """How many rows a request means that does not say."""
    return DEFAULT_LIMIT if page_cap is None else min(DEFAULT_LIMIT, page_cap)


def capped(limit: int, page_cap: int | None, cap: Cap) -> tuple[int, int]:
    """How many rows are given for a limit and how many `meta.limit` says, or QueryError where that is refused."""
    if page_cap is None or limit <= page_cap:
        return limit, limit
    if cap == "refuse":
        raise QueryError(f"query parameter 'limit' must be at most {page_cap}")
    return page_cap, (page_cap if cap == "clamp" else limit)


def write_page(found: Sequence[Row], offset: int, given: int, told: int) -> bytes:
    """One page of the rows found, joined from texts that are serialised already."""
    data = b",".join([row.body for row in found[offset : offset + given]])
    return b'{"data":[%b],"meta":{"offset":%d,"limit":%d,"totalCount":%d}}' % (data, offset, told, len(found))
