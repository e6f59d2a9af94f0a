"""How the appointments are asked for that a reading did not bring."""

from notifier.core.absence import URL_BUDGET, batches


def names(count: int) -> set[str]:
    return {str(number) for number in range(count)}


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


def test_groups_leave_room_for_other_filters_and_may_be_small() -> None:
    """Beside many filters fewer ids fit; and no more are asked for at once than come on a page."""
    offices = {"office": [str(number) for number in range(60)]}
    plain, beside = batches(names(1000)), batches(names(1000), filters=offices)
    assert len(plain) < len(beside)
    assert [len(one) for one in batches(names(10), 4)] == [4, 4, 2]
    assert {len(one) for one in batches(names(3), filters={"office": ["x" * URL_BUDGET]})} == {1}
