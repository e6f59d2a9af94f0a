"""The work of one rendering, counted: what a template makes the engine do is paid for, and ends with the money.

The fuel of the engine counts steps, not what a step costs. So whatever a template is given pays as it is looked at:
lists and groups when an item of theirs is read or they are compared, and texts when a filter takes or makes one or
they are shown. A text has a longest length, so that what can't be counted, like a slice of it, costs little at once.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

LONGEST_TEXT = 3000
"""Characters of a text in a template; no message shows more."""

WORK = 20_000
"""Units of work of one message; the default texts take about 200."""

CALL = 20
"""Units that the call of a filter takes, beside what it is given and makes."""

_CHARACTERS = 16
"""So many take one unit: to read or write them takes no longer than to look at one value of a list."""


class WorkUsedUp(Exception):  # noqa: N818 - the name says what is the matter
    """A template makes more work than a message may; the text says so."""


class Work:
    """What is left to be done for one message."""

    def __init__(self, units: int = WORK) -> None:
        self._units = units
        self._left = units

    @property
    def used(self) -> int:
        """How many units were spent."""
        return self._units - self._left

    @property
    def used_up(self) -> bool:
        """Whether more was asked for than there was."""
        return self._left < 0

    def renew(self) -> None:
        """Begins with another message."""
        self._left = self._units

    def spend(self, units: int) -> None:
        """Takes units away.

        Raises:
            WorkUsedUp: there are not so many, now or before.
        """
        self._left = min(self._left, self._left - units)
        if self._left < 0:
            raise WorkUsedUp(f"it makes more work than the {self._units} units that a message may")

    def weigh(self, value: object) -> None:
        """Spends what it takes to read the value; what is in watched lists and groups counts when it is looked at.

        Raises:
            WorkUsedUp: that is more than is left.
        """
        if isinstance(value, str):
            self.spend(1 + len(value) // _CHARACTERS)
            return
        waiting: list[Iterator[object]] = [iter((value,))]
        while waiting:
            for one in waiting[-1]:
                if isinstance(one, str):
                    self.spend(1 + len(one) // _CHARACTERS)
                elif isinstance(one, Items | Group):
                    self.spend(1 + one.size)
                else:
                    self.spend(1)
                    if isinstance(one, list | tuple | dict):
                        waiting.append(iter(one.values() if isinstance(one, dict) else one))
                        break
            else:
                waiting.pop()

    def watched(self, value: object) -> object:
        """Returns the value such that looking at it takes work: a text cut, a list or a group counting."""
        if isinstance(value, str):
            return value if len(value) <= LONGEST_TEXT else value[:LONGEST_TEXT]
        if isinstance(value, Items | Group):
            return value
        if isinstance(value, list | tuple):
            return Items(self, value)
        return Group(self, value) if isinstance(value, dict) else value

    def facts(self, facts: Mapping[str, object]) -> dict[str, object]:
        """Returns the variables of a template, watched."""
        return {name: self.watched(value) for name, value in facts.items()}


class Items(list[Any]):
    """A list that counts how often it is looked into, and lets out what is watched, too."""

    # The engine takes lists apart by their methods; what these raise it takes for "not there". So a list for which no
    # work is left is empty, too, for whatever goes on regardless; the end of it is that the message fails.

    __slots__ = ("_work",)

    __hash__ = None

    def __init__(self, work: Work, values: Iterable[Any]) -> None:
        super().__init__(values)
        self._work = work

    @property
    def size(self) -> int:
        """How many values it has, also when no work is left."""
        return super().__len__()

    def __len__(self) -> int:
        return 0 if self._work.used_up else super().__len__()

    def __getitem__(self, index: Any) -> Any:
        self._work.spend(1)
        return self._work.watched(super().__getitem__(index))

    def __iter__(self) -> Iterator[Any]:
        for value in super().__iter__():
            self._work.spend(1)
            yield self._work.watched(value)

    def __contains__(self, value: object) -> bool:
        self._work.weigh(self)
        return any(one == value for one in self)

    def __eq__(self, other: object) -> bool:
        self._work.weigh(list(super().__iter__()))
        return super().__eq__(other)

    def __lt__(self, other: Any) -> bool:
        self._work.weigh(list(super().__iter__()))
        return super().__lt__(other)


class Group(dict[str, Any]):
    """A group of named values that counts how often it is looked into, and lets out what is watched, too."""

    __slots__ = ("_work",)

    __hash__ = None

    def __init__(self, work: Work, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._work = work

    @property
    def size(self) -> int:
        """How many values it has."""
        return super().__len__()

    def __getitem__(self, name: str) -> Any:
        self._work.spend(1)
        return self._work.watched(super().__getitem__(name))

    def __iter__(self) -> Iterator[str]:
        for name in super().__iter__():
            self._work.spend(1)
            yield name

    def __eq__(self, other: object) -> bool:
        self._work.weigh(list(super().values()))
        return super().__eq__(other)
