"""What every integration test may rely on: a clock, a store and a source of its own, and logs as they were."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from notifier.clock import utc_now
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from notifier.store.database import Store, open_store
from tests.simulated import HandClock


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands still until the test moves it."""
    return HandClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store in a file, with nothing in it."""
    with open_store(tmp_path / "notifier.db", synchronous="normal") as store:
        yield store


@pytest.fixture
def engage() -> Iterator[Simulator]:
    """An enterprise that lives in real time, with one appointment."""
    with Simulator(clock=utc_now) as simulator:
        simulator.enterprise.create(utc_now(), Booking(start=utc_now()))
        yield simulator


@pytest.fixture
def own_logs() -> Iterator[None]:
    """Takes back what a command did to the logs of this process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("notifier.progress").setLevel(logging.NOTSET)
    structlog.reset_defaults()
