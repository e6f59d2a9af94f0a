"""References in `config.toml` to what does not belong into it: `${NAME}` (environment) and `${file:PATH}` (a file).

They may stand anywhere inside a text; `$${` is a plain `${`. What they bring in is taken as it is: a reference inside
it is none.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from notifier.config.toml_file import Location

_REFERENCE = re.compile(
    r"\$\$\{"
    r"|\$\{file:(?P<path>[^{}]+)\}"
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}"
    r"|(?P<broken>\$\{)",
)


@dataclass(slots=True)
class Expansion:
    """The data of a file with its references replaced, and what must be known to talk about it safely."""

    data: Any = None
    #: Every text that held a reference, as its author wrote it: the only form that may be shown.
    written: dict[Location, str] = field(default_factory=dict)
    #: What each reference that leads nowhere is, by where it stands.
    broken: list[tuple[Location, str]] = field(default_factory=list)
    #: The files that references lead to.
    files: list[Path] = field(default_factory=list)


class _BrokenReferenceError(Exception):
    """A reference leads nowhere."""


def expand(data: Any, environ: Mapping[str, str], folder: Path) -> Expansion:
    """Replaces every reference in the texts of the data; paths of files are relative to the folder."""
    expansion = Expansion()

    def walk(value: Any, location: Location) -> Any:
        if isinstance(value, dict):
            return {key: walk(item, (*location, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*location, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        expansion.written[location] = value
        expansion.files += [folder / match["path"] for match in _REFERENCE.finditer(value) if match["path"]]
        try:
            return _REFERENCE.sub(lambda match: _look_up(match, environ, folder), value)
        except _BrokenReferenceError as error:
            expansion.broken.append((location, str(error)))
            return value

    expansion.data = walk(data, ())
    return expansion


def _look_up(match: re.Match[str], environ: Mapping[str, str], folder: Path) -> str:
    if match["broken"]:
        # What follows may be part of a password, so it is not repeated.
        raise _BrokenReferenceError(
            "`${` begins a reference: write `${NAME}`, `${file:PATH}`, or `$${` for a plain `${`"
        )
    if name := match["name"]:
        if name not in environ:
            raise _BrokenReferenceError(f"there is no environment variable `{name}`")
        return environ[name]
    return _read(match["path"], folder) if match["path"] else "${"


def _read(path: str, folder: Path) -> str:
    try:
        text = (folder / path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise _BrokenReferenceError(f"there is no file `{path}`") from error
    except OSError as error:
        raise _BrokenReferenceError(f"the file `{path}` can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _BrokenReferenceError(f"the file `{path}` is not UTF-8 text") from error
    return text.removesuffix("\n")
