"""The steps between a page and the record of its messages, and how a daemon dies at one of them.

Nothing of this is in the daemon's own code. A process that is to die wraps the functions of the steps before it
starts, counts how often the wanted one was passed, and kills itself there. The labels are in the order of the steps;
those that only the other side of a socket can tell (`SEEN_FROM_OUTSIDE`) are seen to by whoever is at that side.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from threading import Lock
from typing import Any, Final, Literal

Moment = Literal["before", "after", "each"]
"""Before a function is called, after it has returned, or at each thing that it yields."""


def _anything(_: Any) -> bool:
    return True


def _planned(plan: Any) -> bool:
    return bool(plan.rows)


def _applied(applied: Any) -> bool:
    return bool(applied.events and applied.rows)


def _fired(applied: Any) -> bool:
    return bool(applied.events and not applied.rows)


def _tells_several(claimed: Any) -> bool:
    return claimed is not None and bool(claimed.members)


def _owes_several(owed: Any) -> bool:
    return owed is not None and _tells_several(owed.claimed)


def _overtaken(rechecked: Any) -> bool:
    return bool(rechecked.superseded)


@dataclass(frozen=True, slots=True)
class FaultPoint:
    """A place in the code at which a process may die."""

    #: The module and the name in it; where a function was imported by name, the module that calls it.
    place: str
    moment: Moment = "after"
    #: Whether what is returned, or yielded, counts; before a function was called this is not asked.
    counts: Callable[[Any], bool] = _anything


SEEN_FROM_OUTSIDE: Final = ("page asked for", "message out, not answered", "notice out, not answered")
"""The process dies while the other side has got all of a request and answered nothing."""

BEAT: Final = "heartbeat due"
"""Comes only while all sources answer."""

FAULT_POINTS: Final[Mapping[str, FaultPoint]] = {
    "former life taken up, not committed": FaultPoint("notifier.store.outbox:recover"),
    "former life taken up": FaultPoint("notifier.daemon:Daemon._recover"),
    "page fetched": FaultPoint("notifier.engage.client:EngageClient.pages", "each"),
    "slice planned": FaultPoint("notifier.planner:make_plan", counts=_planned),
    "slice written, not committed": FaultPoint("notifier.store.snapshot:apply", counts=_applied),
    "slice committed": FaultPoint("notifier.poller:Poller._commit"),
    "run judged": FaultPoint("notifier.poller:Poller._judge"),
    "run let go, not committed": FaultPoint("notifier.store.hold:settle", counts=bool),
    "run recorded, not committed": FaultPoint("notifier.store.sweeps:record"),
    "run committed": FaultPoint("notifier.poller:Poller._end"),
    "lanes woken": FaultPoint("notifier.daemon:Daemon._wake"),
    "overtaken ones noted, not committed": FaultPoint("notifier.store.gate:recheck_head", counts=_overtaken),
    "stay noted, not committed": FaultPoint("notifier.store.watches:put"),
    "stays written, not committed": FaultPoint("notifier.store.snapshot:apply", counts=_fired),
    "stays told": FaultPoint("notifier.timekeeper:Timekeeper.look", counts=bool),
    "too much put off, not committed": FaultPoint("notifier.store.outbox:hold_back", counts=bool),
    "message put together, not committed": FaultPoint("notifier.store.outbox:close", counts=_tells_several),
    "its parts joined, not committed": FaultPoint("notifier.store.bundles:join"),
    "its parts claimed, not committed": FaultPoint("notifier.store.bundles:start"),
    "its parts claimed again, not committed": FaultPoint("notifier.store.bundles:with_members", counts=_tells_several),
    "delivery claimed, not committed": FaultPoint("notifier.store.outbox:claim", counts=bool),
    "next one claimed, not committed": FaultPoint("notifier.store.outbox:claim_young", counts=bool),
    "delivery claimed": FaultPoint("notifier.sender:Sender._claim", counts=bool),
    "parts claimed": FaultPoint("notifier.sender:Sender._claim", counts=_owes_several),
    "message rendered": FaultPoint("notifier.core.message:Renderer.render"),
    "send begun": FaultPoint("notifier.channels.channel:Channel.send", "before"),
    "send answered": FaultPoint("notifier.sender:Sender._attempt"),
    "failure noted of a lane, not committed": FaultPoint("notifier.store.lanes:keep"),
    "its parts recorded, not committed": FaultPoint("notifier.store.outbox:_settle_members"),
    "text deleted, not committed": FaultPoint("notifier.store.texts:prune_one"),
    "outcome recorded, not committed": FaultPoint("notifier.store.outbox:record"),
    "outcome committed": FaultPoint("notifier.sender:Sender._record"),
    "notice owed, not committed": FaultPoint("notifier.store.notices:owe"),
    "notice owed": FaultPoint("notifier.operator:Operator.look", counts=bool),
    "notice claimed, not committed": FaultPoint("notifier.store.notices:claim", counts=bool),
    "notice claimed": FaultPoint("notifier.notice_sender:NoticeSender._claim", counts=bool),
    "notice answered": FaultPoint("notifier.notice_sender:NoticeSender._attempt"),
    "notice recorded, not committed": FaultPoint("notifier.store.notices:record"),
    "notice committed": FaultPoint("notifier.notice_sender:NoticeSender._record"),
    BEAT: FaultPoint("notifier.channels.heartbeat:Monitor.fetch", "before"),
}
"""The steps that the process itself can tell."""

LABELS: Final = (*SEEN_FROM_OUTSIDE, *FAULT_POINTS)

_RARELY: Final = ("notice", "former", "lane", "overtaken", "stay", "parts", "too much")
RARE: Final = frozenset(label for label in LABELS if any(word in label for word in _RARELY))
"""Labels that a life passes once or so."""


def die_at(label: str, passes: int) -> None:
    """Makes this process kill itself when it passes a fault point for the so-manieth time.

    Raises:
        AttributeError: there is no such place any more.
    """
    point = FAULT_POINTS[label]
    module, _, path = point.place.partition(":")
    owner: Any = import_module(module)
    *outer, name = path.split(".")
    for one in outer:
        owner = getattr(owner, one)
    setattr(owner, name, _wrapped(getattr(owner, name), point, _Countdown(passes)))


class _Countdown:
    """Kills the process when it was counted down; several threads may count."""

    def __init__(self, passes: int) -> None:
        self._left = passes
        self._lock = Lock()

    def __call__(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _wrapped(function: Callable[..., Any], point: FaultPoint, passed: Callable[[], None]) -> Callable[..., Any]:
    @wraps(function)
    def before(*args: Any, **options: Any) -> Any:
        passed()
        return function(*args, **options)

    @wraps(function)
    def after(*args: Any, **options: Any) -> Any:
        result = function(*args, **options)
        if point.counts(result):
            passed()
        return result

    @wraps(function)
    def each(*args: Any, **options: Any) -> Iterator[Any]:
        for one in function(*args, **options):
            if point.counts(one):
                passed()
            yield one

    return {"before": before, "after": after, "each": each}[point.moment]
