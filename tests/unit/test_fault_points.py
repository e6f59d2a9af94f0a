"""Every place at which a test lets the daemon die is still in the code."""

from importlib import import_module

import pytest

from tests.fault_points import FAULT_POINTS


@pytest.mark.parametrize("label", FAULT_POINTS)
def test_there_is_such_a_place(label: str) -> None:
    """Else nobody would die there, and the test would say nothing."""
    module, _, path = FAULT_POINTS[label].place.partition(":")
    place = import_module(module)
    for name in path.split("."):
        place = getattr(place, name)
    assert callable(place)
