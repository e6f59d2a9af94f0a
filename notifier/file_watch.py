"""Sees that files changed, and that whoever changed them has finished.

By looking, since it works on every file system, in containers and over networks, and a few files cost nothing. An
editor writes a file in several steps, or puts another in its place; so a change counts when the next look finds all as
the last one did.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

Stamp = tuple[int, int, int]
"""Of one file: when it was last written, in nanoseconds; how long it is; which file it is, whatever its name."""

Stamps = Mapping[Path, Stamp | None]
"""How files were; None for one that is not there, or that nobody may look at."""


class FileWatch:
    """Remembers how some files were; `files` says which they are now, since there may be more, or fewer."""

    def __init__(self, files: Callable[[], Iterable[Path]]) -> None:
        self._files = files
        self._taken = self._last = self._look()

    def changed(self) -> bool:
        """Whether the files are not as they were taken, and were so at the last look too."""
        now, self._last = self._last, self._look()
        return self._last == now != self._taken

    def take(self) -> Stamps:
        """Takes the files as they are now for what they should be, and returns how they are."""
        self._taken = self._last = self._look()
        return self._taken

    def _look(self) -> Stamps:
        return {path: _stamp(path) for path in self._files()}


def emptied(before: Stamps, now: Stamps) -> list[Path]:
    """Returns the files in which there was something and is nothing any more: whoever writes them has only begun."""
    return [path for path, stamp in now.items() if _is_empty(stamp) and not _is_empty(before.get(path, stamp))]


def _is_empty(stamp: Stamp | None) -> bool:
    return stamp is not None and not stamp[1]


def _stamp(path: Path) -> Stamp | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino
