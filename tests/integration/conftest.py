"""What every integration test may rely on: a clock of its own, and no other test's settings left behind."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.simulated import HandClock


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands still until the test moves it."""
    return HandClock()


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
