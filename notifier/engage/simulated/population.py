"""Many plausible appointments at once, for a full calendar: the same ones for the same seed and moment."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from notifier.engage.simulated.document import Booking, Party, add_answer, draft, sign

OFFICES: Final = ("11", "12", "13", "14")
SUBJECTS: Final = ("51", "52", "53", "54", "55")
EMPLOYEES: Final = tuple(str(number) for number in range(301, 313))
CUSTOMERS: Final = tuple(str(number) for number in range(201, 300))
MEETINGS: Final = ("OFFICE", "OFFICE", "OFFICE", "VIDEO", "VIDEO", "PHONE", "ON_LOCATION")
DURATIONS: Final = tuple(timedelta(minutes=minutes) for minutes in (30, 45, 60, 60, 90))
REASONS: Final = ("Found another date", "Is ill", "No longer needed", "Chose another branch")

QUARTER: Final = timedelta(minutes=15)
OPENS, CLOSES, SATURDAY = 8, 17, 5  # hours of the day in UTC, and a day of the week

# The first rows are what a life needs to begin with, at any hour of any day: one to cancel at short notice, one whose
# customer is late, one to move.
FIRST_STARTS: Final = (timedelta(hours=3), timedelta(minutes=-20), timedelta(hours=26))

PAST: Final = (
    ("COMPLETED", 80),
    ("CANCELLED", 11),
    ("NO_SHOW", 5),
    ("ACCEPTED", 4),
)
FUTURE: Final = (
    ("ACCEPTED", 80),
    ("INCOMING_REQUEST", 7),
    ("CANCELLED", 7),
    ("OUTGOING_INVITE", 4),
    ("ALTERNATIVE_DATE_REQUESTED", 2),
)


def populate(
    ids: Sequence[str], seed: int, now: datetime, spread: tuple[timedelta, timedelta]
) -> Iterator[dict[str, Any]]:
    """One appointment for each id, its start within the spread around now."""
    chance = Random(seed)  # noqa: S311 - a calendar is to be repeatable, not secret
    slots = _slots(now + spread[0], now + spread[1])
    firsts = [quarter(now + offset) for offset in FIRST_STARTS if spread[0] <= offset <= spread[1]]
    for number, appointment_id in enumerate(ids):
        first = number < len(firsts)
        start = firsts[number] if first else chance.choice(slots)
        status = "ACCEPTED" if first else _status(chance, start < now)
        yield _appointment(chance, appointment_id, status, start, now)


def any_booking(chance: Random, start: datetime | None) -> Booking:
    """A booking of somebody with somebody about something, at a given time."""
    number = chance.randrange(1_000_000)
    return Booking(
        start=start,
        end=None if start is None else start + chance.choice(DURATIONS),
        office=chance.choice(OFFICES),
        subject=chance.choice(SUBJECTS),
        customer=chance.choice(CUSTOMERS),
        employee=chance.choice(EMPLOYEES),
        meeting_type=chance.choice(MEETINGS),
        external_id=f"CRM-{number}" if number % 3 == 0 else None,
        listing=f"{91 + number % 5}" if number % 10 == 0 else None,
        lead_segment=f"{61 + number % 3}" if number % 4 == 0 else None,
        callback_request=f"{number}" if number % 20 == 0 else None,
        trailing_buffer=5 * (number % 3),
        notes="Has called before" if number % 5 == 0 else None,
    )


def quarter(at: datetime) -> datetime:
    """The quarter of an hour in which a moment lies."""
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)


def is_open(at: datetime) -> bool:
    """Whether offices are open."""
    return OPENS <= at.hour < CLOSES and at.weekday() < SATURDAY


def _slots(since: datetime, until: datetime) -> list[datetime]:
    """The quarters of an hour in which one may begin: within opening hours, unless there are none."""
    first = quarter(since)
    every = [first + QUARTER * number for number in range(1, max(2, (until - first) // QUARTER + 1))]
    return [slot for slot in every if is_open(slot)] or every


def _status(chance: Random, past: bool) -> str:  # noqa: FBT001 - names one of the two tables
    table = PAST if past else FUTURE
    return chance.choices([status for status, _ in table], [weight for _, weight in table])[0]


def _appointment(chance: Random, appointment_id: str, status: str, start: datetime, now: datetime) -> dict[str, Any]:
    """An appointment that was made some days ago and, unless it is as it was made, settled since."""
    by: Party = "CUSTOMER" if status == "INCOMING_REQUEST" else "EMPLOYEE"
    made_at = min(start, now) - timedelta(
        minutes=chance.randrange(10, 30 * 24 * 60), milliseconds=chance.randrange(60_000)
    )
    booking = any_booking(chance, None if status == "OUTGOING_INVITE" else start)
    raw = draft(appointment_id, booking, status, made_at, by)
    if status in {"COMPLETED", "NO_SHOW", "CANCELLED", "ALTERNATIVE_DATE_REQUESTED"}:
        _settle(chance, raw, start, made_at, now)
    return raw


def _settle(chance: Random, raw: dict[str, Any], start: datetime, made_at: datetime, now: datetime) -> None:
    """Date the last change of an appointment: after the start if people met or missed each other, else before it."""
    met = raw["status"] in {"COMPLETED", "NO_SHOW"}
    since, until = (start, min(now, start + timedelta(hours=8))) if met else (made_at, min(now, start))
    at = since + (until - since) * chance.random()
    by: Party = "CUSTOMER" if raw["status"] == "CANCELLED" and chance.random() < 0.6 else "EMPLOYEE"  # noqa: PLR2004
    if raw["status"] == "CANCELLED":
        add_answer(raw, "APPOINTMENT_CANCELLATION", chance.choice(REASONS), at)
    sign(raw, at, by)
