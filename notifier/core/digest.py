"""The message of a bundle: what happened in numbers, and a table of it, the earliest start first.

It is cut where its target shows no more, and then says how many there are beside. A machine gets them all: each as the
document that it would have got by itself.
"""

import html
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from notifier.core.bundle import Bundle
from notifier.core.directory import NO_DIRECTORY, Directory
from notifier.core.document import document, say_instant
from notifier.core.escape import Target, defuse, plain
from notifier.core.grant import Excerpt, Grant
from notifier.core.headline import happening, headline
from notifier.core.language import Language
from notifier.core.message import BODY_LIMIT, TITLE_LIMIT, Message
from notifier.core.readers import Readers
from notifier.core.template import cut

TYPE: Final = "notifier.digest"

DOCUMENT_LIMIT = 18_000
"""Bytes of all the changes that one document of a bundle tells. Receivers need not take more than 20 kB."""

MAIL_LIMIT = 200_000
"""Characters of a table in a mail, marks included."""

CELL_LIMIT = 40
"""Characters of a cell."""

COLUMNS: Final = ("when", "appointment", "what", "status", "office")
"""Of the table; each goes by the label of that name."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What one message tells."""

    #: By whom.
    rule: str
    #: What they have in common, as far as it may be told.
    by: tuple[tuple[str, str | None], ...]
    #: In the order in which the changes were noticed.
    excerpts: tuple[Excerpt, ...]


def gathered(bundle: Bundle, excerpts: Sequence[Excerpt], grant: Grant) -> Gathered:
    """Returns what the message of a bundle tells a channel with this grant."""
    by = tuple((name, value) for name, value in bundle.by if name in {"source", "kind"} or grant.covers(name))
    return Gathered(bundle.rule, by, tuple(excerpts))


def digest(told: Gathered, readers: Readers, target: Target, room: int = BODY_LIMIT) -> Message:
    """Returns the message for people; in the one language that its offices speak, else in that of the readers."""
    clean = defuse if target is Target.CHAT else plain
    sources = {excerpt.event.source for excerpt in told.excerpts}
    readers = readers.of(sources.pop()) if len(sources) == 1 else readers
    readers = replace(readers, language=_language(told, readers))
    title = clean(_title(told, readers))
    rows = [[clean(cut(cell, CELL_LIMIT)) for cell in row] for row in _table(told, readers)]
    body = _marked_up(rows, readers.language) if target is Target.HTML else _aligned(rows, room, readers.language)
    return Message(cut(title, TITLE_LIMIT), body, target)


def _unnamed(_source: str) -> Directory:
    return NO_DIRECTORY


def digest_document(
    told: Gathered, delivery: str, directory_of: Callable[[str], Directory] = _unnamed
) -> Mapping[str, object]:
    """Returns the CloudEvents document that tells machines.

    `delivery` is the id of the one that leads, and `directory_of` says for each source what is called how.
    """
    items = [document(excerpt, told.rule, directory_of(excerpt.event.source)) for excerpt in told.excerpts]
    sources = {excerpt.event.source for excerpt in told.excerpts}
    return {
        "specversion": "1.0",
        "id": delivery,
        "source": f"/sources/{sources.pop()}" if len(sources) == 1 else "/sources",
        "time": say_instant(max(excerpt.event.detected_at for excerpt in told.excerpts)),
        "type": TYPE,
        "datacontenttype": "application/json",
        "data": {
            "rule": told.rule,
            "by": dict(told.by),
            "count": len(items),
            "kinds": dict(Counter(excerpt.event.kinds[0].value for excerpt in told.excerpts)),
            "items": items,
        },
    }


def _language(told: Gathered, readers: Readers) -> Language:
    spoken = {readers.language_at(excerpt.event.after.office) for excerpt in told.excerpts}
    return spoken.pop() if len(spoken) == 1 else readers.language


def _title(told: Gathered, readers: Readers) -> str:
    """Returns how many changes there are, what they have in common, and how often what happened."""
    language, number = readers.language, len(told.excerpts)
    total = language.say("digest.change" if number == 1 else "digest.changes", number=number)
    counts = ", ".join(f"{many} {what}" for what, many in _counts(told.excerpts, language))
    if not told.by:
        return language.say("digest.title", total=total, counts=counts)
    about = ", ".join(_shared(name, value, readers) for name, value in told.by)
    return language.say("digest.title_about", total=total, about=about, counts=counts)


def _counts(excerpts: Iterable[Excerpt], language: Language) -> list[tuple[str, int]]:
    """Returns how often what happened, the most frequent first."""
    return Counter(happening(excerpt.event, language) for excerpt in excerpts).most_common()


def _shared(name: str, value: str | None, readers: Readers) -> str:
    """Returns what people call what the changes have in common, or `office 12`."""
    language = readers.language
    if value is None:
        return language.say("phrase.lacking", field=language.field(name))
    return readers.name_of(name, value) or f"{language.field(name)} {language.word(value)}"


def _table(told: Gathered, readers: Readers) -> list[list[str]]:
    """Returns the rows of the table, its headers first; columns with nothing in them are left out."""
    named = {name for name, _ in told.by}
    heads = [readers.language.headers[name] for name in COLUMNS]
    rows = [heads, *(_row(excerpt, readers) for excerpt in sorted(told.excerpts, key=_start))]
    filled = [
        number for number, name in enumerate(COLUMNS) if name not in named and any(row[number] for row in rows[1:])
    ]
    return [[row[number] for number in filled] for row in rows]


def _row(excerpt: Excerpt, readers: Readers) -> list[str]:
    after, before, language = excerpt.event.after, excerpt.event.before, readers.language
    readers = readers.of(excerpt.event.source)
    zone = readers.zone_at(after.office)
    when = language.phrases["phrase.no_time"] if excerpt.grant.covers("start") else ""
    if after.start:
        when = language.say_brief_moment(after.start, zone) + (f" {zone.key}" if zone != readers.zone else "")
    what = headline(excerpt.event, language)
    if before and before.start and before.start != after.start:
        what = language.say("digest.was", what=what, moment=language.say_brief_moment(before.start, zone))
    return [when, after.id, what, language.word(after.status), readers.called("office", after.office or "")]


def _start(excerpt: Excerpt) -> tuple[bool, datetime]:
    """Orders by the start; what has none comes last."""
    start = excerpt.event.after.start
    return start is None, start or excerpt.event.detected_at


def _aligned(rows: Sequence[Sequence[str]], room: int, language: Language) -> str:
    """Returns the rows as lines, as many as fit."""
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(size) for cell, size in zip(row, sizes, strict=True)).rstrip() for row in rows]
    kept = _fitting(lines, room - len(_more(len(rows), language)) - 1)
    return "\n".join([*lines[:kept], *([_more(len(lines) - kept, language)] if kept < len(lines) else [])])


def _marked_up(rows: Sequence[Sequence[str]], language: Language) -> str:
    """Returns the rows as a table of HTML, as many as fit."""
    head, *rest = (_marked_up_row(row, "td" if number else "th") for number, row in enumerate(rows))
    kept = _fitting(rest, MAIL_LIMIT)
    # Readers of mail follow no style sheet.
    table = "\n".join(['<table cellpadding="4">', head, *rest[:kept], "</table>"])
    return f"{table}\n<p>{_more(len(rest) - kept, language)}</p>" if kept < len(rest) else table


def _marked_up_row(row: Sequence[str], tag: str) -> str:
    align = ' align="left"' if tag == "th" else ""
    return f"<tr>{''.join(f'<{tag}{align}>{html.escape(cell)}</{tag}>' for cell in row)}</tr>"


def _more(number: int, language: Language) -> str:
    return language.say("digest.more", number=number)


def _fitting(lines: Sequence[str], limit: int) -> int:
    """Returns how many of the lines fit."""
    left = limit
    for number, line in enumerate(lines):
        left -= len(line) + 1
        if left < 0:
            return number
    return len(lines)
