"""Personal texts as people read them: what the source has as a structure becomes lines.

Nothing is expected of a text: what is not of the documented shape is shown as it is. No text is longer than what a
message can hold, so that a template's work stays in proportion to its length.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from notifier.core.language import ENGLISH, Language

Readable = str | list[str] | None

LONGEST = 3000
"""Characters of a text that a template gets: no message shows more."""

_ADDRESS_PARTS = ("street1", "street2", "postalCode", "city", "state", "countryCode")


def readable(name: str, raw: object, language: Language = ENGLISH) -> Readable:
    """Returns a text, or its lines, for people; None where there is none. `name` is that of its field."""
    lines = [line for one in _LINES.get(name, _plain)(raw, language) if (line := one.strip())]
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


def _plain(raw: object, language: Language) -> Iterator[str]:
    yield _say(raw, language)


def _answers(raw: object, language: Language) -> Iterator[str]:
    """Yields a line for each answer: the question, by its id, and what was answered or chosen."""
    for one in raw if isinstance(raw, list) else [raw]:
        if not isinstance(one, Mapping):
            yield _say(one, language)
            continue
        asked = _question(one, language) or language.phrases["answer.answer"]
        answered = _answer(one, language) or language.phrases["answer.none"]
        yield language.say("phrase.labelled", label=asked, text=answered)


def _question(one: Mapping[str, Any], language: Language) -> str:
    question = _id(one.get("question"), language)
    named = language.say("answer.question", ids=question) if question else ""
    return ", ".join(part for part in (_words(one.get("answerType")), named) if part)


def _answer(one: Mapping[str, Any], language: Language) -> str:
    value = _say(one.get("value"), language).strip()
    parts = [value] if value else []
    for field, word in (("selectedAnswerOptions", "option"), ("files", "file")):
        items = one.get(field)
        names = [name for item in items if (name := _id(item, language))] if isinstance(items, list) else []
        if names:
            parts.append(language.say(f"answer.{word}{'s' if len(names) > 1 else ''}", ids=", ".join(names)))
    return ", ".join(parts)


def _words(kind: object) -> str:
    """Returns the kind of a form, as in `appointment cancellation`."""
    return kind.replace("_", " ").lower() if isinstance(kind, str) else ""


def _location(raw: object, language: Language) -> Iterator[str]:
    if not isinstance(raw, Mapping):
        yield _say(raw, language)
        return
    formatted = _translated(raw.get("formattedAddress"), language)
    if formatted:
        yield formatted
        return
    parts = {name: _translated(raw.get(name), language) for name in _ADDRESS_PARTS}
    yield parts["street1"]
    yield parts["street2"]
    yield f"{parts['postalCode']} {parts['city']}"
    yield parts["state"]
    yield parts["countryCode"]


def _translated(value: object, language: Language) -> str:
    return _say(value.get("value"), language) if isinstance(value, Mapping) else _say(value, language)


def _metadata(raw: object, language: Language) -> Iterator[str]:
    if isinstance(raw, Mapping):
        yield from (f"{name}: {_say(value, language)}" for name, value in raw.items())
    else:
        yield _say(raw, language)


def _links(raw: object, language: Language) -> Iterator[str]:
    yield from (_say(one, language) for one in (raw if isinstance(raw, list) else [raw]))


_LINES: Mapping[str, Callable[[object, Language], Iterator[str]]] = {
    "answers": _answers,
    "location": _location,
    "metadata": _metadata,
    "video_links": _links,
}
_LISTS = frozenset({"answers", "metadata", "video_links"})


def _id(reference: object, language: Language) -> str:
    return _say(reference.get("id"), language) if isinstance(reference, Mapping) else ""


def _say(value: object, language: Language) -> str:
    match value:
        case None:
            return ""
        case bool():
            return language.phrases["phrase.yes" if value else "phrase.no"]
        case str():
            return value
        case int() | float():
            return str(value)
        case list() if all(isinstance(one, str | int | float) for one in value):
            return ", ".join(_say(one, language) for one in value)
    return json.dumps(value, ensure_ascii=False)
