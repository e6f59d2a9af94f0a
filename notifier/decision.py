"""A person's decision about a sweep that the brake doubts, and what to say about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from notifier.config.settings import Settings
from notifier.core.brake import Decision
from notifier.poller import STRAYS
from notifier.store import hold
from notifier.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision came to."""

    sweep: str
    decision: Decision
    #: Channel to number of deliveries that it ended the wait of.
    deliveries: Mapping[str, int]
    #: Whether the sweep is configured, so that there is a next reading of it.
    configured: bool


def decidable(tx: Transaction, settings: Settings) -> list[str]:
    """Returns the sweeps that may be decided about, as `acme/near`: all, and those of which something is held yet."""
    return sorted({*_configured(settings), *("/".join(names) for names in hold.braked(tx))})


def decide(tx: Transaction, settings: Settings, sweep: str, decision: Decision, now: datetime) -> Decided:
    """Ends the wait of what the brake holds of the sweep, and tells its next reading what to make of what it misses."""
    source, _, name = sweep.partition("/")
    decided = Decided(sweep, decision, hold.waiting(tx, source, name), sweep in _configured(settings))
    end = hold.release if decision is Decision.RELEASED else hold.discard
    end(tx, source, name, now)
    if not decided.configured:
        # It is not to be found by a reading years later, when somebody configures the sweep again.
        hold.end_decision(tx, source, name)
    return decided


def show_decided(decided: Decided) -> str:
    """Returns what a decision came to, in whole sentences."""
    released, name = decided.decision is Decision.RELEASED, decided.sweep
    number = sum(decided.deliveries.values())
    if not number:
        said = f"The brake held nothing of {name}."
    else:
        messages = "1 delivery" if number == 1 else f"{number} deliveries"
        channels = ", ".join(f"{count} to {channel}" for channel, count in decided.deliveries.items())
        said = f"{'Released' if released else 'Discarded'} {messages} of {name}: {channels}."
    if not decided.configured:
        return f"{said}\n{name} is not configured any more, so that nothing else follows."
    if released:
        return f"{said}\nIts next reading is believed: what that misses has vanished, unless its id is found."
    return f"{said}\nIf its next reading misses suspiciously much again, that is forgotten in silence."


def _configured(settings: Settings) -> set[str]:
    return {f"{name}/{sweep.name}" for name, source in settings.sources.items() for sweep in (*source.sweeps, STRAYS)}
