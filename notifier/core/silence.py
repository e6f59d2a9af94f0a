"""Silences: what nobody is to hear of for a while, because a person said so and why.

What a silence swallows becomes a delivery all the same, which is settled at once: so that it is on record, counted and
listed. The word is Alertmanager's; unlike there, one says itself what it swallowed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from notifier.core.duration import say_duration
from notifier.core.event import Event
from notifier.core.rule import ID_FIELDS, WORD_FIELDS, values_of
from notifier.core.trouble import Finding, Trouble, TroubleKind

KEYS: Final = ("appointment", "channel", "kind", "source", "status", *ID_FIELDS, *WORD_FIELDS)
"""What a silence may look at; the fields of an appointment as they are after the change."""

LONG = timedelta(days=1)
"""Of the end of a silence that lasts longer than this the operator hears before."""

WARNING = timedelta(hours=1)
"""So long before it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """What is not told, until when, and who said so."""

    id: int
    #: Names of rules; none means every one.
    rules: tuple[str, ...] = ()
    #: Each key with its values; all keys must hold, any of the values will do.
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    author: str
    why: str
    began_at: datetime
    until: datetime
    #: When a person ended it before its time, and who; None where nobody did.
    ended_at: datetime | None = None
    ended_by: str | None = None

    def holds_at(self, moment: datetime) -> bool:
        """Whether it lasts at this moment."""
        return self.ended_at is None and moment < self.until


def swallows(silence: Silence, rule: str, channel: str, event: Event) -> bool:
    """Says whether a silence is about what a rule would tell a channel of an event."""
    if silence.rules and rule not in silence.rules:
        return False
    return all(not set(wanted).isdisjoint(_values(key, channel, event)) for key, wanted in silence.where)


def silence_of(silences: Iterable[Silence], rule: str, channel: str, event: Event, now: datetime) -> Silence | None:
    """Returns the first silence that lasts and is about it; None for none."""
    return next((one for one in silences if one.holds_at(now) and swallows(one, rule, channel, event)), None)


def say_what(silence: Silence) -> str:
    """Returns what a silence is about, as in `rule late, office 12 or 13`."""
    parts = [f"rule {' or '.join(silence.rules)}"] if silence.rules else []
    parts += [f"{key} {' or '.join(values)}" for key, values in silence.where]
    return ", ".join(parts) or "everything"


def silence_name(silence: Silence) -> str:
    """Returns what a silence is called in a trouble."""
    return f"silence {silence.id}"


def examine_silence(silence: Silence, swallowed: int, now: datetime) -> Finding:
    """Says whether a long silence is about to end."""
    begin = silence.until - WARNING
    if not begin <= now < silence.until or silence.until - silence.began_at <= LONG:
        return Finding(silence_name(silence), now, None)
    messages = "1 message" if swallowed == 1 else f"{swallowed} messages"
    text = (
        f"what it is about: {say_what(silence)}; {silence.author} made it {say_duration(now - silence.began_at)} ago "
        f"({silence.why}), and it has swallowed {messages}"
    )
    return Finding(silence_name(silence), now, Trouble(TroubleKind.ENDING, text, since=begin))


def _values(key: str, channel: str, event: Event) -> Sequence[str | None]:
    match key:
        case "appointment":
            return (event.after.id,)
        case "channel":
            return (channel,)
        case "kind":
            return tuple(kind.value for kind in event.kinds)
        case "status":
            return (event.after.status,)
    return values_of(event, key)
