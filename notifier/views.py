"""What the commands print: plain text that fits 80 columns, or one JSON document. Nothing here reads or writes."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from textwrap import fill
from zoneinfo import ZoneInfo

import orjson
from msgspec import structs

from notifier.core.appointment import Appointment
from notifier.core.bundle import read_bundle
from notifier.core.change import FieldChange
from notifier.core.delivery import Reason, State
from notifier.core.duration import say_brief
from notifier.core.event import Event
from notifier.core.headline import headline
from notifier.core.language import ENGLISH
from notifier.core.plan import Known
from notifier.core.rule import STOPPED, TAKEN, TOO_LATE, UNKNOWN, Verdict
from notifier.core.silence import say_what
from notifier.drift import Difference
from notifier.inquiry import Story
from notifier.preview import Draft, Preview
from notifier.store.history import AttemptRecord, DeliveryRecord, EventRecord
from notifier.store.letters import DECIDABLE
from notifier.store.silences import SilenceRecord

WIDTH = 80
SHORT_ID = 10
"""Digits of an id in a table; enough to name it to `explain`."""

WIDEST_NAMES = 40
"""The widest column of names beside which a text is set; behind longer names it goes on below."""


def as_json(value: object) -> str:
    """Returns one indented JSON document; times are ISO 8601, durations seconds."""
    option = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(value, default=_json_default, option=option).decode()


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], cut: Collection[str] = (), width: int = WIDTH) -> str:
    """Returns rows under headers in columns; where they are too wide, the widest of the columns in `cut` is cut."""
    cells = [list(headers), *(list(row) for row in rows)]
    sizes = [max(len(row[number]) for row in cells) for number in range(len(headers))]
    able = [number for number, header in enumerate(headers) if header in cut or not cut]
    while sum(sizes) + 2 * (len(sizes) - 1) > width and max(sizes[number] for number in able) > 1:
        sizes[max(able, key=lambda number: sizes[number])] -= 1
    return "\n".join(
        "  ".join(_fit(cell, size) for cell, size in zip(row, sizes, strict=True)).rstrip() for row in cells
    )


def wrap(line: str, indent: str = "") -> str:
    """Returns the line as several that fit; a single word that does not, like an address, stays whole."""
    wrapped = fill(line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return wrapped or line.rstrip()


def say_time_of(moment: datetime | None, zone: ZoneInfo) -> str:
    """Returns a local time to the second, as logs have it; a dash for none."""
    return "-" if moment is None else f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def say_minute(moment: datetime | None, zone: ZoneInfo) -> str:
    """Returns a local time to the minute, as short as a table wants it; a dash for none."""
    return "-" if moment is None else f"{moment.astimezone(zone):%m-%d %H:%M}"


def say_lag(lag: timedelta | None) -> str:
    """Returns how long something took to be noticed; a dash for unknown."""
    return "-" if lag is None else say_brief(lag)


def show_events(records: Sequence[EventRecord], zone: ZoneInfo) -> str:
    """Returns a table of events, newest first."""
    if not records:
        return "No events on record."
    rows = (
        (
            say_minute(record.event.detected_at, zone),
            record.event.id[:SHORT_ID],
            record.event.after.id,
            headline(record.event),
            ", ".join(_concerned(record.verdicts)) or "-",
        )
        for record in records
    )
    return table(("SEEN", "EVENT", "APPOINTMENT", "WHAT", "RULES"), rows, cut=("APPOINTMENT", "WHAT", "RULES"))


def _concerned(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Yields the rules that an event met, with those that would have told it had it been noticed sooner."""
    for verdict in verdicts:
        if verdict.matched:
            yield verdict.rule
        elif verdict.key == TOO_LATE:
            yield f"{verdict.rule} (too late)"


def show_deliveries(records: Sequence[DeliveryRecord], zone: ZoneInfo) -> str:
    """Returns a table of deliveries, newest first."""
    if not records:
        return "No deliveries on record."
    rows = (
        (
            record.delivery.id[:SHORT_ID],
            record.delivery.event_id[:SHORT_ID],
            record.delivery.channel,
            record.delivery.rule,
            record.state.value,
            _short_reason(record),
            say_minute(record.settled_at or record.delivery.due_at, zone),
        )
        for record in records
    )
    # The time is when it was settled, or when it is due.
    return table(("DELIVERY", "EVENT", "CHANNEL", "RULE", "STATE", "REASON", "AT"), rows, cut=("CHANNEL", "RULE"))


def _short_reason(record: DeliveryRecord) -> str:
    if record.superseded_by is not None:
        return f"by {record.superseded_by.delivery[:SHORT_ID]}"
    if record.bundled_in not in {None, record.delivery.id}:
        return f"with {record.bundled_in[:SHORT_ID]}"
    if record.state is State.PENDING and record.delivery.bundle and not record.attempts:
        return read_bundle(record.delivery.bundle).kind.value
    return record.reason.value if record.reason else "-"


def show_silences(records: Sequence[SilenceRecord], zone: ZoneInfo) -> str:
    """Returns a table of silences, the first made first, and below it what each is about, and why."""
    if not records:
        return "No silences."
    rows = (
        (
            str(record.silence.id),
            f"{(record.silence.ended_at or record.silence.until).astimezone(zone):%Y-%m-%d %H:%M}",
            "lasts" if record.lasts else "over",
            str(record.swallowed),
            record.silence.author,
        )
        for record in records
    )
    shown = table(("SILENCE", "UNTIL", "STATE", "SWALLOWED", "BY"), rows, cut=("BY",))
    abouts = (f"{record.silence.id}: {say_what(record.silence)} ({record.silence.why})" for record in records)
    return "\n".join([shown, *(wrap(about, "   ") for about in abouts)])


def show_drift(drift: Sequence[Difference]) -> str:
    """Returns where snapshot and source differ."""
    if not drift:
        return "The snapshot is as the source has it."
    rows = ((f"{one.source}/{one.sweep}", one.appointment, one.what) for one in drift)
    counted = "1 appointment differs." if len(drift) == 1 else f"{len(drift)} appointments differ."
    return f"{table(('SWEEP', 'APPOINTMENT', 'A POLL WOULD SEE'), rows)}\n\n{counted}"


def show_story(story: Story, zone: ZoneInfo) -> str:
    """Returns why an event was told to whom, or to nobody: every rule's verdict, every attempt."""
    return "\n\n".join(
        (
            show_event(story.record.event, zone),
            show_verdicts(story.record.verdicts),
            "\n".join(_delivery_lines(story, zone)),
        )
    )


def show_event(event: Event, zone: ZoneInfo) -> str:
    """Returns what happened to which appointment, and when it was noticed."""
    after = event.after
    noticed = say_lag(event.detected_at - event.occurred_at)
    by, what = f"found by the sweep {event.sweep}", "changed"
    if event.firing is not None:
        by, what = f"which the rule {event.firing.rule} watches", "due"
    lines = [
        f"Event {event.id}",
        f"  {headline(event)}: {ENGLISH.say_span(after.start, after.end, zone)}",
        f"  appointment {after.id} of {event.source}, {by}",
        f"  {what} {say_time_of(event.occurred_at, zone)}, noticed {noticed} later",
        f"  kinds: {', '.join(event.kinds)}",
    ]
    lines += [f"  {change.field}: {_before_after(change, zone)}" for change in event.changes]
    return "\n".join(wrap(line, "    ") for line in lines)


def show_verdicts(verdicts: Sequence[Verdict]) -> str:
    """Returns each rule's verdict with the key that decided."""
    if not verdicts:
        return "Rules\n  there were none"
    size = min(max(len(verdict.rule) for verdict in verdicts), WIDEST_NAMES)
    lines = (wrap(f"  {verdict.rule:<{size}}  {say_why(verdict)}", " " * (size + 4)) for verdict in verdicts)
    return "\n".join(["Rules", *lines])


def show_preview(preview: Preview, zone: ZoneInfo) -> str:
    """Returns what a poll would do now: events with their verdicts, and the messages as they would arrive."""
    drafts = [draft for one in preview.foreseen for draft in one.drafts]
    silenced = sum(draft.silenced is not None for draft in drafts)
    summary = (
        f"A poll now would store {preview.baseline} appointments in silence at first sight, "
        f"record {len(preview.foreseen)} events and send {len(drafts) - silenced} messages"
        f"{f', and {silenced} would be silenced' if silenced else ''}. Nothing was committed."
    )
    parts = [wrap(summary)]
    for one in preview.foreseen:
        parts += [show_event(one.recorded.event, zone), show_verdicts(one.recorded.verdicts)]
        parts += (_draft(draft, zone) for draft in one.drafts)
    return "\n\n".join(parts)


def _draft(draft: Draft, zone: ZoneInfo) -> str:
    fate = f", not before {say_time_of(draft.not_before, zone)}" if draft.not_before else ""
    fate = f", silenced ({draft.silenced.value})" if draft.silenced else fate
    head = [f"To {draft.channel}, by {draft.rule}{fate}", *_story(draft.story)]
    if draft.message is None:
        head[0] = wrap(f"{head[0]}: the template fails: {draft.failure}", "  ")
        return "\n".join(head)
    lines = [draft.message.title, *draft.message.body.splitlines()]
    return "\n".join([wrap(head[0], "  "), *head[1:], *(wrap(f"  | {line}", "  |   ") for line in lines)])


def _delivery_lines(story: Story, zone: ZoneInfo) -> list[str]:
    if not story.deliveries:
        return ["Deliveries", f"  none: {_say_nobody(story.record.verdicts)}"]
    lines = ["Deliveries"]
    for record, attempts in story.deliveries:
        standing = _standing(record, story.record.event, zone)
        lines.append(wrap(f"  {record.delivery.channel}, by {record.delivery.rule}: {standing}", "    "))
        lines += _story(record.delivery.story)
        lines += _company(record)
        if record.told is not None:
            lines.append(wrap(f"    its message tells: {_say_told(record.told, zone)}", " " * 7))
        lines += (wrap(f"    {_attempt(attempt, zone)}", " " * 7) for attempt in attempts)
    return lines


def _story(story: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yields what was decided about a delivery, a line for each step."""
    return (wrap(f"    {what}: {why}", " " * 7) for what, why in story)


def _say_nobody(verdicts: Sequence[Verdict]) -> str:
    late = [verdict.rule for verdict in verdicts if verdict.key == TOO_LATE]
    return f"it was noticed too late for {' and '.join(late)}" if late else "no rule matched"


def _company(record: DeliveryRecord) -> Iterator[str]:
    """Yields with which others a delivery is told, if with any."""
    if record.bundled_in is not None:
        others = "1 other" if record.told_with == 2 else f"{record.told_with - 1} others"  # noqa: PLR2004
        led = record.bundled_in == record.delivery.id
        of = "" if led else f", that of delivery {record.bundled_in[:SHORT_ID]}"
        yield wrap(f"    told in one message with {others}{of}", " " * 7)


def _standing(record: DeliveryRecord, event: Event, zone: ZoneInfo) -> str:
    if record.state is State.PENDING:
        return f"pending, due {say_time_of(record.delivery.due_at, zone)}"
    if record.state in DECIDABLE:
        return _say_decidable(record)
    if record.state in _UNSENT:
        return f"{record.state.value} {say_time_of(record.settled_at, zone)}, {_UNSENT[record.state](record)}"
    if record.state is not State.HELD:
        return record.state.value
    if record.reason is not Reason.BRAKE:
        return "held until its poll has ended"
    name = f"{event.source}/{event.sweep}"
    return f"held by the brake; notifier release {name} sends it, notifier discard {name} drops it"


def _say_decidable(record: DeliveryRecord) -> str:
    again = f"to send it again: notifier retry {record.delivery.id[:SHORT_ID]}"
    if record.state is State.UNCERTAIN:
        return f"uncertain, it went out and no answer came; {again}"
    doubt = ", though it may have arrived" if record.in_doubt else ""
    return f"dead{doubt}; {again}"


_OVERTAKEN = {
    Reason.COLLAPSED: "a later one tells of it too",
    Reason.UNDONE: "it was undone while it waited",
    Reason.OUTDATED: "while it waited it led to where the rule does not ask for it",
}


def _say_superseded(record: DeliveryRecord) -> str:
    why = _OVERTAKEN[record.reason or Reason.COLLAPSED]
    by = f", that of event {record.superseded_by.event_id[:SHORT_ID]}" if record.superseded_by else ""
    doubt = "; it may have arrived" if record.in_doubt else ""
    return f"{why}{by}{doubt}"


_UNSENT: Mapping[State, Callable[[DeliveryRecord], str]] = {
    State.SUPERSEDED: _say_superseded,
    State.DROPPED: lambda _: "after it had been given up",
    State.DISCARDED: lambda _: "after the brake had held it",
    State.SILENCED: lambda _: "nobody is told",
}


def _say_told(told: Event, zone: ZoneInfo) -> str:
    """Returns what a message tells in place of its event."""
    changes = (f"{change.field}: {_before_after(change, zone)}" for change in told.changes)
    return ", ".join([headline(told), *changes])


def _attempt(attempt: AttemptRecord, zone: ZoneInfo) -> str:
    began = f"{attempt.number}. {say_time_of(attempt.started_at, zone)}"
    if attempt.result is None or attempt.reason is None:
        return f"{began} under way"
    status = f" ({attempt.status})" if attempt.status is not None else ""
    detail = f": {attempt.detail}" if attempt.detail else ""
    return f"{began} {attempt.result.value}, {attempt.reason.value}{status}{detail}"


def say_why(verdict: Verdict) -> str:
    """Returns what a rule said, with the key that decided."""
    if verdict.matched:
        return "matched"
    if verdict.key == STOPPED:
        return f"not asked: {verdict.saw} matched and says stop"
    if verdict.key == TAKEN:
        return f"not asked: it is a fallback, and {verdict.saw} matched"
    return f"no: {verdict.key} wants {verdict.wanted}, saw {verdict.saw}"


def _before_after(change: FieldChange, zone: ZoneInfo) -> str:
    if change.before is None and change.after is None:
        return "changed"
    # What was unknown, as of an appointment seen for the first time, is not the same as none.
    before = UNKNOWN if change.field == "status" and change.before is None else _shown(change.before, zone)
    return f"{before} -> {_shown(change.after, zone)}"


def _shown(value: object, zone: ZoneInfo) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return say_time_of(value, zone) if isinstance(value, datetime) else str(value)


def _fit(cell: str, size: int) -> str:
    return cell.ljust(size) if len(cell) <= size else cell[: max(size - 1, 0)] + "…"


def _json_default(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (Appointment, Verdict)):
        return structs.asdict(value)
    if isinstance(value, Known):
        return {name: one for name, one in structs.asdict(value).items() if name != "digest"}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError
