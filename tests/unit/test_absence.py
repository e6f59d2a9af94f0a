"""When a reading that misses appointments is believed, and how they are asked for."""

import pytest

from notifier.core.absence import URL_BUDGET, Brake, batches, doubt

BRAKE = Brake(share=0.2, count=500, floor=50)


def names(count: int) -> set[str]:
    return {str(number) for number in range(count)}


@pytest.mark.parametrize(
    ("known", "absent", "doubted"),
    [
        (0, 0, False),
        (49, 49, False),
        (50, 10, False),
        (50, 11, True),
        (10_000, 500, False),
        (10_000, 501, True),
        (100, 0, False),
    ],
)
def test_a_reading_is_doubted_above_the_share_and_above_the_count(known: int, absent: int, doubted: bool) -> None:
    """A few may be missing, all of a few may be; a large share of many, or very many, may not."""
    assert bool(doubt(names(known), names(absent), known - absent, BRAKE)) is doubted


@pytest.mark.parametrize(
    ("seen", "absent", "cause"),
    [(0, 100, "empty list"), (100, 100, "changed its ids"), (70, 30, "lost data")],
)
def test_the_likely_cause_is_named(seen: int, absent: int, cause: str) -> None:
    """The operator reads what it looks like."""
    said = doubt(names(100), names(absent), seen, BRAKE)
    assert cause in said
    assert f"{absent} of 100" in said


def test_ids_are_asked_for_in_groups_that_fit_a_query() -> None:
    """Every id is asked for once, in order, and no group is longer than an address may be."""
    ids = names(1000)
    groups = batches(ids)
    assert [one for group in groups for one in group] == sorted(ids)
    assert all(sum(len(f"&id%5B%5D={one}") for one in group) <= URL_BUDGET for group in groups)
    assert len(groups) < 20


def test_an_id_that_is_longer_than_the_budget_goes_alone() -> None:
    """No id is left out, however long it is."""
    long = "x" * (URL_BUDGET + 1)
    assert set(batches(["1", long, "2"])) >= {(long,)}
    assert batches([]) == []
