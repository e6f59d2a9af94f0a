"""What a source calls its offices, subjects and employees, and when it is asked for that."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from notifier.core.absence import batches, fits

AGE: Final = timedelta(days=7)
"""After so long a name is asked for again: people marry, and branches move."""

MISSING_AGE: Final = timedelta(days=1)
"""After so long what had no name is asked for again, and a source that refused to tell."""

AT_ONCE: Final = 25
"""How many are asked for at once: as many as the source gives on a page that nobody asked to be larger."""


@dataclass(frozen=True, slots=True)
class Called:
    """What the source said of one of them."""

    #: Empty where it has no name, or there is no such one.
    name: str = ""
    #: Of an office: its time zone; empty where the source does not tell one that we know.
    zone: str = ""


NAMELESS: Final = Called()


def zone_called(key: str) -> ZoneInfo | None:
    """Returns the time zone of a name; None where there is none here: others may know newer ones."""
    try:
        return ZoneInfo(key) if key else None
    except (ValueError, OSError, LookupError):
        return None


Key = tuple[str, str]
"""Kind and id."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a source said when it was asked for a name."""

    called: Called
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """A source that would not say what it calls a kind of them."""

    refused_at: datetime
    #: For people.
    why: str


def askings(
    wanted: Collection[Key], known: Mapping[Key, Answered], refusals: Mapping[str, Refusal], now: datetime
) -> list[tuple[str, tuple[str, ...]]]:
    """Returns what to ask for of what is wanted, in batches of a kind: what is not known, or was for too long.

    The kind of which there are fewest comes first: offices do not wait for thousands of people. An id for which no
    address has room is never asked for.
    """
    refused = {kind for kind, one in refusals.items() if _is_young(one.refused_at, MISSING_AGE, now)}
    old: dict[str, list[str]] = {}
    for kind, id_ in wanted:
        if kind not in refused and fits(id_) and not _is_fresh(known.get((kind, id_)), now):
            old.setdefault(kind, []).append(id_)
    few_first = sorted(old.items(), key=lambda of: (len(of[1]), of[0]))
    return [(kind, batch) for kind, ids in few_first for batch in batches(ids, AT_ONCE)]


def _is_fresh(answered: Answered | None, now: datetime) -> bool:
    return answered is not None and _is_young(answered.asked_at, AGE if answered.called.name else MISSING_AGE, now)


def _is_young(moment: datetime, age: timedelta, now: datetime) -> bool:
    # What lies in the future was written by a clock that was set back since.
    return timedelta(0) <= now - moment < age
