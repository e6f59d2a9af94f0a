"""The tables of `rules/*.test.toml`: every key that a case may have, and what the key takes.

`case_file.py` turns them into the values that a run of the cases works with.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from notifier.config.directory_section import EntriesTable
from notifier.config.spelling import choices
from notifier.config.table import Duration, Table, Text, among, among_context, as_tuple, wrong, wrong_value
from notifier.core.appointment import MEETING_TYPES, STATUSES
from notifier.core.duration import parse_duration
from notifier.core.silence import KEYS

NONE = ""
"""How a case says that an appointment does not have something."""

When = datetime | time | timedelta
"""A moment as an author writes it: a date and time, a time of the day, or how long after the step that it stands in."""

_WRITTEN = (
    'must be a time without quotes like 2026-11-24T08:00:00 or 08:00:00, or a duration in quotes like "2h" or "-1d"'
)


def when(value: object) -> When:
    """Takes a moment in any of the ways in which TOML writes one, or a duration."""
    try:
        if isinstance(value, str):
            return parse_duration(value)
    except (ValueError, OverflowError):
        raise wrong_value(_WRITTEN) from None
    if isinstance(value, datetime | time):
        return value
    given = "a date without a time" if isinstance(value, date) else "this"
    raise wrong(f"{_WRITTEN}, not {given}")


def optional_when(value: object) -> When | str:
    """Takes a moment, or an empty text for none."""
    return NONE if value == NONE else when(value)


def moment_of(moment: When, base: datetime, zone: ZoneInfo) -> datetime:
    """Returns the moment that is meant, seen from another one; what has no zone is local."""
    if isinstance(moment, timedelta):
        return base + moment
    if isinstance(moment, time):
        moment = datetime.combine(base.astimezone(zone).date(), moment)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _silence_key(value: str) -> str:
    if value not in KEYS:
        raise wrong(f"is nothing that a silence can ask for{choices(value, KEYS)}")
    return value


_AsTuple = BeforeValidator(as_tuple)
# To editors, the times of TOML are texts.
_AnyText = WithJsonSchema({"type": "string"})
AnyWhen = Annotated[datetime | time | timedelta, BeforeValidator(when), _AnyText]
OptionalWhen = Annotated[datetime | time | timedelta | Literal[""], BeforeValidator(optional_when), _AnyText]
Texts = Annotated[tuple[Text, ...], _AsTuple]
Ids = Annotated[tuple[Text, ...], _AsTuple]


class AppointmentTable(Table):
    """An appointment before or after a change; only what matters."""

    id: Text | None = None
    status: Annotated[str, among("status", STATUSES)] | None = None
    start: OptionalWhen | None = None
    end: OptionalWhen | None = None
    created_at: OptionalWhen | None = None
    updated_at: AnyWhen | None = None
    meeting_type: Annotated[str, among("meeting type", (*MEETING_TYPES, NONE))] | None = None
    office: str | None = None
    subject: str | None = None
    employee: str | None = None
    customer: str | None = None
    other_employees: Ids | None = None
    other_customers: Ids | None = None
    external_id: str | None = None
    listing: str | None = None
    lead_segment: str | None = None
    callback_request: str | None = None
    meeting_room: str | None = None
    hybrid: bool | None = None
    trailing_buffer_time: int | None = None
    created_by: str | None = None
    created_by_type: str | None = None
    created_from: str | None = None
    updated_by: str | None = None
    updated_by_type: str | None = None
    updated_from: str | None = None
    answers: str | None = None
    internal_notes: str | None = None
    location: str | None = None
    message_for_customer: str | None = None
    metadata: str | None = None
    video_links: str | None = None


class SentTable(Table):
    """A message that must come."""

    #: Where it comes.
    channel: Annotated[str, among_context("channel", "channels")]
    #: The rule that sends it; left out: any.
    rule: Annotated[str, among_context("rule", "rules")] | None = None
    #: When it comes: a time, a time of the day, or how long after the step; left out: at any time in it.
    at: AnyWhen | None = None
    #: The whole title.
    title: str | None = None
    #: The whole body.
    body: str | None = None
    #: What stands somewhere in title or body.
    text: Texts = ()


class SilenceTable(Table):
    """What nobody is to hear of from then on."""

    #: Of which rules; left out: of all.
    rule: Annotated[tuple[Annotated[str, among_context("rule", "rules")], ...], _AsTuple] = ()
    #: Of which appointments, as in { office = "12" }.
    where: dict[Annotated[str, AfterValidator(_silence_key)], Texts] = Field(default={})
    #: When it ends.
    until: AnyWhen
    #: Who wants it.
    author: Text = "somebody"
    #: Why.
    why: Text = "for a while"


class StepTable(Table):
    """What happens at one moment of a case, and what comes of it until the next one."""

    #: What an appointment becomes; what is left out stays as it was.
    change: Annotated[tuple[AppointmentTable, ...], _AsTuple] = ()
    #: Ids of appointments that the source does not list any more.
    vanish: Ids = ()
    #: What nobody is to hear of from then on.
    silence: Annotated[tuple[SilenceTable, ...], _AsTuple] = ()
    #: The messages that must come, and no others.
    sent: Annotated[tuple[SentTable, ...], _AsTuple] = ()


class ThenTable(StepTable):
    """`[[case.then]]`: what happens later."""

    #: How long after the step before.
    after: Duration


class CaseTable(StepTable):
    """`[[case]]`."""

    #: What it shows, in a sentence.
    name: Text
    #: When it begins, by the clock of the configuration or with a zone.
    at: Annotated[datetime, Field(strict=True), _AnyText] = datetime(2026, 11, 24, 8)  # noqa: DTZ001 - local, in any zone
    #: Where the appointments are; left out: in the first source.
    source: Annotated[str, among_context("source", "sources")] | None = None
    #: What things are called and who hears of them, beside what the directory of the configuration says.
    directory: EntriesTable = EntriesTable()
    #: What there was; left out: nothing.
    before: Annotated[tuple[AppointmentTable, ...], _AsTuple] = ()
    #: What happens later, one step after the other.
    then: Annotated[tuple[ThenTable, ...], _AsTuple] = ()


class CaseFileTable(Table):
    """The whole of a file with cases."""

    #: The cases, each by itself.
    case: Annotated[tuple[CaseTable, ...], _AsTuple] = ()
