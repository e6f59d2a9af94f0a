"""One appointment of the simulator: its JSON text, and beside it what the list operation compares.

The text is the truth. What queries ask for is read out of it once, when the row changes, so that neither a page of
a thousand rows nor a filter over a hundred thousand parses or serialises anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import orjson

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
SHARED: Final = 10_000  # values that rows have in common


def write_time(at: datetime) -> str:
    """A moment in the API's spelling, cut to milliseconds: ``2022-08-17T09:00:00.000Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def instant(at: datetime) -> int:
    """A moment as microseconds since 1970, which compare faster than datetimes do."""
    return (at - EPOCH) // MICROSECOND


@dataclass(frozen=True, slots=True)
class Row:
    """One appointment at one moment; a change makes a new row in the old one's place."""

    id: str
    position: int  # rank by insertion, kept through changes
    change: int  # which change of the enterprise made it what it is
    body: bytes  # the serialised appointment
    status: str | None
    meeting_type: str | None
    external_id: str | None
    start: int | None  # microseconds since 1970; None when undated
    end: int | None  # the same; never None when start is not
    updated: int | None  # the same, of `updatedAt`
    office: str | None
    subject: str | None
    listing: str | None
    lead_segment: str | None
    callback_request: str | None
    customers: tuple[str, ...]  # of either role, in the appointment's order
    employees: tuple[str, ...]

    @classmethod
    def of(cls, raw: Mapping[str, Any], key: str, position: int, change: int) -> "Row":
        """Index a JSON-able appointment; what is missing or malformed matches no filter, but is served as it is."""
        start = _instant_in(raw.get("start"))
        return cls(
            id=key,
            position=position,
            change=change,
            # Copied, since orjson's own bytes keep their whole work buffer, of eight kilobytes, alive.
            body=bytes(memoryview(orjson.dumps(raw))),
            status=_text(raw.get("status")),
            meeting_type=_text(raw.get("meetingType")),
            external_id=_text(raw.get("externalId")),
            start=start,
            end=None if start is None else (_instant_in(raw.get("end")) or start),
            updated=_instant_in(raw.get("updatedAt")),
            office=_id_in(raw.get("office")),
            subject=_id_in(raw.get("subject")),
            listing=_id_in(raw.get("listing")),
            lead_segment=_id_in(raw.get("leadSegment")),
            callback_request=_id_in(raw.get("callbackRequest")),
            customers=_party(raw, "CUSTOMER"),
            employees=_party(raw, "EMPLOYEE"),
        )

    def raw(self) -> dict[str, Any]:
        """A fresh copy of the appointment, free to be altered."""
        raw: dict[str, Any] = orjson.loads(self.body)
        return raw

    @property
    def starts_at(self) -> datetime | None:
        """When the appointment begins."""
        return None if self.start is None else EPOCH + timedelta(microseconds=self.start)

    @property
    def ends_at(self) -> datetime | None:
        """When the appointment ends."""
        return None if self.end is None else EPOCH + timedelta(microseconds=self.end)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _id_in(value: object) -> str | None:
    return _text(value.get("id")) if isinstance(value, dict) else None


def _party(raw: Mapping[str, Any], party: str) -> tuple[str, ...]:
    participants = raw.get("appointmentParticipants")
    if not isinstance(participants, list):
        return ()
    ids = [_id_in(one.get("participant")) for one in participants if isinstance(one, dict) and one.get("type") == party]
    return _shared(tuple(found for found in ids if found is not None))


@lru_cache(SHARED)
def _shared(people: tuple[str, ...]) -> tuple[str, ...]:
    """The same people, in the one tuple that all their rows keep: a quarter of a row's memory otherwise."""
    return people


def _instant_in(value: object) -> int | None:
    return _read_time(value) if isinstance(value, str) else None


@lru_cache(SHARED)
def _read_time(text: str) -> int | None:
    """The moment of a text; appointments begin at the same times, over and over again."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant(at if at.tzinfo else at.replace(tzinfo=UTC))
