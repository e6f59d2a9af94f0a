"""An appointment as this program knows it: ids, states and times; personal text only as fingerprints.

The names are those of the API in snake case. `watched` and `APPOINTMENT_FIELDS` define once which differences
count as a change: the fields that move at every write (`updated_at` and kin) describe a change, they are none.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, get_args

from msgspec import Struct

KnownStatus = Literal[
    "ACCEPTED",
    "ALTERNATIVE_DATE_REQUESTED",
    "CANCELLED",
    "COMPLETED",
    "INCOMING_REQUEST",
    "NO_SHOW",
    "OUTGOING_INVITE",
]
STATUSES: tuple[str, ...] = get_args(KnownStatus)
"""The documented statuses; the vendor may add more, which pass as text."""

ENDINGS = frozenset({"CANCELLED", "COMPLETED", "NO_SHOW"})
"""Statuses in which no appointment begins, and after which seldom another follows; none is final for certain."""

KnownMeetingType = Literal["OFFICE", "ON_LOCATION", "PHONE", "VIDEO"]
MEETING_TYPES: tuple[str, ...] = get_args(KnownMeetingType)
"""The documented meeting types; the vendor may add more, which pass as text."""

TEXT_FIELDS = ("answers", "internal_notes", "location", "message_for_customer", "metadata", "video_links")
"""Personal text: only a keyed hash of it is kept, so that a change of it is seen and nothing can be read."""

Fingerprints = tuple[tuple[str, str], ...]


class Appointment(Struct, frozen=True, omit_defaults=True, gc=False):
    """One record of the source at one moment; all times are aware UTC.

    A struct, where the other values are dataclasses: there are a hundred thousand of these at the first look, and a
    frozen dataclass of so many fields takes five times as long to make and ten times as long to write. What a field
    does not have is left out of its JSON. The cycle collector need not look at them: what they hold can't hold them.
    `msgspec.structs.replace` returns a copy with other values.
    """

    id: str
    status: str
    updated_at: datetime
    start: datetime | None = None
    end: datetime | None = None
    created_at: datetime | None = None
    meeting_type: str | None = None
    office: str | None = None
    subject: str | None = None
    #: The primary employee and customer, then everybody else who takes part.
    employee: str | None = None
    customer: str | None = None
    other_employees: tuple[str, ...] = ()
    other_customers: tuple[str, ...] = ()
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
    #: Sorted pairs of a name from TEXT_FIELDS and the keyed hash of its text; absent when the text is empty.
    fingerprints: Fingerprints = ()


APPOINTMENT_FIELDS = tuple(name for name in Appointment.__struct_fields__ if name != "fingerprints")
"""What an appointment has that may be shown, in the order of the record."""

BOOKKEEPING_FIELDS = frozenset(
    {
        "id",
        "created_at",
        "created_by",
        "created_by_type",
        "created_from",
        "updated_at",
        "updated_by",
        "updated_by_type",
        "updated_from",
    }
)
"""Fields that tell who wrote and when; a difference in them alone is no change."""

WATCHED_FIELDS = tuple(name for name in APPOINTMENT_FIELDS if name not in BOOKKEEPING_FIELDS) + TEXT_FIELDS
"""Every field whose difference is a change; what a rule may name in `where.changed`."""


def watched(appointment: Appointment) -> Mapping[str, object]:
    """Returns the value of every watched field; a personal text is represented by its fingerprint or None."""
    texts = dict(appointment.fingerprints)
    return {name: texts.get(name) if name in TEXT_FIELDS else getattr(appointment, name) for name in WATCHED_FIELDS}
