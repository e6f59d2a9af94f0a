"""What a delivery is known by."""

import re

from notifier.core.delivery import delivery_id


def test_a_delivery_is_known_by_event_rule_and_channel() -> None:
    """The same three make the same id, 20 hex digits; any other make another."""
    ids = {delivery_id(*parts) for parts in (("e", "r", "c"), ("f", "r", "c"), ("e", "s", "c"), ("e", "r", "d"))}
    assert len(ids | {delivery_id("e", "rc", ""), delivery_id("er", "c", "")}) == 6
    assert delivery_id("e", "r", "c") in ids
    assert all(re.fullmatch("[0-9a-f]{20}", one) for one in ids)
