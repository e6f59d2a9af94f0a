"""Expectations: the messages that a case of a test names, compared with those that came, and nothing else.

An expectation names what matters of a message. Which of the messages meets which of the expectations is decided so that
as many as possible are met, whatever their order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from notifier.core.told import Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A message that must come; what is None may be anything."""

    channel: str
    at: datetime | None = None
    rule: str | None = None
    title: str | None = None
    body: str | None = None
    #: Each must stand in the title or the body.
    parts: tuple[str, ...] = ()
    #: Where it stands in its file.
    line: int = 1


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing of a message that is not as expected."""

    #: As `title`.
    what: str
    expected: str
    #: None for a part that is not there.
    got: str | None


@dataclass(frozen=True, slots=True)
class Missing:
    """An expectation that no message meets, with the message that comes nearest to it."""

    expected: Expected
    nearest: Told | None
    mismatches: tuple[Mismatch, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between what was expected and what came."""

    missing: tuple[Missing, ...] = ()
    #: Neither expected nor the nearest to something that was.
    unexpected: tuple[Told, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all came that was expected, and nothing else."""
        return not self.missing and not self.unexpected


def compare_told(expected: Sequence[Expected], told: Sequence[Told]) -> Comparison:
    """Returns which expectations are not met, and which messages nobody expected."""
    takers = _matched(expected, told)
    left = [one for number, one in enumerate(told) if number not in takers]
    missing: list[Missing] = []
    for number, one in enumerate(expected):
        if number not in takers.values():
            nearest = min(
                (other for other in left if other.channel == one.channel), key=partial(_distance, one), default=None
            )
            if nearest is not None:
                left.remove(nearest)
            missing.append(Missing(one, nearest, tuple(mismatches(one, nearest)) if nearest else ()))
    return Comparison(tuple(missing), tuple(left))


def mismatches(expected: Expected, told: Told) -> Iterator[Mismatch]:
    """Yields what of a message is not as expected; nothing for one that meets the expectation."""
    if told.failure:
        yield Mismatch("template", "a message", told.failure)
    if expected.channel != told.channel:
        yield Mismatch("channel", expected.channel, told.channel)
    if expected.at is not None and expected.at != told.at:
        yield Mismatch("at", expected.at.isoformat(), told.at.isoformat())
    for what in ("rule", "title", "body"):
        wanted, got = getattr(expected, what), getattr(told, what)
        if wanted is not None and wanted.strip() != got.strip():
            yield Mismatch(what, wanted, got)
    for part in expected.parts:
        if part not in told.title and part not in told.body:
            yield Mismatch("text", part, None)


def _matched(expected: Sequence[Expected], told: Sequence[Told]) -> dict[int, int]:
    """Returns which message meets which expectation: as many as can be, by augmenting paths."""
    meets = [[number for number, one in enumerate(told) if not any(mismatches(wanted, one))] for wanted in expected]
    taken: dict[int, int] = {}

    def place(wanted: int, tried: set[int]) -> bool:
        for number in meets[wanted]:
            if number not in tried:
                tried.add(number)
                if number not in taken or place(taken[number], tried):
                    taken[number] = wanted
                    return True
        return False

    for wanted in range(len(expected)):
        place(wanted, set())
    return taken


def _distance(expected: Expected, told: Told) -> int:
    """Returns how much of a message is not as expected."""
    return sum(1 for _ in mismatches(expected, told))
