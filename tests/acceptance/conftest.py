"""What every acceptance test has: an enterprise behind a socket, and a folder in which `notifier` watches it.

Both are full of marked values, and after each test all that it left is searched for them.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notifier.clock import utc_now
from notifier.engage.simulator import Simulator
from tests.acceptance.overheard import Overheard, overhearing
from tests.acceptance.workplace import Workplace
from tests.canary import SECRETS, MarkedEnterprise, Search

_TOTAL = pytest.StashKey[Search]()
_SAID = "canary"


@pytest.fixture
def engage() -> Iterator[Simulator]:
    """An enterprise without appointments, that lives in real time."""
    with Simulator(
        enterprise=MarkedEnterprise(),
        clock=utc_now,
        token=SECRETS["token"],
        client_secret=SECRETS["client secret"],
    ) as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def overheard(request: pytest.FixtureRequest) -> Iterator[Overheard]:
    """What receivers got; in the end it is searched."""
    with overhearing() as heard:
        yield heard
        search = heard.search()
        _add(request.config, search)
        assert not search.leaks, search.leaks


@pytest.fixture
def workplace(tmp_path: Path, engage: Simulator, request: pytest.FixtureRequest) -> Iterator[Workplace]:
    """A folder with nothing in it yet."""
    place = Workplace(tmp_path, engage)
    try:
        yield place
    finally:
        place.close()
        _add(request.config, place.search)


def _add(config: pytest.Config, search: Search) -> None:
    total = config.stash.setdefault(_TOTAL, Search())
    total.looked_at.update(search.looked_at)
    total.size += search.size


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:  # noqa: ARG001 - the hook's signature
    """Takes over what a process that ran some of the tests has searched."""
    if said := getattr(node, "workeroutput", {}).get(_SAID):
        _add(node.config, Search(looked_at=Counter(said["looked_at"]), size=said["size"]))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hands what was searched to the process that sums up, where that is another one."""
    search = session.config.stash.get(_TOTAL, None)
    if search and hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_SAID] = {"looked_at": dict(search.looked_at), "size": search.size}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says how much was searched."""
    if _TOTAL in config.stash:
        terminalreporter.write_line(f"canary: {config.stash[_TOTAL]}")
