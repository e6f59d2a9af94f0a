"""Passes over a list: whether something may have been missed, and whether it is worth while to read it again."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from notifier.core.appointment import Appointment
from notifier.core.slices import Slice
from notifier.engage.client import PageLook
from notifier.engage.remembered import Listed

PASSES = 3
"""How often a list is read that slips."""

MOST_PASSES = 6
"""How often it is read at most, while it is always as long and no two passes bring the same."""

FEW = 2
"""How often a list slips at most in a pass for another one to be likely to be whole."""


@dataclass
class Pass:
    """One pass over a list."""

    #: What the list said to hold, in its first and in its last answer.
    first_total: int | None = None
    total: int = 0
    #: All that it said.
    totals: set[int] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    #: Those of the first page.
    first: AbstractSet[str] = frozenset()
    #: Records without an id; they count towards the total all the same.
    nameless: int = 0
    rejected: int = 0
    pages: int = 0
    #: How many pages did not begin with the record that the page before ended with.
    slips: int = 0
    #: The slices to read instead; it was broken off for them.
    parts: tuple[Slice, ...] = ()
    #: One of those that were not as they were known.
    sample: Appointment | None = None
    #: The pages that were read without an oddity.
    clean: list[tuple[bytes, Listed]] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing can have been missed."""
        counted = not self.parts and len(self.ids) + self.nameless >= self.total
        return counted and (self.pages == 1 or (not self.slips and self.total == self.first_total))

    def add(self, look: PageLook) -> None:
        """Takes in what a page listed."""
        self.total = look.listed.total
        if self.first_total is None:
            self.first_total = self.total
        self.totals.add(self.total)
        self.pages += 1
        self.slips += not look.seamless
        self.ids.update(filter(None, look.listed.ids))
        if self.pages == 1:
            self.first = frozenset(self.ids)
        self.nameless += sum(one is None for one in look.listed.ids)


class Passes:
    """All passes over one list."""

    def __init__(self) -> None:
        self.count = 0
        self._last = Pass()
        #: What came in those before the last one.
        self._before: set[str] = set()
        #: What is known to be in the list still, since the last pass began.
        self._still: set[str] = set()
        self._totals: set[int] = set()
        #: Whether the last one brought something else than the one before.
        self._differ = True

    def add(self, seen: Pass) -> None:
        """Takes in a pass that came to its end."""
        self.count += 1
        self._differ = seen.ids != self._last.ids
        self._before |= self._last.ids
        self._still = set(seen.ids)
        self._totals |= seen.totals
        self._last = seen

    def confirm(self, ids: Iterable[str | None]) -> None:
        """Takes in what the list has when it is asked for some of it after the last pass."""
        self._still.update(filter(None, ids))

    @property
    def ids(self) -> AbstractSet[str]:
        """What came in any of them."""
        return self._before | self._last.ids

    @property
    def unsure(self) -> AbstractSet[str]:
        """What to ask the list for by itself: if all of it is there still, nothing can have been missed."""
        early = self._early
        enough = self.count > 1 and self._adds_up and len(early) >= self._last.total
        return early - self._still if enough and not self.whole else frozenset()

    @property
    def whole(self) -> bool:
        """Whether nothing can have been missed."""
        # What slipped from one pass may have come in another. But it counts only if it was in the list all at once:
        # one that makes place for another leaves the list as long as it was.
        together = self.count > 1 and self._adds_up and len(self._early & self._still) >= self._last.total
        return self._last.whole or together

    @property
    def hopeful(self) -> bool:
        """Whether another one may make them whole."""
        if self.count < PASSES:
            return self._steady or self._last.slips <= FEW
        return self.count < MOST_PASSES and self._steady and self._differ

    @property
    def _early(self) -> AbstractSet[str]:
        """What had come when the last pass began, which is when the list said last how long it was."""
        return self._before | self._last.first

    @property
    def _adds_up(self) -> bool:
        """Whether what came in several passes can be counted together."""
        return self._steady and not self._last.nameless

    @property
    def _steady(self) -> bool:
        """Whether the list was as long all the time."""
        return len(self._totals) == 1
