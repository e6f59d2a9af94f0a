"""The directory: what people call offices, subjects and employees, where these are, and who is to hear of them.

Whoever is not in it goes by the id.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from zoneinfo import ZoneInfo

from notifier.core.called import Called, zone_called
from notifier.core.language import Language

KINDS: Final = ("office", "subject", "employee")
"""What a directory has entries of, by the names of the fields that refer to them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one of them."""

    #: What people call it; empty for nothing but the id.
    name: str = ""
    #: Of an office: the time zone that it is in.
    zone: ZoneInfo | None = None
    #: Who hears of it, where a rule asks for that.
    channels: tuple[str, ...] = ()
    #: Of an office: the language that is spoken there.
    language: Language | None = None


_UNKNOWN = Entry()


@dataclass(frozen=True, slots=True)
class Directory:
    """Entries by kind and id."""

    entries: Mapping[tuple[str, str], Entry] = field(default_factory=dict)

    def name_of(self, kind: str, id_: str) -> str:
        """Returns what people call it; empty where that is not known."""
        return self.entries.get((kind, id_), _UNKNOWN).name

    def with_names(self, names: Mapping[tuple[str, str], Called]) -> "Directory":
        """Returns the directory with what a source calls them, and where offices are, as far as it says nothing."""
        entries = dict(self.entries)
        for key, called in names.items():
            own = entries.get(key, _UNKNOWN)
            zone = own.zone or zone_called(called.zone)
            entries[key] = replace(own, name=own.name or called.name, zone=zone)
        return Directory(entries)

    def channels_of(self, kind: str, id_: str) -> Sequence[str]:
        """Returns the channels of an entry; none where it has none, or is not known."""
        return self.entries.get((kind, id_), _UNKNOWN).channels

    def zone_of(self, kind: str, id_: str) -> ZoneInfo | None:
        """Returns the time zone of an entry; None where it has none, or is not known."""
        return self.entries.get((kind, id_), _UNKNOWN).zone

    def language_of(self, kind: str, id_: str) -> Language | None:
        """Returns the language of an entry; None where it has none, or is not known."""
        return self.entries.get((kind, id_), _UNKNOWN).language

    def all_channels(self, kind: str) -> Collection[str]:
        """Returns the channels of all entries of a kind."""
        return {channel for (of, _), entry in self.entries.items() if of == kind for channel in entry.channels}

    def ids(self, kind: str) -> frozenset[str]:
        """Returns the ids of all entries of a kind."""
        return frozenset(id_ for of, id_ in self.entries if of == kind)


NO_DIRECTORY = Directory()
"""One without entries."""
