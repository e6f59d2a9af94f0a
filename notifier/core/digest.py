"""The message of a bundle: what happened in numbers, and a table of it, the earliest start first.

It is cut where its target shows no more, and then says how many there are beside. A machine gets them all: each as the
document that it would have got by itself.
"""

import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from notifier.core.bundle import Bundle, say_by
from notifier.core.directory import NO_DIRECTORY, Directory
from notifier.core.document import document, say_instant
from notifier.core.escape import Target, defuse, plain
from notifier.core.facts import NO_TIME, headline, say_brief_moment, words
from notifier.core.grant import Excerpt, Grant
from notifier.core.message import BODY_LIMIT, TITLE_LIMIT, Message
from notifier.core.template import cut

TYPE: Final = "notifier.digest"

DOCUMENT_LIMIT = 18_000
"""Bytes of all the changes that one document of a bundle tells. Receivers need not take more than 20 kB."""

MAIL_LIMIT = 200_000
"""Characters of a table in a mail, marks included."""

CELL_LIMIT = 40
"""Characters of a cell."""

HEADERS: Final = ("When", "Appointment", "What", "Status", "Office")


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


def digest(
    told: Gathered, zone: ZoneInfo, target: Target, directory: Directory = NO_DIRECTORY, room: int = BODY_LIMIT
) -> Message:
    """Returns the message for people; times are in the zone, or in that of the appointment's office."""
    clean = defuse if target is Target.CHAT else plain
    counts = ", ".join(f"{number} {_small(what)}" for what, number in _counts(told.excerpts))
    total = "1 change" if len(told.excerpts) == 1 else f"{len(told.excerpts)} changes"
    about = ", ".join(_named(name, value, directory) for name, value in told.by)
    title = clean(f"{total}{f', {about}' if about else ''}: {counts}")
    rows = [[clean(cut(cell, CELL_LIMIT)) for cell in row] for row in _table(told, zone, directory)]
    body = _marked_up(rows) if target is Target.HTML else _aligned(rows, room)
    return Message(cut(title, TITLE_LIMIT), body, target)


def digest_document(told: Gathered, delivery: str, directory: Directory = NO_DIRECTORY) -> Mapping[str, object]:
    """Returns the CloudEvents document that tells machines; `delivery` is the id of the one that leads."""
    items = [document(excerpt, told.rule, directory) for excerpt in told.excerpts]
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


def _counts(excerpts: Iterable[Excerpt]) -> list[tuple[str, int]]:
    """Returns how often what happened, the most frequent first."""
    return Counter(headline(excerpt.event) for excerpt in excerpts).most_common()


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]


def _named(name: str, value: str | None, directory: Directory) -> str:
    """Returns what people call what the changes have in common, or `office 12`."""
    return (directory.name_of(name, value) if value else "") or say_by([(name, value)])


def _table(told: Gathered, zone: ZoneInfo, directory: Directory) -> list[list[str]]:
    """Returns the rows of the table, its headers first; columns with nothing in them are left out."""
    named = {name for name, _ in told.by}
    rows = [list(HEADERS), *(_row(excerpt, zone, directory) for excerpt in sorted(told.excerpts, key=_start))]
    filled = [
        number
        for number, header in enumerate(HEADERS)
        if any(row[number] for row in rows[1:]) and header.lower() not in named
    ]
    return [[row[number] for number in filled] for row in rows]


def _row(excerpt: Excerpt, usual: ZoneInfo, directory: Directory) -> list[str]:
    after, before = excerpt.event.after, excerpt.event.before
    office = after.office or ""
    zone = directory.zone_of("office", office) or usual
    when = NO_TIME if excerpt.grant.covers("start") else ""
    if after.start:
        when = say_brief_moment(after.start, zone) + (f" {zone.key}" if zone != usual else "")
    what = headline(excerpt.event)
    if before and before.start and before.start != after.start:
        what = f"{what}, was {say_brief_moment(before.start, zone)}"
    return [when, after.id, what, words(after.status), directory.name_of("office", office) or office]


def _start(excerpt: Excerpt) -> tuple[bool, datetime]:
    """Orders by the start; what has none comes last."""
    start = excerpt.event.after.start
    return start is None, start or excerpt.event.detected_at


def _aligned(rows: Sequence[Sequence[str]], room: int) -> str:
    """Returns the rows as lines, as many as fit."""
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(size) for cell, size in zip(row, sizes, strict=True)).rstrip() for row in rows]
    kept = _fitting(lines, room - len(_more(len(rows))) - 1)
    return "\n".join([*lines[:kept], *([_more(len(lines) - kept)] if kept < len(lines) else [])])


def _marked_up(rows: Sequence[Sequence[str]]) -> str:
    """Returns the rows as a table of HTML, as many as fit."""
    head, *rest = (_marked_up_row(row, "td" if number else "th") for number, row in enumerate(rows))
    kept = _fitting(rest, MAIL_LIMIT)
    # Readers of mail follow no style sheet.
    table = "\n".join(['<table cellpadding="4">', head, *rest[:kept], "</table>"])
    return f"{table}\n<p>{_more(len(rest) - kept)}</p>" if kept < len(rest) else table


def _marked_up_row(row: Sequence[str], tag: str) -> str:
    align = ' align="left"' if tag == "th" else ""
    return f"<tr>{''.join(f'<{tag}{align}>{html.escape(cell)}</{tag}>' for cell in row)}</tr>"


def _more(number: int) -> str:
    return f"and {number} more"


def _fitting(lines: Sequence[str], limit: int) -> int:
    """Returns how many of the lines fit."""
    left = limit
    for number, line in enumerate(lines):
        left -= len(line) + 1
        if left < 0:
            return number
    return len(lines)
