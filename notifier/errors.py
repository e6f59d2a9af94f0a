"""What can go wrong here, as one tree of exceptions.

The docstring of a class is its message, unless it is raised with one.
"""
# ruff: noqa: N818 - the names say what is the matter; `Error` behind each would say it twice.

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


class NotifierError(Exception):
    """Something went wrong."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or type(self).__doc__)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file that a person wrote."""

    #: As its author would recognise it: relative to the working directory where it lies below.
    file: Path
    #: From 1.
    line: int
    #: What is wrong and what to write instead; never holds a secret.
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class ConfigError(NotifierError):
    """The configuration is wrong."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SourceError(NotifierError):
    """A source did not give what it was asked for."""


class SourceUnavailable(SourceError):
    """The source can't be reached or does not answer as it should; it may do so later."""


class SourceRefused(SourceError):
    """The source refuses our credentials or what we ask for; asking again will not help."""


class Stopping(NotifierError):
    """The process is stopping; what was under way is left for the next start."""


class StoreError(NotifierError):
    """The store can't be used."""


class NoStore(StoreError):
    """There is no store yet; a first run makes it."""


class AlreadyRunning(StoreError):
    """Another notifier already works on this store."""


class SchemaTooNew(StoreError):
    """The store was written by a newer version of notifier than this one."""
