"""What every acceptance test has: an enterprise behind a socket, and a folder in which `notifier` watches it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from notifier.clock import utc_now
from notifier.engage.simulator import Simulator
from tests.acceptance.workplace import Workplace


@pytest.fixture
def engage() -> Iterator[Simulator]:
    """An enterprise without appointments, that lives in real time."""
    with Simulator(clock=utc_now) as simulator:
        yield simulator


@pytest.fixture
def workplace(tmp_path: Path, engage: Simulator) -> Iterator[Workplace]:
    """A folder with nothing in it yet."""
    place = Workplace(tmp_path, engage)
    try:
        yield place
    finally:
        place.close()
