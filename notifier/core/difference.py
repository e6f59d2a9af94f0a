"""The difference between two runs over the same events: which messages are new, gone, moved or worded otherwise."""

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from notifier.core.told import Told


@dataclass(frozen=True, slots=True)
class Pair:
    """What both runs tell of the same events, each in its way."""

    before: Told
    after: Told

    @property
    def is_moved(self) -> bool:
        """Whether it goes to another channel, or at another time."""
        return (self.before.channel, self.before.at) != (self.after.channel, self.after.at)

    @property
    def is_reworded(self) -> bool:
        """Whether its words are others."""
        before, after = self.before, self.after
        return (before.title, before.body, before.failure) != (after.title, after.body, after.failure)


@dataclass(frozen=True, slots=True)
class Difference:
    """What two runs tell otherwise."""

    new: tuple[Told, ...]
    gone: tuple[Told, ...]
    #: To another channel or at another time, in whatever words.
    moved: tuple[Pair, ...]
    #: To the same channel at the same time.
    reworded: tuple[Pair, ...]
    #: How many are the same in both.
    same: int

    @property
    def is_empty(self) -> bool:
        """Whether both runs tell the same."""
        return not (self.new or self.gone or self.moved or self.reworded)


Key = Callable[[Told], Hashable]

# What goes together, the surest first: the rule may have another name, the channel may be another one.
_KEYS: tuple[Key, ...] = (
    lambda told: told,
    lambda told: (told.events, told.rule, told.channel, told.at),
    lambda told: (told.events, told.rule, told.channel),
    lambda told: (told.events, told.channel, told.at),
    lambda told: (told.events, told.channel),
    lambda told: (told.events, told.rule),
    lambda told: told.events,
)


def compare_runs(before: Sequence[Told], after: Sequence[Told]) -> Difference:
    """Returns what the second run tells otherwise than the first; each message counts once."""
    pairs: list[Pair] = []
    gone, new = list(before), list(after)
    for key in _KEYS:
        found, gone, new = _paired(gone, new, key)
        pairs += found
    pairs.sort(key=lambda pair: (pair.after.at, pair.after.channel))
    moved = tuple(pair for pair in pairs if pair.is_moved)
    reworded = tuple(pair for pair in pairs if pair.is_reworded and not pair.is_moved)
    return Difference(tuple(new), tuple(gone), moved, reworded, len(pairs) - len(moved) - len(reworded))


def _paired(gone: Sequence[Told], new: Sequence[Told], key: Key) -> tuple[list[Pair], list[Told], list[Told]]:
    """Returns those that have the same key, one of each side at a time, and what is left of both sides."""
    waiting: dict[Hashable, deque[Told]] = defaultdict(deque)
    for one in gone:
        waiting[key(one)].append(one)
    pairs: list[Pair] = []
    left: list[Told] = []
    for one in new:
        if same := waiting.get(key(one)):
            pairs.append(Pair(same.popleft(), one))
        else:
            left.append(one)
    unpaired = {id(one) for others in waiting.values() for one in others}
    return pairs, [one for one in gone if id(one) in unpaired], left
