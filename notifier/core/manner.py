"""The manner in which a source is polled: how much of it may change, and how much is asked for at once."""

from dataclasses import dataclass
from datetime import timedelta

from notifier.core.brake import Brake
from notifier.core.sweep import OVERLAP

FULL_BRAKE = Brake()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a source is polled."""

    brake: Brake = FULL_BRAKE
    #: How far before the watermark the window of a run begins.
    overlap: timedelta = OVERLAP
    #: How often everything is asked for; None where the source can't be asked for news alone.
    complete_every: timedelta | None = None


PLAIN = Manner()
