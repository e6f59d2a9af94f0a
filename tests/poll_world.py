"""An enterprise with a truth, a simulator over it, and a poll line that may be started anew at any time.

While a sweep is polled, things may happen before each of its requests is answered, another sweep's poll among them.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, cast
from unittest.mock import patch

import httpx
import stamina
from pydantic import SecretStr

from notifier import reading
from notifier.core.brake import Brake
from notifier.core.manner import Manner
from notifier.core.sweep import Sweep
from notifier.engage import client as client_line
from notifier.engage.budget import Budget
from notifier.engage.client import Endpoint, EngageClient
from notifier.engage.simulated.exchange import Reply, SeenRequest
from notifier.engage.simulated.faults import FaultKind, Faults
from notifier.engage.simulated.quota import Limits
from notifier.engage.simulator import Simulator
from notifier.engage.token import FixedToken
from notifier.poller import REFUSED_PAUSE, Poller
from notifier.store.database import open_store
from tests.auditor import Audit, Auditor
from tests.builders import rule
from tests.direct_wire import ADDRESS, direct_wire
from tests.doings import DAY, MINUTE, Doing, do
from tests.simulated import NO_TLS, HandClock
from tests.truth import Truth

NEAR = Sweep(name="near", every=MINUTE, begin=-DAY, end=7 * DAY, filters={})
FAR = Sweep(name="far", every=5 * MINUTE, begin=7 * DAY, end=30 * DAY, filters={})
OFFICE = Sweep(name="office", every=MINUTE, begin=-DAY, end=14 * DAY, filters={"office": ("11",)})
ENDED = Sweep(name="ended", every=MINUTE, begin=timedelta(0), end=7 * DAY, filters={"status": ("CANCELLED", "NO_SHOW")})
WIDE = Sweep(name="wide", every=5 * MINUTE, begin=-2 * DAY, end=20 * DAY, filters={})
UNDATED = Sweep(name="undated", every=MINUTE, filters={"status": ("OUTGOING_INVITE",)})
OPEN = Sweep(name="open", every=MINUTE, begin=timedelta(0), filters={})
EVERYTHING = Sweep(name="everything", every=MINUTE, filters={})

SWEEPS = {one.name: one for one in (NEAR, FAR, OFFICE, ENDED, WIDE, UNDATED, OPEN, EVERYTHING)}

HONEST_FAULTS = tuple(
    kind
    for kind in FaultKind
    if kind
    not in {
        # These make rows look changed: to whom can't know better they are changed.
        FaultKind.NULLS,
        FaultKind.NUMBERS_AS_TEXT,
        FaultKind.TEXT_AS_NUMBERS,
        FaultKind.NEW_WORDS,
        FaultKind.NEW_IDS,
        # A fixed token is neither granted nor renewed.
        FaultKind.EXPIRED_TOKEN,
        FaultKind.TOKEN_DOWN,
    }
)
"""Faults that a client can know for what they are."""


@dataclass(frozen=True, slots=True)
class Overtaking:
    """After a page was made and before it arrives, something happens and another sweep finds it."""

    doing: Doing
    sweep: str


@dataclass(frozen=True, slots=True)
class Interruption:
    """Something that happens during a poll, before its request of this number is answered."""

    request: int
    #: Somebody does something, the request fails, time passes, or another sweep overtakes.
    what: Doing | FaultKind | timedelta | Overtaking


class World:
    """All of it; to be closed."""

    def __init__(
        self,
        *,
        page_size: int = 5,
        slice_rows: int = 5000,
        over_sockets: bool = False,
        concurrency: int = 1,
        skew: timedelta = timedelta(0),
        brake: Brake | None = None,
        **switches: Any,
    ) -> None:
        self.clock = HandClock()
        self._skew = skew
        self._manner = Manner(brake=brake or Brake())
        self._page_size = page_size
        self._concurrency = concurrency
        self._interruptions: list[Interruption] = []
        self._requests = 0
        self._depth = 0
        self._others: list[Audit] = []
        #: How many ids were asked for by themselves.
        self.enquired = 0
        self.truth = Truth(self.source_clock)
        self._closing = ExitStack()
        folder = Path(self._closing.enter_context(TemporaryDirectory()))
        self.simulator = Simulator(
            enterprise=self.truth,
            clock=self.source_clock,
            limits=Limits(per_minute=None, at_once=None),
            faults=Faults(hold=timedelta(milliseconds=1), retry_after=timedelta(0)),
            script=self._script,
            **switches,
        )
        if over_sockets:
            self._closing.enter_context(self.simulator)
            self._closing.enter_context(patch.object(client_line, "http_client", _over_a_socket))
        else:
            self._closing.enter_context(direct_wire(self.simulator, self.source_clock))
        self._address = self.simulator.base_url if over_sockets else ADDRESS
        self._closing.enter_context(stamina.set_testing(True, attempts=2))
        self._closing.enter_context(patch.object(reading, "SLICE_ROWS", slice_rows))
        self._closing.enter_context(patch.object(client_line, "PAGE_SIZES", (5, 3, 2)))
        path = folder / "notifier.db"
        path.write_bytes(_fresh_store())
        self.store = self._closing.enter_context(open_store(path, synchronous="normal"))
        self.auditor = Auditor(self.truth, self.store, self.clock, self.source_clock)
        self._running = ExitStack()
        self.restart()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives everything up."""
        self._running.close()
        self._closing.close()

    def source_clock(self) -> datetime:
        """What time it is where the appointments are kept."""
        return self.clock() + self._skew

    def restart(self) -> None:
        """Starts the poll line anew on what it stored."""
        self._running.close()
        clients = [self._running.enter_context(self._client()) for _ in range(2)]
        turns = cast("EngageClient", _Turns(clients, lambda: min(self._depth, 1)))
        self.poller = Poller("acme", turns, self.store, (rule(),), self.clock, self._manner)

    def _client(self) -> EngageClient:
        stopping = threading.Event()
        endpoint = Endpoint(self._address, "acme", "en", timedelta(seconds=5), timedelta(seconds=5), self._page_size)
        budget = Budget(10**6, self._concurrency, stopping)
        token = FixedToken(SecretStr(self.simulator.token))
        return EngageClient(endpoint, token, budget, self.clock, stopping)

    def poll(self, name: str, interruptions: Iterable[Interruption] = ()) -> Audit:
        """Polls a sweep while these things happen; what other sweeps break meanwhile is told with it."""
        self._interruptions = sorted(interruptions, key=lambda one: one.request)
        self._requests, self._others = 0, []
        audit = self.auditor.poll(self.poller, SWEEPS[name])
        self._interruptions = []
        self.clock.advance(seconds=1)
        return replace(audit, breaches=[breach for one in (*self._others, audit) for breach in one.breaches])

    def tend(self, names: Iterable[str]) -> Audit:
        """Tends what is in none of these sweeps."""
        done = self.auditor.tend(self.poller, [SWEEPS[name] for name in names])
        self.clock.advance(seconds=1)
        return done

    def calm(self) -> None:
        """Ends all troubles: the list keeps still, and who was refused may ask again."""
        self.simulator.order = "insertion"
        self.simulator.page_cap = None
        self.clock.advance(seconds=REFUSED_PAUSE.total_seconds())

    def _script(self, request: SeenRequest) -> Reply | FaultKind | None:
        """Does what is due before this request; no two requests are answered at the same moment."""
        self.clock.advance(milliseconds=1)
        self.enquired += sum(name == "id[]" for name, _ in request.parameters)
        if self._depth:
            return None
        self._requests += 1
        # While later pages are asked for, the poll line has other things in hand: only a first one can be overtaken.
        first = dict(request.parameters).get("offset") == "0"
        for one in self._due(overtaken=first):
            if isinstance(one, FaultKind):
                return one
            if isinstance(one, Overtaking):
                return self._overtake(request, one)
            if isinstance(one, Doing):
                do(self.truth, self.source_clock(), one)
            else:
                self.clock.now += one
        return None

    def _due(self, *, overtaken: bool) -> Iterator[Doing | FaultKind | timedelta | Overtaking]:
        for one in tuple(self._interruptions):
            if one.request <= self._requests and (overtaken or not isinstance(one.what, Overtaking)):
                self._interruptions.remove(one)
                yield one.what

    def _overtake(self, request: SeenRequest, overtaking: Overtaking) -> Reply:
        stale = self.simulator._route(request)
        do(self.truth, self.source_clock(), overtaking.doing)
        self.clock.advance(milliseconds=1)
        self._depth += 1
        try:
            self._others.append(self.auditor.poll(self.poller, SWEEPS[overtaking.sweep]))
        finally:
            self._depth -= 1
        return stale


class _Turns:
    """Two clients in one: a sweep that is polled during another must not wait for the other's turn to end."""

    def __init__(self, clients: Sequence[EngageClient], turn: Callable[[], int]) -> None:
        self.__dict__.update(clients=clients, turn=turn)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["clients"][self.__dict__["turn"]()], name)

    def __setattr__(self, name: str, value: Any) -> None:
        for one in self.__dict__["clients"]:
            setattr(one, name, value)


def _over_a_socket(timeout: timedelta, connections: int) -> httpx.Client:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx.Client(timeout=timeout.total_seconds(), limits=limits, follow_redirects=False, verify=NO_TLS)


@cache
def _fresh_store() -> bytes:
    """Returns the bytes of a store in which nothing has happened yet, since making one takes a while."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "fresh.db"
        open_store(path).close()
        return path.read_bytes()
