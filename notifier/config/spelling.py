"""What somebody probably meant who wrote a name that does not exist."""

import difflib
from collections.abc import Iterable

_MOST_CHOICES = 40
"""More names than this help nobody."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Returns the known name that is most like the word, or None if none is."""
    # Capitals must not hide the nearest name: statuses have nothing but, and people write none.
    names = {name.casefold(): name for name in known}
    matches = difflib.get_close_matches(word.casefold(), names, n=1)
    return names[matches[0]] if matches else None


def did_you_mean(name: str | None) -> str:
    """Returns the end of a complaint that proposes the name; an empty text for None."""
    return "" if name is None else f"; did you mean `{name}`?"


def choices(word: str, known: Iterable[str]) -> str:
    """Returns the end of a complaint about a word that is not known: the nearest known one, or else all of them."""
    known = tuple(known)
    if not known:
        return "; there is none at all"
    everything = f"; known here: {', '.join(known)}" if len(known) <= _MOST_CHOICES else ""
    return did_you_mean(nearest(word, known)) or everything
