"""Strays: appointments that we know and that lie in none of a source's sweeps any more.

One was moved beyond every span, or to an office that nobody asks for. Nothing lists it, so nothing would notice its
changes: while its start is ahead it is asked for by its id, once in a while. When it is past, nobody waits for it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from notifier.core.appointment import ENDINGS

ASK_EVERY = timedelta(days=1)
"""How often a stray is asked for."""

KEEP_UNDATED = timedelta(days=30)
"""How long after its last change an undated stray is kept that has come to an end."""


class Fate(StrEnum):
    """What is done about a stray."""

    #: Taken out of the snapshot, in silence.
    LET_GO = "let_go"
    #: Asked for by its id.
    ASK = "ask"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Stray:
    """What the snapshot has of an appointment in no sweep, as far as its fate depends on it."""

    status: str
    start: datetime | None
    updated_at: datetime
    #: When it was last asked for by its id.
    asked_at: datetime | None
    vanished: bool


def fate(stray: Stray, now: datetime) -> Fate:
    """Decides what is done about a stray."""
    if stray.start is not None and stray.start < now:
        return Fate.LET_GO
    quiet = now - stray.updated_at > KEEP_UNDATED
    if stray.start is None and quiet and (stray.vanished or stray.status in ENDINGS):
        return Fate.LET_GO
    if stray.vanished:
        return Fate.LEAVE
    # A clock that was set back is no reason to wait.
    lately = stray.asked_at is not None and timedelta(0) <= now - stray.asked_at < ASK_EVERY
    return Fate.LEAVE if lately else Fate.ASK
