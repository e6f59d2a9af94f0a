"""Records as nearly all of them are, read in one go: every field known, every value of the kind that is documented.

At the first look a hundred thousand come, and checking each with all that `payload` is lenient about takes twice as
long. Whatever is unfamiliar here in any way is no error: it is left to `payload`, which would read the rest the same.
"""

from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from notifier.core.appointment import KnownMeetingType, KnownStatus

Word = Annotated[str, Meta(min_length=1)]


class FamiliarReference(Struct, gc=False):
    """What names another thing."""

    id: Word


class FamiliarParticipant(Struct, rename="camel", gc=False):
    """Somebody who takes part."""

    role: Literal["PRIMARY", "SECONDARY"]
    type: Literal["CUSTOMER", "EMPLOYEE"]
    participant: FamiliarReference
    video_url: str | None = None
    video_test_url: str | None = None


class FamiliarRecord(Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """A record in which nothing is odd; what may be left out and what may be null are told apart where it matters."""

    id: Word
    status: KnownStatus
    updated_at: datetime
    start: datetime | None = None
    end: datetime | None = None
    created_at: datetime | None = None
    external_id: str | None = None
    meeting_type: KnownMeetingType | UnsetType = UNSET
    office: FamiliarReference | UnsetType = UNSET
    subject: FamiliarReference | UnsetType = UNSET
    listing: FamiliarReference | None = None
    lead_segment: FamiliarReference | None = None
    callback_request: FamiliarReference | None = None
    meeting_room: FamiliarReference | None = None
    hybrid: bool | None = None
    trailing_buffer_time: int | None = None
    created_by: FamiliarReference | None = None
    created_by_type: str | None = None
    created_from: str | None = None
    updated_by: FamiliarReference | None = None
    updated_by_type: str | None = None
    updated_from: str | None = None
    appointment_participants: list[FamiliarParticipant] | UnsetType = UNSET
    answers: list[Any] | UnsetType = UNSET
    internal_notes: Any = None
    location: Any = None
    message_for_customer: Any = None
    metadata: Any = None


_read = msgspec.json.Decoder(FamiliarRecord).decode


def read_familiar(content: bytes | msgspec.Raw) -> FamiliarRecord | None:
    """Returns the record; None where anything in it is odd."""
    try:
        record = _read(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    for moment in (record.updated_at, record.start, record.end, record.created_at):
        # Further out, a moment has no local time in some zones.
        if moment is not None and (moment.tzinfo is not UTC or not MINYEAR < moment.year < MAXYEAR):
            return None
    return record
