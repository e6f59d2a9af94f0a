"""The census: how many there are, and when, of what a query asks for."""

from collections.abc import Iterator
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from notifier.core.sweep import Span
from notifier.store import census, snapshot
from notifier.store.database import Store, open_store
from tests.store_values import NOW, appointment, known, plan

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
ZONE = timezone(timedelta(hours=5.5))
ROWS = (
    appointment("1", start=NOW, end=NOW + HOUR, office="11"),
    appointment("2", "CANCELLED", start=NOW + DAY, end=NOW + DAY + HOUR, office="12"),
    appointment("3", start=(NOW + DAY).astimezone(ZONE), end=(NOW + 2 * DAY).astimezone(ZONE), office="11"),
    appointment("4", start=NOW + 2 * DAY),
    appointment("5", start=None),
)
ANY = Span(None, None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "notifier.db", synchronous="normal") as opened:
        with opened.writing() as tx:
            snapshot.apply(tx, plan(rows=[known(one) for one in ROWS]), NOW)
        yield opened


@pytest.mark.parametrize(
    ("span", "statuses", "count"),
    [
        (ANY, (), 5),
        (ANY, ("CANCELLED", "NO_SHOW"), 1),
        (Span(NOW, NOW + DAY), (), 3),
        (Span(NOW + HOUR, None), (), 3),
        (Span(None, NOW), ("ACCEPTED",), 1),
    ],
)
def test_what_is_inside_is_counted(store: Store, span: Span, statuses: tuple[str, ...], count: int) -> None:
    """Both ends belong to a span; one without dates has those without a start, too."""
    with store.reading() as tx:
        assert census.count_within(tx, "acme", span, {"status": statuses} if statuses else {}) == count
        assert census.count_within(tx, "other", span) == 0


def test_times_are_those_of_what_is_inside(store: Store) -> None:
    """Start and end, whatever zone they came in; what has no end ends as it begins, what has no start is left out."""
    times = {one.id: (one.start, one.end or one.start) for one in ROWS}
    with store.reading() as tx:
        assert sorted(census.times_within(tx, "acme", ANY, {})) == sorted(times[one] for one in "1234")
        assert census.times_within(tx, "acme", Span(NOW + HOUR, NOW + DAY), {"office": ("11", "13")}) == [times["3"]]
        assert census.times_within(tx, "acme", ANY, {"status": ("CANCELLED",)}) == [times["2"]]
        assert census.times_within(tx, "other", ANY, {}) == []
