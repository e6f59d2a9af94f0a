"""Personal texts as people read them: what the source has as a structure becomes lines.

Nothing is expected of a text: what is not of the documented shape is shown as it is. No text is longer than what a
message can hold, so that a template's work stays in proportion to its length.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Readable = str | list[str] | None

LONGEST = 3000
"""Characters of a text that a template gets: no message shows more."""

_ADDRESS_PARTS = ("street1", "street2", "postalCode", "city", "state", "countryCode")


def readable(name: str, raw: object) -> Readable:
    """Returns a text, or its lines, for people; None where there is none. `name` is that of its field."""
    lines = [line for one in _LINES.get(name, _plain)(raw) if (line := one.strip())]
    if name in _LISTS:
        return list(_cut(lines)) or None
    return ", ".join(lines)[:LONGEST] or None


def _cut(lines: Iterable[str]) -> Iterator[str]:
    """Yields as many of the lines as a message can hold."""
    left = LONGEST
    for line in lines:
        if left <= 0:
            return
        yield line[:left]
        left -= len(line)


def _plain(raw: object) -> Iterator[str]:
    yield _say(raw)


def _answers(raw: object) -> Iterator[str]:
    """Yields a line for each answer: the question, by its id, and what was answered or chosen."""
    for one in raw if isinstance(raw, list) else [raw]:
        if not isinstance(one, Mapping):
            yield _say(one)
            continue
        kind, question = one.get("answerType"), _id(one.get("question"))
        asked = ", ".join(part for part in (_words(kind), f"question {question}" if question else "") if part)
        yield f"{asked or 'answer'}: {_answer(one) or 'no answer'}"


def _answer(one: Mapping[str, Any]) -> str:
    value = _say(one.get("value")).strip()
    parts = [value] if value else []
    for field, word in (("selectedAnswerOptions", "option"), ("files", "file")):
        items = one.get(field)
        names = [name for item in items if (name := _id(item))] if isinstance(items, list) else []
        if names:
            parts.append(f"{word}{'s' if len(names) > 1 else ''} {', '.join(names)}")
    return ", ".join(parts)


def _words(kind: object) -> str:
    """Returns the kind of a form, as in `appointment cancellation`."""
    return kind.replace("_", " ").lower() if isinstance(kind, str) else ""


def _location(raw: object) -> Iterator[str]:
    if not isinstance(raw, Mapping):
        yield _say(raw)
        return
    formatted = _translated(raw.get("formattedAddress"))
    if formatted:
        yield formatted
        return
    parts = {name: _translated(raw.get(name)) for name in _ADDRESS_PARTS}
    yield parts["street1"]
    yield parts["street2"]
    yield f"{parts['postalCode']} {parts['city']}"
    yield parts["state"]
    yield parts["countryCode"]


def _translated(value: object) -> str:
    return _say(value.get("value")) if isinstance(value, Mapping) else _say(value)


def _metadata(raw: object) -> Iterator[str]:
    if isinstance(raw, Mapping):
        yield from (f"{name}: {_say(value)}" for name, value in raw.items())
    else:
        yield _say(raw)


def _links(raw: object) -> Iterator[str]:
    yield from (_say(one) for one in (raw if isinstance(raw, list) else [raw]))


_LINES: Mapping[str, Callable[[object], Iterator[str]]] = {
    "answers": _answers,
    "location": _location,
    "metadata": _metadata,
    "video_links": _links,
}
_LISTS = frozenset({"answers", "metadata", "video_links"})


def _id(reference: object) -> str:
    return _say(reference.get("id")) if isinstance(reference, Mapping) else ""


def _say(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case int() | float():
            return str(value)
        case list() if all(isinstance(one, str | int | float) for one in value):
            return ", ".join(_say(one) for one in value)
    return json.dumps(value, ensure_ascii=False)
