"""Recipients: the channels that hear of an event, where a rule takes their names from the event.

`office-{office}` is filled in with the fields of the appointment, `directory:office` is what the directory says of the
office. What leads to no channel goes to the rule's `otherwise`: never nowhere.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from notifier.core.directory import KINDS, NO_DIRECTORY, Directory
from notifier.core.event import Event
from notifier.core.rule import Rule

Story = tuple[tuple[str, str], ...]
"""What was decided about a delivery, and why: pairs of a step and what it came to."""

FIELDS: Final = (
    "office",
    "subject",
    "employee",
    "listing",
    "lead_segment",
    "meeting_type",
    "status",
)
"""Fields of an appointment that the name of a channel may be made of; as they were before with `before.` in front."""

PLACEHOLDERS: Final = ("source", *FIELDS, *(f"before.{name}" for name in FIELDS))

DIRECTORY: Final = "directory:"

LOOKUPS: Final = (*KINDS, *(f"before.{name}" for name in KINDS))
"""What may stand behind `directory:`."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Recipients:
    """The channels that there are, and who they belong to."""

    channels: frozenset[str] = frozenset()
    directory: Directory = NO_DIRECTORY


NOBODY_ELSE = Recipients()
"""For rules that name all their channels."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A channel that a rule tells of an event."""

    channel: str
    #: How it came to that; empty for one that the rule names.
    story: Story = ()


def is_from_data(channel: str) -> bool:
    """Whether what a rule has among its channels is to be filled in from an event."""
    return "{" in channel or "}" in channel or channel.startswith(DIRECTORY)


def placeholders_of(channel: str) -> list[str] | None:
    """Returns the fields that a name is made of; None where its brackets don't come in pairs."""
    if re.search(r"[{}]", _PLACEHOLDER.sub("", channel)):
        return None
    return _PLACEHOLDER.findall(channel)


def possible_channels(rule: Rule, recipients: Recipients) -> list[str]:
    """Returns every channel that a rule can tell of anything, in the order of their names in it."""
    return reachable((*rule.hearers, *([rule.otherwise] if rule.otherwise else ())), recipients)


def reachable(names: Iterable[str], recipients: Recipients) -> list[str]:
    """Returns every channel that names in a rule can come to."""
    found: dict[str, None] = {}
    for name in names:
        found |= dict.fromkeys(_possible(name, recipients))
    return list(found)


def recipients_of(rule: Rule, event: Event, recipients: Recipients) -> list[Recipient]:
    """Returns the channels that a rule tells of an event, each once; never none.

    What has no value, as an appointment that had no employee before, is nobody; what has one that leads to no channel
    goes to `otherwise`, as does what is for nobody at all.
    """
    found: dict[str, Recipient] = {}
    absent: list[str] = []
    for name in rule.channels:
        if not is_from_data(name):
            found.setdefault(name, Recipient(name))
        elif missing := _missing(name, event):
            absent.append(missing)
        else:
            for one in _filled(name, rule, event, recipients):
                found.setdefault(one.channel, one)
    if absent and not found:
        channel = rule.otherwise or rule.channels[0]
        return [Recipient(channel, (("channel", f"it has no {' and no '.join(absent)}: goes to {channel}"),))]
    return list(found.values())


def _possible(name: str, recipients: Recipients) -> Iterator[str]:
    if name.startswith(DIRECTORY):
        kind = name.removeprefix(DIRECTORY).removeprefix("before.")
        yield from (one for one in sorted(recipients.directory.all_channels(kind)) if one in recipients.channels)
    elif is_from_data(name):
        pattern = ".+".join(map(re.escape, re.split(r"\{[^{}]*\}", name)))
        yield from (one for one in sorted(recipients.channels) if re.fullmatch(pattern, one))
    else:
        yield name


def _missing(name: str, event: Event) -> str | None:
    """Returns what an event does not have of what a name is made of, in words; None where it has it all."""
    fields = [name.removeprefix(DIRECTORY)] if name.startswith(DIRECTORY) else placeholders_of(name) or []
    return next((_say_field(field) for field in fields if _value(field, event) is None), None)


def _filled(name: str, rule: Rule, event: Event, recipients: Recipients) -> Iterator[Recipient]:
    if name.startswith(DIRECTORY):
        field = name.removeprefix(DIRECTORY)
        id_ = _value(field, event) or ""
        listed = recipients.directory.channels_of(field.removeprefix("before."), id_)
        known = [one for one in listed if one in recipients.channels]
        yield from (
            Recipient(one, (("channel", f"that of {_say_field(field)} {id_} in the directory"),)) for one in known
        )
        if not known:
            yield _otherwise(name, rule, f"the directory has no channel for {_say_field(field)} {id_}")
        return
    channel = _PLACEHOLDER.sub(lambda field: _value(field[1], event) or "", name)
    if channel in recipients.channels:
        yield Recipient(channel, (("channel", f"from {name}"),))
    else:
        yield _otherwise(channel, rule, f"there is no channel {channel}, from {name}")


def _otherwise(name: str, rule: Rule, why: str) -> Recipient:
    # Every rule that takes names from data has one; without it, the message waits for a channel of this name.
    channel = rule.otherwise or name
    return Recipient(channel, (("channel", f"{why}: goes to {channel}"),))


def _say_field(field: str) -> str:
    return f"{field.removeprefix('before.')} before" if field.startswith("before.") else field.replace("_", " ")


def _value(field: str, event: Event) -> str | None:
    if field == "source":
        return event.source
    state = event.before if field.startswith("before.") else event.after
    value: str | None = getattr(state, field.removeprefix("before."), None)
    return value
