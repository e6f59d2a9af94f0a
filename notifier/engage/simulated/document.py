"""The documented shape of an appointment: how the simulator writes one, answers and origins included."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from notifier.engage.simulated.row import write_time

Party = Literal["CUSTOMER", "EMPLOYEE"]

STATUSES: Final = frozenset(
    {
        "ACCEPTED",
        "ALTERNATIVE_DATE_REQUESTED",
        "CANCELLED",
        "COMPLETED",
        "INCOMING_REQUEST",
        "NO_SHOW",
        "OUTGOING_INVITE",
    }
)
MEETING_TYPES: Final = frozenset({"OFFICE", "ON_LOCATION", "PHONE", "VIDEO"})

# Only EMPLOYEE with BACKOFFICE_APP is documented; a customer's side must exist, its spelling is a guess.
ORIGINS: Final[dict[Party, str]] = {"EMPLOYEE": "BACKOFFICE_APP", "CUSTOMER": "PLUGIN"}

HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Booking:
    """What is agreed when an appointment is made."""

    start: datetime | None = None  # None only for an invite
    end: datetime | None = None  # left out: an hour after the start
    office: str = "11"
    subject: str = "51"
    customer: str = "201"
    employee: str = "301"
    meeting_type: str = "OFFICE"
    external_id: str | None = None
    listing: str | None = None
    lead_segment: str | None = None
    callback_request: str | None = None
    hybrid: bool = False
    trailing_buffer: int = 0  # minutes
    notes: str | None = None  # for staff only
    message: str | None = None  # for the customer

    def __post_init__(self) -> None:
        if self.end is None and self.start is not None:
            object.__setattr__(self, "end", self.start + HOUR)


def draft(appointment_id: str, booking: Booking, status: str, at: datetime, by: Party) -> dict[str, Any]:
    """A new appointment, made at a moment by one of its two parties."""
    made_at, made_by = write_time(at), {"id": booking.customer if by == "CUSTOMER" else booking.employee}
    return {
        "id": appointment_id,
        "externalId": booking.external_id,
        "start": None if booking.start is None else write_time(booking.start),
        "end": None if booking.end is None else write_time(booking.end),
        "subject": {"id": booking.subject},
        "office": {"id": booking.office},
        "appointmentParticipants": [
            _participant(appointment_id, "CUSTOMER", booking.customer, booking.meeting_type),
            _participant(appointment_id, "EMPLOYEE", booking.employee, booking.meeting_type),
        ],
        "answers": [],
        "callbackRequest": _reference(booking.callback_request),
        "listing": _reference(booking.listing),
        "leadSegment": _reference(booking.lead_segment),
        "meetingType": booking.meeting_type,
        "status": status,
        "hybrid": booking.hybrid,
        "trailingBufferTime": booking.trailing_buffer,
        "internalNotes": booking.notes,
        "messageForCustomer": booking.message,
        "createdAt": made_at,
        "createdBy": made_by,
        "createdByType": by,
        "createdFrom": ORIGINS[by],
        "updatedAt": made_at,
        "updatedBy": made_by,
        "updatedByType": by,
        "updatedFrom": ORIGINS[by],
        "location": location(booking.customer) if booking.meeting_type == "ON_LOCATION" else None,
    }


def sign(raw: dict[str, Any], at: datetime, by: Party) -> None:
    """Note on an appointment who changed it last, and when."""
    person = primary(raw, by)
    raw["updatedAt"] = write_time(at)
    raw["updatedBy"] = None if person is None else {"id": person["participant"]["id"]}
    raw["updatedByType"] = by
    raw["updatedFrom"] = ORIGINS[by]


def primary(raw: dict[str, Any], party: Party) -> dict[str, Any] | None:
    """The primary participant of one party; a row that was put by hand may have none."""
    participants: list[dict[str, Any]] = raw.get("appointmentParticipants") or []
    return next((one for one in participants if (one["role"], one["type"]) == ("PRIMARY", party)), None)


def add_answer(raw: dict[str, Any], kind: str, text: str, at: datetime) -> None:
    """Append an answer to one of the subject's forms, such as the reason of a cancellation."""
    answers: list[dict[str, Any]] = raw.setdefault("answers", [])
    made_at = write_time(at)
    answers.append(
        {
            "id": f"{raw['id']}{len(answers) + 1}",
            "value": text,
            "selectedAnswerOptions": [],
            "files": [],
            "form": {"id": "71"},
            "question": {"id": "81"},
            "answerType": kind,
            "createdAt": made_at,
            "updatedAt": made_at,
        }
    )


def meet(raw: dict[str, Any], meeting_type: str) -> None:
    """Change how the parties meet, with the address and the video links that go with it."""
    raw["meetingType"] = meeting_type
    for one in raw["appointmentParticipants"]:
        one.update(_participant(raw["id"], one["type"], one["participant"]["id"], meeting_type, one["role"]))
    customer = primary(raw, "CUSTOMER")
    here = meeting_type == "ON_LOCATION" and customer is not None
    raw["location"] = location(customer["participant"]["id"]) if here and customer else None


def location(customer: str) -> dict[str, Any]:
    """The address of a customer, in the shape that appointments carry."""
    return {
        "city": {"language": "en", "value": "Ghent"},
        "state": None,
        "street1": {"language": "en", "value": f"Example Street {customer}"},
        "street2": None,
        "postalCode": "9000",
        "countryCode": "BE",
        "geolocation": {"latitude": 51.0479466, "longitude": 3.6912248},
        "formattedAddress": f"Example Street {customer}, 9000 Ghent, Belgium",
    }


def _reference(identifier: str | None) -> dict[str, str] | None:
    return None if identifier is None else {"id": identifier}


def _participant(
    appointment_id: str, party: Party, identifier: str, meeting_type: str, role: str = "PRIMARY"
) -> dict[str, Any]:
    room = f"https://video.example.com/{appointment_id}/{identifier}" if meeting_type == "VIDEO" else None
    return {
        "role": role,
        "type": party,
        "participant": {"id": identifier},
        "videoUrl": room,
        "videoTestUrl": None if room is None else f"{room}/test",
    }
