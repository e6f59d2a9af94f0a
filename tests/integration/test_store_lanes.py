"""How lanes stand is kept as it was decided."""

from datetime import timedelta

import pytest

from notifier.core.delivery import Reason
from notifier.core.standing import OPEN, Standing
from notifier.store import lanes
from notifier.store.database import Store
from tests.store_values import NOW

STANDINGS = [
    OPEN,
    Standing(failures=4, failing_since=NOW, reason=Reason.UNCERTAIN, detail="timed out"),
    Standing(failures=5, failing_since=NOW, paused_until=NOW + timedelta(seconds=30), reason=Reason.TIMEOUT),
    Standing(failures=1, failing_since=NOW, off_at=NOW, reason=Reason.GONE, detail="HTTP 410 Gone"),
]


@pytest.mark.parametrize("enrolled", [True, False])
@pytest.mark.parametrize("standing", STANDINGS)
def test_a_standing_is_kept(store: Store, standing: Standing, enrolled: bool) -> None:
    """Whatever it was before, and whether or not its channel was put on record first."""
    with store.writing() as tx:
        lanes.enrol(tx, {"crm": b"address"} if enrolled else {})
        for one in (STANDINGS[-1], standing):
            lanes.keep(tx, "crm", one)
    with store.reading() as tx:
        assert (lanes.standing(tx, "crm"), lanes.standings(tx)) == (standing, {"crm": standing})


def test_what_is_not_on_record_is_open(store: Store) -> None:
    """And resuming it puts nothing on record."""
    with store.writing() as tx:
        assert lanes.resume(tx, "crm") == OPEN
        assert (lanes.standing(tx, "crm"), lanes.standings(tx)) == (OPEN, {})


def test_an_address_is_known_by_a_hash_that_tells_nothing() -> None:
    """The same address is told from others, in one store only, and can't be guessed without its key."""
    urls, keys = ("https://a.example.com", "https://b.example.com"), (b"k" * 32, b"l" * 32)
    hashes = {lanes.hash_address(url, key) for url in urls for key in keys}
    assert len(hashes) == 4
    assert lanes.hash_address(urls[0], keys[0]) in hashes
