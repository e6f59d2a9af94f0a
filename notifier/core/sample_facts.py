"""Made-up appointments and what a template may say about them: to try templates with before anything has happened."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import structs

from notifier.core.appointment import Appointment
from notifier.core.change import FieldChange, Kind
from notifier.core.event import Event
from notifier.core.facts import facts
from notifier.core.grant import ALL, NO_TEXTS, Texts, mask
from notifier.core.readers import Readers

SAMPLE_TEXTS: Texts = {
    "answers": [
        {"answerType": "SUBJECT_QUESTIONNAIRE", "question": {"id": "21"}, "value": "Made up"},
        {"answerType": "SUBJECT_QUESTIONNAIRE", "question": {"id": "22"}, "selectedAnswerOptions": [{"id": "23"}]},
    ],
    "internal_notes": "Made up",
    "location": {"formattedAddress": "1 Made-up Street, Nowhere"},
    "message_for_customer": "Made up",
    "metadata": {"made": "up"},
    "video_links": ["https://video.example.com/made-up"],
}
"""One of each personal text, nobody's."""


SAMPLE_TIME = datetime(2026, 1, 1, tzinfo=UTC)
"""When the samples were changed, and begin."""


def sample_states() -> tuple[Appointment, Appointment]:
    """Returns two made-up appointments: one that has all that there can be, and the least."""
    least = Appointment(id="1", status="ACCEPTED", updated_at=SAMPLE_TIME)
    full = structs.replace(
        least,
        start=SAMPLE_TIME,
        end=SAMPLE_TIME + timedelta(hours=1),
        created_at=SAMPLE_TIME,
        meeting_type="VIDEO",
        office="2",
        subject="3",
        employee="4",
        customer="5",
        other_employees=("6",),
        other_customers=("7",),
        external_id="8",
        listing="9",
        lead_segment="10",
        callback_request="11",
        meeting_room="12",
        hybrid=True,
        trailing_buffer_time=5,
        created_by="5",
        created_by_type="CUSTOMER",
        created_from="PLUGIN",
        updated_by="4",
        updated_by_type="EMPLOYEE",
        updated_from="BACKOFFICE_APP",
    )
    return full, least


def sample_facts() -> tuple[tuple[str, Mapping[str, object]], ...]:
    """Returns facts to try templates with, and how to say which: all that there can be, and the least."""
    full, least = sample_states()
    return (
        ("", sample(full, full, SAMPLE_TEXTS)),
        ("for an undated appointment that was not known before, ", sample(None, least)),
    )


def sample(before: Appointment | None, after: Appointment, texts: Texts = NO_TEXTS) -> Mapping[str, object]:
    """Returns the facts of a made-up event."""
    event = Event(
        id="0" * 20,
        source="source",
        sweep="near",
        kinds=(Kind.STATUS_CHANGED,),
        changes=(FieldChange("status", before and before.status, after.status),),
        before=before,
        after=after,
        detected_at=SAMPLE_TIME,
    )
    return facts(mask(event, ALL, texts), "rule", "description", Readers(ZoneInfo("UTC")), SAMPLE_TIME)
