"""Pages that came before, by the hash of their bytes: what is byte for byte the same need not be read again.

A page is remembered only where the snapshot was as the page says when it was kept, and only for as long as nothing on
it is written since: another sweep may have stored a later state that the source has taken back meanwhile. All of it
is a shortcut; a process that starts anew reads every page in full once.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

SEPARATOR = "\0"
"""Between the ids of a page, which are kept as one text: a tenth of the memory of many."""

NO_WRITES: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Listed:
    """What a page listed."""

    #: In the order of the page; None for a record without one.
    ids: tuple[str | None, ...]
    #: How many appointments the whole list holds.
    total: int
    #: How many the source gives at once, as it says.
    limit: int


Recall = Callable[[bytes], Listed | None]
"""Returns what a page with this hash listed, if it need not be read again."""


def nothing(_: bytes) -> Listed | None:
    """Recalls no page, so that all are read in full."""
    return None


@dataclass(frozen=True, slots=True)
class _Kept:
    ids: str
    total: int
    limit: int
    #: How many writes there had been.
    after: int


class PageMemory:
    """The pages of one source's lists; shared by its sweeps, which may run at once."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._writes = 0
        #: Ids of known appointments that were written, and the number of the last write of each.
        self._written: dict[str, int] = {}
        self._lists: dict[str, Mapping[bytes, _Kept]] = {}

    def begin(self, name: str) -> "Recollection":
        """Begins to read the list of this name."""
        with self._turn:
            return Recollection(self, name, self._lists.get(name, {}))

    def wrote(self, ids: Collection[str]) -> int:
        """Notes that the snapshot holds something else of these from now on; returns the number of the write."""
        with self._turn:
            self._writes += 1
            self._written.update(dict.fromkeys(ids, self._writes))
            return self._writes

    def writes(self) -> int:
        """Returns how many writes there were."""
        with self._turn:
            return self._writes

    def untouched(self, ids: Collection[str | None], after: int, own: Mapping[str, int] = NO_WRITES) -> bool:
        """Whether none of these was written since, but for the writes in `own`."""
        with self._turn:
            found = self._written.keys() & ids
            return all(self._written[one] <= after or self._written[one] == own.get(one) for one in found)

    def keep(self, name: str, pages: Mapping[bytes, _Kept]) -> None:
        """Takes these pages for what the list has; forgets what it had before."""
        with self._turn:
            self._lists[name] = pages
            every = (page.after for pages in self._lists.values() for page in pages.values())
            oldest = min(every, default=self._writes)
            self._written = {one: number for one, number in self._written.items() if number > oldest}


class Recollection:
    """One reading of a list: which of its pages came before, and which are to be remembered."""

    def __init__(self, memory: PageMemory, name: str, before: Mapping[bytes, _Kept]) -> None:
        self._memory = memory
        self._name = name
        self._before = before
        self._pages: dict[bytes, _Kept] = {}

    def recall(self, digest: bytes) -> Listed | None:
        """Returns what a page with this hash listed; None where it has to be read."""
        kept = self._before.get(digest)
        if kept is None:
            return None
        ids = tuple(kept.ids.split(SEPARATOR))
        if not self._memory.untouched(ids, kept.after):
            return None
        self._pages[digest] = kept
        return Listed(ids, kept.total, kept.limit)

    def keep(self, pages: Iterable[tuple[bytes, Listed]], after: int, own: Mapping[str, int]) -> None:
        """Remembers pages of a slice that the snapshot agrees with.

        Args:
            pages: hashes and what the pages listed.
            after: how many writes there had been when what is known of the slice was looked up.
            own: what the reading itself wrote of the slice since, with the numbers of the writes.
        """
        now = self._memory.writes()
        for digest, listed in pages:
            ids = [one for one in listed.ids if one and SEPARATOR not in one]
            whole = ids and len(ids) == len(listed.ids)
            if whole and digest not in self._pages and self._memory.untouched(ids, after, own):
                self._pages[digest] = _Kept(SEPARATOR.join(ids), listed.total, listed.limit, now)

    def writes(self) -> int:
        """Returns how often the snapshot was written so far."""
        return self._memory.writes()

    def end(self) -> None:
        """Ends the reading: the next one recalls what came or was recalled in this one."""
        self._memory.keep(self._name, self._pages)
