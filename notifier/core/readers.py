"""Who a message is for: by which clock and in which language they read, and what they call things."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from notifier.core.directory import NO_DIRECTORY, Directory
from notifier.core.language import ENGLISH, Language


@dataclass(frozen=True, slots=True)
class Readers:
    """Those who read what a channel shows."""

    #: Of times, where an office has none of its own.
    zone: ZoneInfo
    #: What they call things, where nothing more is known of a source.
    directory: Directory = NO_DIRECTORY
    language: Language = ENGLISH
    #: Whether all of them read that language, whatever an office speaks.
    of_one_language: bool = False
    #: What they call things of a source, by its name.
    directories: Mapping[str, Directory] = field(default_factory=dict)

    def of(self, source: str) -> "Readers":
        """Returns those who read of what a source has."""
        return replace(self, directory=self.directory_of(source))

    def directory_of(self, source: str) -> Directory:
        """Returns what they call things of a source."""
        return self.directories.get(source, self.directory)

    def zone_at(self, office: str | None) -> ZoneInfo:
        """Returns by which clock they read of an appointment at an office: by the office's own, if it has one."""
        return (self.directory.zone_of("office", office) if office else None) or self.zone

    def language_at(self, office: str | None) -> Language:
        """Returns in which language they read of an appointment at an office."""
        if self.of_one_language or not office:
            return self.language
        return self.directory.language_of("office", office) or self.language

    def at(self, office: str | None) -> "Readers":
        """Returns those who read of an appointment at an office."""
        return replace(self, zone=self.zone_at(office), language=self.language_at(office))

    def name_of(self, kind: str, id_: str) -> str:
        """Returns what they call it; empty where it has no name."""
        return self.directory.name_of(kind, id_)

    def called(self, kind: str, id_: str) -> str:
        """Returns what they call it, else its id."""
        return self.directory.name_of(kind, id_) or id_
