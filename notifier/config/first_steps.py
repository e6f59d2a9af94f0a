"""The files that a new user begins with: `notifier init` copies them and overwrites nothing."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from notifier.config.schema import cases_schema, config_schema, rules_schema
from notifier.errors import NotifierError

CONFIG = "config.toml"
SCHEMAS: Mapping[str, Callable[[], Mapping[str, object]]] = {
    "config.schema.json": config_schema,
    "rules.schema.json": rules_schema,
    "cases.schema.json": cases_schema,
}
"""Files that tell editors what may stand in the others, which name them in their first lines."""

TOKEN = "engage.token"  # noqa: S105 - the name of a file
_PLACEHOLDER = "put-the-token-of-pexip-engage-here\n"
_EXAMPLE = "config.example.toml"


def starter_folder() -> Path:
    """Returns the folder with `config.example.toml` and `rules/`: inside the installed package, or of a checkout."""
    package = Path(__file__).parent.parent
    for folder in (package / "starter", package.parent):
        if (folder / _EXAMPLE).is_file():
            return folder
    raise NotifierError(f"this installation lacks its starter files ({_EXAMPLE} and rules/); install notifier again")


def write_first_files(folder: Path) -> list[Path]:
    """Writes a configuration, starter rules and a file for the token into the folder, and returns their paths.

    Raises:
        NotifierError: one of them is there already, and nothing was written; or one can't be written.
    """
    starter = starter_folder()
    copies = {folder / CONFIG: starter / _EXAMPLE}
    copies |= {folder / "rules" / rules.name: rules for rules in sorted((starter / "rules").glob("*.toml"))}
    texts = {path: original.read_bytes() for path, original in copies.items()}
    texts |= {folder / name: json.dumps(make(), indent=2).encode() + b"\n" for name, make in SCHEMAS.items()}
    token = folder / TOKEN
    for path in (*texts, token):
        if os.path.lexists(path):
            raise NotifierError(f"{path} is there already; nothing was written")
    try:
        (folder / "rules").mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            _write_new(path, text, 0o666)
        # Only its owner may read a token.
        _write_new(token, _PLACEHOLDER.encode(), 0o600)
    except OSError as error:
        raise NotifierError(f"{error.filename or folder} can't be written: {error.strerror}") from error
    return [*texts, token]


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Writes a file that must not exist; `mode` holds from the start, less what the user's mask takes away."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
