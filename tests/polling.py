"""What the tests of the poll line share: a client and a poller on a simulated enterprise, with a clock set by hand."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from notifier.core.event import Event
from notifier.core.rule import Rule
from notifier.core.sweep import Sweep
from notifier.engage.budget import Budget
from notifier.engage.client import Endpoint, EngageClient
from notifier.engage.simulator import Simulator
from notifier.engage.token import FixedToken, TokenSource
from notifier.poller import Poller
from notifier.store import history
from notifier.store.database import Store, open_store

Clock = Callable[[], datetime]

DATED = Sweep(name="dated", every=timedelta(minutes=1), begin=timedelta(days=-14), end=timedelta(days=90), filters={})
ALL = Sweep(name="all", every=timedelta(minutes=1), filters={})
UNDATED = Sweep(name="undated", every=timedelta(minutes=5), filters={"status": ("OUTGOING_INVITE",)})


@contextmanager
def client_on(
    simulator: Simulator,
    clock: Clock,
    *,
    token: TokenSource | None = None,
    concurrency: int = 2,
    requests_per_minute: int = 10**6,
    **changes: Any,
) -> Iterator[EngageClient]:
    """Gives a client of the simulator; `changes` are those of its endpoint."""
    endpoint = Endpoint(
        base_url=simulator.base_url,
        enterprise="acme",
        accept_language="nl, *;q=0.5",
        timeout=timedelta(seconds=5),
        deadline=timedelta(seconds=5),
        page_size=100,
    )
    stopping = threading.Event()
    budget = Budget(requests_per_minute, concurrency, stopping)
    source = token or FixedToken(SecretStr(simulator.token))
    with EngageClient(replace(endpoint, **changes), source, budget, clock, stopping) as client:
        yield client


@contextmanager
def polling(
    folder: Path, simulator: Simulator, clock: Clock, rules: Sequence[Rule] = (), **changes: Any
) -> Iterator[tuple[Poller, Store]]:
    """Gives a poller of the simulated enterprise and its store; entered again on one folder, it is a restart."""
    with (
        open_store(folder / "notifier.db", synchronous="normal") as store,
        client_on(simulator, clock, **changes) as client,
    ):
        yield Poller("acme", client, store, rules, clock), store


def events_in(store: Store) -> list[Event]:
    """Returns all events on record, oldest first."""
    with store.reading() as tx:
        return [record.event for record in reversed(history.events(tx, 1000))]
