"""A life for an enterprise: one seeded happening after another, so that there is something to watch.

The same seed, appointments and moments give the same happenings, to the byte. A life opens with what a viewer should
see soon (a late cancellation, a no-show, a move, a request) and goes on at random among what is possible.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from random import Random
from typing import Final, Literal

from notifier.engage.simulated.document import MEETING_TYPES, Party
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.population import EMPLOYEES, OFFICES, QUARTER, REASONS, any_booking, is_open, quarter
from notifier.engage.simulated.row import Row, instant

Verb = Literal[
    "creates",
    "requests",
    "invites",
    "accepts",
    "asks-alternative",
    "cancels",
    "completes",
    "no-show",
    "reschedules",
    "reassigns",
    "relocates",
    "edits",
]

WEIGHTS: Final[Mapping[Verb, int]] = {
    "creates": 20,
    "requests": 12,
    "invites": 5,
    "accepts": 14,
    "asks-alternative": 3,
    "cancels": 14,
    "completes": 10,
    "no-show": 5,
    "reschedules": 10,
    "reassigns": 7,
    "relocates": 3,
    "edits": 5,
}

# The opening verbs; how far ahead the appointment may begin; and the start of one that is booked first when none does.
OPENING: Final[tuple[tuple[Verb, timedelta, timedelta], ...]] = (
    ("cancels", timedelta(hours=24), timedelta(hours=3)),
    ("no-show", timedelta(), timedelta(minutes=-20)),
    ("reschedules", timedelta(hours=48), timedelta(hours=26)),
    ("requests", timedelta(), timedelta()),
)

SOON: Final = timedelta(hours=24)
RECENT: Final = timedelta(hours=12)
FAR: Final = datetime(9000, 1, 1, tzinfo=UTC)
UNDISTURBED: Final = 100  # times that a step is begun anew
LATE: Final = timedelta(minutes=5)  # how long one waits before a customer counts as not coming

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NOTES: Final = ("Brings the contract", "Prefers Dutch", "Needs wheelchair access", "Asks for a second opinion")

Act = Callable[[Sequence[Row], datetime], tuple[str, str] | None]


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that somebody did to an appointment."""

    at: datetime
    verb: Verb
    appointment_id: str
    text: str  # one sentence for people


class Life:
    """Somebody does something to an appointment at each step; `zone` is the one in which its sentences give times."""

    def __init__(self, enterprise: Enterprise, seed: int, zone: tzinfo = UTC) -> None:
        self._enterprise = enterprise
        self._chance = Random(seed)  # noqa: S311 - a life is to be repeatable, not secret
        self._zone = zone
        self._opening = deque(OPENING)
        self._acts: dict[Verb, Act] = {
            "creates": self._create,
            "requests": self._request,
            "invites": self._invite,
            "accepts": self._accept,
            "asks-alternative": self._ask_alternative,
            "cancels": self._cancel,
            "completes": self._complete,
            "no-show": self._miss,
            "reschedules": self._reschedule,
            "reassigns": self._reassign,
            "relocates": self._relocate,
            "edits": self._edit,
        }

    def step(self, now: datetime) -> Happening:
        """Do one thing that is possible now, and say what it was."""
        for _ in range(UNDISTURBED):
            with suppress(KeyError):  # somebody else erased the appointment meanwhile
                return self._live(self._enterprise.rows(), now.astimezone(UTC))
        raise RuntimeError("appointments are erased faster than life goes on")

    def _live(self, rows: Sequence[Row], now: datetime) -> Happening:
        if self._opening:
            return self._open(rows, now)
        weights = dict(WEIGHTS)
        while True:  # ends, since an appointment can always be created
            verb = self._chance.choices(list(weights), list(weights.values()))[0]
            if done := self._acts[verb](rows, now):
                return Happening(now, verb, *done)
            del weights[verb]

    def _open(self, rows: Sequence[Row], now: datetime) -> Happening:
        verb, ahead, offset = self._opening[0]
        if done := self._acts[verb](_starting(rows, now - RECENT, now + ahead), now):
            self._opening.popleft()
            return Happening(now, verb, *done)
        return Happening(now, "creates", *self._book(now, quarter(now + offset)))

    def _create(self, _: Sequence[Row], now: datetime) -> tuple[str, str]:
        return self._book(now, self._start(now))

    def _book(self, now: datetime, start: datetime) -> tuple[str, str]:
        booking = any_booking(self._chance, start)
        made = self._enterprise.create(now, booking)
        return made, f"employee {booking.employee} books customer {booking.customer} for {self._about(made)}"

    def _request(self, _: Sequence[Row], now: datetime) -> tuple[str, str]:
        booking = any_booking(self._chance, self._start(now))
        made = self._enterprise.create(now, booking, "INCOMING_REQUEST", by="CUSTOMER")
        return made, f"customer {booking.customer} requests {self._about(made)}"

    def _invite(self, _: Sequence[Row], now: datetime) -> tuple[str, str]:
        booking = any_booking(self._chance, None)
        made = self._enterprise.invite(now, booking)
        return made, f"employee {booking.employee} invites customer {booking.customer} to {self._about(made)}"

    def _accept(self, rows: Sequence[Row], now: datetime) -> tuple[str, str] | None:
        asked = {"INCOMING_REQUEST", "ALTERNATIVE_DATE_REQUESTED"}
        row = self._one_of([row for row in _starting(rows, since=now) if row.status in asked], now)
        invites = [row for row in rows if row.status == "OUTGOING_INVITE"]
        if invites and (row is None or self._chance.random() < 0.3):  # noqa: PLR2004 - a taste, like the weights
            return self._take_up(self._chance.choice(invites), now)
        if row is None:
            return None
        self._enterprise.accept(row.id, now)
        return row.id, f"{_who(row, 'EMPLOYEE')} accepts {self._about(row.id)}"

    def _take_up(self, row: Row, now: datetime) -> tuple[str, str]:
        start = self._start(now)
        self._enterprise.accept(row.id, now, start, start + timedelta(hours=1), by="CUSTOMER")
        return row.id, f"{_who(row, 'CUSTOMER')} takes up the invite to {self._about(row.id)}"

    def _ask_alternative(self, rows: Sequence[Row], now: datetime) -> tuple[str, str] | None:
        asked = [row for row in _starting(rows, since=now) if row.status == "INCOMING_REQUEST"]
        if (row := self._one_of(asked, now)) is None:
            return None
        self._enterprise.request_alternative(row.id, now)
        return row.id, f"{_who(row, 'EMPLOYEE')} asks for another date instead of {self._about(row.id)}"

    def _cancel(self, rows: Sequence[Row], now: datetime) -> tuple[str, str] | None:
        if (row := self._one_of(_coming(rows, now), now)) is None:
            return None
        by: Party = self._chance.choice(("CUSTOMER", "CUSTOMER", "EMPLOYEE"))
        self._enterprise.cancel(row.id, now, self._chance.choice(REASONS), by)
        return row.id, f"{_who(row, by)} cancels {self._about(row.id)}"

    def _complete(self, rows: Sequence[Row], now: datetime) -> tuple[str, str] | None:
        moment = instant(now)
        over = [row for row in rows if row.status == "ACCEPTED" and row.end is not None and row.end < moment]
        if not over:
            return None
        row = self._chance.choice(over)
        self._enterprise.complete(row.id, now)
        return row.id, f"{_who(row, 'EMPLOYEE')} completes {self._about(row.id)}"

    def _miss(self, rows: Sequence[Row], now: datetime) -> tuple[str, str] | None:
        begun = _starting(rows, since=now - RECENT, until=now - LATE)
        waiting = [row for row in begun if row.status == "ACCEPTED"]
        if not waiting:
            return None
        row = self._chance.choice(waiting)
        self._enterprise.no_show(row.id, now)
        return row.id, f"{_who(row, 'CUSTOMER')} does not show up for {self._about(row.id)}"

    def _reschedule(self, rows: Sequence[Row], now: datetime) -> tuple[str, str] | None:
        row = self._one_of(_coming(rows, now), now)
        if row is None or row.starts_at is None or row.ends_at is None:
            return None
        start, before = self._start(now, other_than=row.starts_at), self._about(row.id)
        by: Party = self._chance.choice(("CUSTOMER", "EMPLOYEE"))
        self._enterprise.reschedule(row.id, now, start, start + (row.ends_at - row.starts_at), by)
        return row.id, f"{_who(row, by)} moves {before} to {self._time(start)}"

    def _reassign(self, rows: Sequence[Row], now: datetime) -> tuple[str, str] | None:
        if (row := self._one_of(_coming(rows, now), now)) is None or not row.employees:
            return None
        colleague = self._chance.choice([one for one in EMPLOYEES if one not in row.employees])
        self._enterprise.reassign(row.id, now, colleague)
        return row.id, f"{_who(row, 'EMPLOYEE')} hands {self._about(row.id)} over to employee {colleague}"

    def _relocate(self, rows: Sequence[Row], now: datetime) -> tuple[str, str] | None:
        if (row := self._one_of(_coming(rows, now), now)) is None:
            return None
        before, who = self._about(row.id), _who(row, "EMPLOYEE")
        if self._chance.random() < 0.5:  # noqa: PLR2004 - either way as often
            office = self._chance.choice([one for one in OFFICES if one != row.office])
            self._enterprise.relocate(row.id, now, office=office)
            return row.id, f"{who} moves {before} to office {office}"
        meeting = self._chance.choice(sorted(MEETING_TYPES - {row.meeting_type or ""}))
        self._enterprise.relocate(row.id, now, meeting_type=meeting)
        return row.id, f"{who} changes {before} to meet by {meeting}"

    def _edit(self, rows: Sequence[Row], now: datetime) -> tuple[str, str] | None:
        if (row := self._one_of(_coming(rows, now), now)) is None:
            return None
        self._enterprise.edit(row.id, now, {"internalNotes": f"{self._chance.choice(_NOTES)} ({now:%H:%M:%S})"})
        return row.id, f"{_who(row, 'EMPLOYEE')} edits the notes of {self._about(row.id)}"

    def _one_of(self, rows: Sequence[Row], now: datetime) -> Row | None:
        """Any of the rows, every second time one that begins soon: short notice is what people watch for."""
        if not rows:
            return None
        soon = _soon(rows, now)
        return self._chance.choice(soon if soon and self._chance.random() < 0.5 else rows)  # noqa: PLR2004

    def _start(self, now: datetime, other_than: datetime | None = None) -> datetime:
        """A time to meet within opening hours, every other time within two days if there is one, else a fortnight."""
        while True:
            near = self._chance.random() < 0.5  # noqa: PLR2004
            start = quarter(now) + QUARTER * (
                self._chance.randrange(4, 192) if near else self._chance.randrange(96, 1344)
            )
            if is_open(start) and start != other_than:
                return start

    def _about(self, appointment_id: str) -> str:
        row = self._enterprise.row(appointment_id)
        if row is None:
            raise KeyError(appointment_id)
        when = "no time yet" if row.starts_at is None else self._time(row.starts_at)
        return f"appointment {row.id} ({when}, office {row.office})"

    def _time(self, at: datetime) -> str:
        """A time for people; without strftime, which speaks the machine's language."""
        at = at.astimezone(self._zone)
        return f"{_DAYS[at.weekday()]} {at.day} {_MONTHS[at.month - 1]} {at:%H:%M}"


def _coming(rows: Sequence[Row], now: datetime) -> list[Row]:
    return [row for row in _starting(rows, since=now) if row.status == "ACCEPTED"]


def _soon(rows: Sequence[Row], now: datetime) -> list[Row]:
    return _starting(rows, since=now, until=now + SOON)


def _starting(rows: Sequence[Row], since: datetime, until: datetime = FAR) -> list[Row]:
    after, before = instant(since), instant(until)
    return [row for row in rows if row.start is not None and after < row.start < before]


def _who(row: Row, party: Party) -> str:
    people = row.customers if party == "CUSTOMER" else row.employees
    return f"{party.lower()} {people[0] if people else 'unknown'}"
