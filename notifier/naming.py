"""Naming: asks the sources what they call their offices, subjects and employees, beside the two lines.

Nothing waits for it: a message that goes out before a name is known has the id. All that it asks comes after all other
requests to the same address, a page of names at a time.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from notifier.clock import Clock
from notifier.core.called import NAMELESS, Key, askings
from notifier.core.directory import Directory
from notifier.core.sweep import SweepRun
from notifier.engage.answer import NotGiven
from notifier.engage.client import EngageClient
from notifier.errors import SourceError
from notifier.store import names
from notifier.store.database import Store, Transaction

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = timedelta(minutes=1)
"""How often is looked for what has no name yet among what happened lately."""

FULL_EVERY: Final = timedelta(hours=1)
"""How often all of the snapshot is gone through, for new names and for those that nobody needs any more."""

GROWN_EVERY: Final = timedelta(minutes=10)
"""How often it is while polls store much at first sight: it costs about a second per 100,000 appointments."""

PAUSE: Final = timedelta(minutes=10)
"""How long nobody asks again for a kind for which no answer came."""

MOST = 40
"""Requests of one look: those of a look that finds thousands go on with the next ones."""

Tell = Callable[[Mapping[str, Directory]], None]
"""Takes the directory of each source."""


@dataclass(slots=True)
class _Progress:
    """How far the naming of one source is."""

    #: When the snapshot was last gone through; None before.
    full_at: datetime | None = None
    #: Whether anybody was found in it.
    found: bool = False
    #: The newest event that was looked at.
    seen: int = 0
    #: What is still to be asked for.
    left: frozenset[Key] = frozenset()
    #: When there was no answer, by kind.
    paused_at: dict[str, datetime] = field(default_factory=dict)

    def is_due(self, now: datetime, *, grown: bool) -> bool:
        """Whether the snapshot is to be gone through: at once when a first fill begins."""
        if self.full_at is None or (grown and not self.found):
            return True
        return not timedelta(0) <= now - self.full_at < (GROWN_EVERY if grown else FULL_EVERY)

    def ready(self, now: datetime) -> frozenset[Key]:
        """Returns what is left of the kinds that may be asked for now."""
        paused = {kind for kind, at in self.paused_at.items() if timedelta(0) <= now - at < PAUSE}
        return frozenset(key for key in self.left if key[0] not in paused)


class Naming:
    """Looks up names for all sources that are to be asked; used by one thread at a time."""

    def __init__(
        self,
        store: Store,
        clients: Mapping[str, EngageClient],
        kinds: Mapping[str, Collection[str]],
        directory: Directory,
        clock: Clock,
        tell: Tell,
    ) -> None:
        """`kinds` says for each source what it is asked for; `directory` is the team's, which goes before all."""
        self._store = store
        self._clients = clients
        self._kinds = {source: wanted for source, wanted in kinds.items() if wanted}
        self._directory = directory
        self._clock = clock
        self._tell = tell
        self._progress = {source: _Progress() for source in self._kinds}
        #: Sources of which much came in silence since their snapshot was gone through.
        self._grown: set[str] = set()

    @property
    def is_asked(self) -> bool:
        """Whether any source is to be asked."""
        return bool(self._kinds)

    def enrol(self, tx: Transaction) -> None:
        """Forgets the names that are not asked for any more, and tells the others."""
        names.keep_only(tx, self._kinds)
        self._tell(directories(tx, self._kinds, self._directory))

    def heard(self, run: SweepRun) -> None:
        """Hears what came of a poll, from any thread: what it stored at first sight made no event to go by."""
        if run.baseline:
            self._grown.add(run.source)

    def look(self) -> None:
        """Asks for what has no name, and tells what came of it.

        Raises:
            StoreError: the store can't be used.
            Stopping: the process is stopping.
        """
        asked = [self._look(source) for source in self._kinds]
        if any(asked):
            with self._store.reading() as tx:
                found = directories(tx, self._kinds, self._directory)
            self._tell(found)

    def _look(self, source: str) -> bool:
        """Asks one source; returns whether anything was put on record."""
        progress, now = self._progress[source], self._clock()
        changed = self._gather(source, progress, now)
        ready = progress.ready(now)
        if not ready:
            return changed
        with self._store.reading() as tx:
            known, refusals = names.known(tx, source), names.refusals(tx, source)
        asked = askings(ready, known, refusals, now)
        done, failed = self._ask(source, asked[:MOST])
        progress.paused_at |= dict.fromkeys(failed, self._clock())
        later = [*asked[MOST:], *(one for one in asked[:MOST] if one[0] in failed)]
        progress.left = (progress.left - ready) | {(kind, id_) for kind, batch in later for id_ in batch}
        return changed or done > 0

    def _gather(self, source: str, progress: _Progress, now: datetime) -> bool:
        """Adds to what is left what has come since; returns whether names were forgotten that nobody needs."""
        if progress.is_due(now, grown=source in self._grown):
            self._gather_all(source, progress, now)
            return True
        with self._store.reading() as tx:
            lately, progress.seen = names.lately(tx, source, self._kinds[source], progress.seen)
        progress.left |= lately
        return False

    def _gather_all(self, source: str, progress: _Progress, now: datetime) -> None:
        kinds = self._kinds[source]
        self._grown.discard(source)
        with self._store.reading() as tx:
            progress.seen = names.newest_event(tx)
            needed = names.waiting(tx, source, kinds)
            needed |= {(kind, id_) for kind in kinds for id_ in names.mentioned(tx, source, kind)}
        with self._store.writing() as tx:
            for kind in kinds:
                names.forget(tx, source, kind, {id_ for of, id_ in needed if of == kind})
        progress.left |= needed
        progress.full_at, progress.found = now, bool(needed)

    def _ask(self, source: str, askings: Sequence[tuple[str, Sequence[str]]]) -> tuple[int, frozenset[str]]:
        """Asks for one batch after the other; returns how many were answered, and the kinds for which one was not.

        A kind that fails or is refused keeps no other waiting.
        """
        done, refused, failed = 0, set[str](), set[str]()
        for kind, batch in askings:
            if kind in refused | failed:
                continue
            try:
                said = self._clients[source].names(kind, batch)
            except NotGiven as error:
                refused.add(kind)
                self._refused(source, kind, str(error))
            except SourceError as error:
                failed.add(kind)
                log.info("names_unavailable", source=source, kind=kind, error=str(error))
            else:
                with self._store.writing() as tx:
                    names.put(tx, source, kind, {id_: said.get(id_, NAMELESS) for id_ in batch}, self._clock())
                done += 1
        return done, frozenset(failed)

    def _refused(self, source: str, kind: str, why: str) -> None:
        log.info("names_refused", source=source, kind=kind, error=why)
        with self._store.writing() as tx:
            names.refuse(tx, source, kind, why, self._clock())


def directories(tx: Transaction, kinds: Mapping[str, Collection[str]], directory: Directory) -> dict[str, Directory]:
    """Returns what is called how at each of these sources, where the team's directory says nothing."""
    found = {source: names.known(tx, source) for source in kinds}
    return {
        source: directory.with_names({key: one.called for key, one in known.items() if one.called != NAMELESS})
        for source, known in found.items()
    }
