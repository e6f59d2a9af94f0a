"""An enterprise's appointments, kept in memory: what the simulator serves and its life changes.

No clock and no I/O: every change is told its moment. One lock guards all of it; the rows that it hands out are frozen,
so whoever reads them needs no lock. Which step may follow which status is not documented, so none is refused here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Final, Literal

from notifier.engage.simulated.calendar import Calendar
from notifier.engage.simulated.document import Booking, Party, add_answer, draft, meet, primary, sign
from notifier.engage.simulated.order import Settled, arrange
from notifier.engage.simulated.population import populate
from notifier.engage.simulated.query import Wanted, select
from notifier.engage.simulated.row import EPOCH, Row, write_time

FIRST_ID: Final = 1001
SPREAD: Final = (timedelta(days=-14), timedelta(days=90))
REMEMBERED_QUERIES: Final = 64
REMEMBERED_ROWS: Final = 2_000_000  # of all remembered queries together

# What the API lets one edit in place; times and status have operations of their own.
EDITABLE: Final = frozenset(
    {
        "answers",
        "callbackRequest",
        "externalId",
        "hybrid",
        "internalNotes",
        "leadSegment",
        "listing",
        "location",
        "messageForCustomer",
        "metadata",
        "trailingBufferTime",
    }
)

Alteration = Callable[[dict[str, Any], datetime], None]
Entry = tuple[str, Row | None]


class Enterprise:
    """Appointments of the documented shape, in the order in which they were made.

    Every change returns the appointment's id and raises KeyError for an unknown one. `updatedAt` never runs backwards,
    whatever `now` a change is given.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: dict[str, Row] = {}
        self._front = 0  # position before which nothing is
        self._inserted = 0  # rows ever inserted; the next one's position
        self._changes = 0  # changes ever made
        self._next_id = FIRST_ID
        self._latest = EPOCH  # moment of the newest change
        self._calendar = Calendar()
        self._journal: list[Entry] | None = None
        # Answers, each of which holds until a row changes that is or was among those it asks for.
        self._selected: dict[tuple[Wanted, Settled], tuple[Row, ...]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, appointment_id: str) -> dict[str, Any] | None:
        """A copy of one appointment."""
        row = self._rows.get(appointment_id)
        return None if row is None else row.raw()

    def row(self, appointment_id: str) -> Row | None:
        """One appointment as it is kept."""
        return self._rows.get(appointment_id)

    def rows(self) -> tuple[Row, ...]:
        """All appointments, oldest insertion first."""
        return self.select(Wanted())

    def keep_journal(self) -> tuple[Row, ...]:
        """Write down every change from now on; returns how things stand now, so that nothing lies between."""
        with self._lock:
            self._journal = []
            return tuple(self._rows.values())

    @property
    def journal(self) -> tuple[Entry, ...]:
        """What appointments became since then, oldest change first; None for one that was erased."""
        with self._lock:
            return tuple(self._journal or ())

    def select(self, wanted: Wanted, order: Settled = "insertion") -> tuple[Row, ...]:
        """The rows that a query asks for; the same query costs nothing until something in its answer changes."""
        with self._lock:
            found = self._selected.get((wanted, order))
            if found is None:
                found = arrange(select(self._candidates(wanted), wanted), order)
                self._remember(wanted, order, found)
            return found

    def create(
        self,
        now: datetime,
        booking: Booking,
        status: Literal["ACCEPTED", "INCOMING_REQUEST"] = "ACCEPTED",
        by: Party = "EMPLOYEE",
    ) -> str:
        """Make an appointment with a time, confirmed or still to be."""
        if booking.start is None:
            raise ValueError("only an invite has no start")
        return self._make(now, booking, status, by)

    def invite(self, now: datetime, booking: Booking) -> str:
        """Ask the customer to pick a time: an appointment that has none yet."""
        return self._make(now, replace(booking, start=None, end=None), "OUTGOING_INVITE", "EMPLOYEE")

    def accept(
        self,
        appointment_id: str,
        now: datetime,
        start: datetime | None = None,
        end: datetime | None = None,
        by: Party = "EMPLOYEE",
    ) -> str:
        """Confirm an appointment; a time given with it becomes the appointment's time."""

        def alter(raw: dict[str, Any], _: datetime) -> None:
            raw["status"] = "ACCEPTED"
            if start is not None:
                raw["start"], raw["end"] = write_time(start), write_time(end or start + timedelta(hours=1))

        return self._change(appointment_id, now, by, alter)

    def cancel(
        self,
        appointment_id: str,
        now: datetime,
        reason: str = "No longer needed",
        by: Party = "CUSTOMER",
    ) -> str:
        """Call an appointment off; the reason is an answer to the cancellation form."""

        def alter(raw: dict[str, Any], at: datetime) -> None:
            raw["status"] = "CANCELLED"
            add_answer(raw, "APPOINTMENT_CANCELLATION", reason, at)

        return self._change(appointment_id, now, by, alter)

    def complete(self, appointment_id: str, now: datetime) -> str:
        """Note that an appointment took place."""
        return self._set_status(appointment_id, now, "COMPLETED", "EMPLOYEE")

    def no_show(self, appointment_id: str, now: datetime) -> str:
        """Note that the customer did not turn up."""
        return self._set_status(appointment_id, now, "NO_SHOW", "EMPLOYEE")

    def request_alternative(self, appointment_id: str, now: datetime, by: Party = "EMPLOYEE") -> str:
        """Ask for another date; the appointment keeps the one that it had."""
        return self._set_status(appointment_id, now, "ALTERNATIVE_DATE_REQUESTED", by)

    def reschedule(
        self, appointment_id: str, now: datetime, start: datetime, end: datetime, by: Party = "EMPLOYEE"
    ) -> str:
        """Move an appointment to another time."""

        def alter(raw: dict[str, Any], _: datetime) -> None:
            raw["start"], raw["end"] = write_time(start), write_time(end)

        return self._change(appointment_id, now, by, alter)

    def reassign(self, appointment_id: str, now: datetime, employee: str) -> str:
        """Hand an appointment over to another employee, who becomes its primary one."""

        def alter(raw: dict[str, Any], _: datetime) -> None:
            person = primary(raw, "EMPLOYEE")
            if person is None:
                raise ValueError(f"appointment {appointment_id} has no primary employee")
            person["participant"] = {"id": employee}
            meet(raw, raw["meetingType"])

        return self._change(appointment_id, now, "EMPLOYEE", alter)

    def relocate(
        self, appointment_id: str, now: datetime, office: str | None = None, meeting_type: str | None = None
    ) -> str:
        """Move an appointment to another office, to another way of meeting, or to both."""

        def alter(raw: dict[str, Any], _: datetime) -> None:
            if office is not None:
                raw["office"] = {"id": office}
            if meeting_type is not None:
                meet(raw, meeting_type)

        return self._change(appointment_id, now, "EMPLOYEE", alter)

    def edit(self, appointment_id: str, now: datetime, changes: Mapping[str, Any], by: Party = "EMPLOYEE") -> str:
        """Set fields by their API names, such as ``internalNotes`` or ``externalId``."""
        if refused := changes.keys() - EDITABLE:
            raise ValueError(f"cannot be edited: {', '.join(sorted(refused))}")
        return self._change(appointment_id, now, by, lambda raw, _: raw.update(changes))

    def remove(self, appointment_id: str) -> str:
        """Erase an appointment, as if it had never been."""
        with self._lock:
            row = self._rows.pop(appointment_id)
            self._calendar.discard(row)
            self._forget(row)
            if self._journal is not None:
                self._journal.append((appointment_id, None))
        return appointment_id

    def shift(self, appointment_id: str, to: Literal["front", "back"]) -> str:
        """Change a row's place by insertion, as a database may that writes it anew; the appointment stays as it is."""
        with self._lock:
            if to == "front":
                self._front -= 1
                position = self._front
            else:
                position, self._inserted = self._inserted, self._inserted + 1
            row = replace(self._rows[appointment_id], position=position)
            self._rows[appointment_id] = row
            self._forget(row)
        return appointment_id

    def put(self, raw: Mapping[str, Any]) -> str:
        """Insert or replace a row exactly as it is given, however malformed; without an id it gets a key of its own."""
        with self._lock:
            key = str(raw["id"]) if "id" in raw else f"row-{self._inserted}"
            return self._keep(raw, key)

    def fill(
        self, count: int, seed: int, now: datetime, spread: tuple[timedelta, timedelta] = SPREAD
    ) -> tuple[str, ...]:
        """Make many plausible appointments at once, the same ones for the same seed and moment."""
        with self._lock:
            self._selected.clear()  # cheaper than to ask of each row in which answers it belongs
            ids = tuple(self._free_id() for _ in range(count))
            for raw in populate(ids, seed, self._moment(now), spread):
                self._keep(raw, raw["id"])
            return ids

    def _candidates(self, wanted: Wanted) -> Iterable[Row]:
        """Rows among which are all that a query asks for, as few as is easily told."""
        if wanted.ids is not None:
            return [self._rows[one] for one in wanted.ids if one in self._rows]
        if wanted.since is None and wanted.until is None and wanted.statuses is None:
            return self._rows.values()
        return map(self._rows.__getitem__, self._calendar.near(wanted.since, wanted.until, wanted.statuses))

    def _remember(self, wanted: Wanted, order: Settled, found: tuple[Row, ...]) -> None:
        self._selected[wanted, order] = found
        while len(self._selected) > REMEMBERED_QUERIES or sum(map(len, self._selected.values())) > REMEMBERED_ROWS:
            del self._selected[next(iter(self._selected))]

    def _forget(self, *changed: Row) -> None:
        """Drop the answers that a change makes wrong, given the row before it and after it."""
        for wanted, order in [one for one in self._selected if select(changed, one[0])]:
            del self._selected[wanted, order]

    def _make(self, now: datetime, booking: Booking, status: str, by: Party) -> str:
        with self._lock:
            key = self._free_id()
            return self._keep(draft(key, booking, status, self._moment(now), by), key)

    def _set_status(self, appointment_id: str, now: datetime, status: str, by: Party) -> str:
        return self._change(appointment_id, now, by, lambda raw, _: raw.update(status=status))

    def _change(self, appointment_id: str, now: datetime, by: Party, alter: Alteration) -> str:
        with self._lock:
            raw, at = self._rows[appointment_id].raw(), self._moment(now)
            alter(raw, at)
            sign(raw, at, by)
            return self._keep(raw, appointment_id)

    def _keep(self, raw: Mapping[str, Any], key: str) -> str:
        known = self._rows.get(key)
        self._changes += 1
        row = Row.of(raw, key, self._inserted if known is None else known.position, self._changes)
        self._inserted += known is None
        if known is not None:
            self._calendar.discard(known)
        self._calendar.add(row)
        self._rows[key] = row
        self._forget(row) if known is None else self._forget(known, row)
        if self._journal is not None:
            self._journal.append((key, row))
        return key

    def _free_id(self) -> str:
        while (free := str(self._next_id)) in self._rows:
            self._next_id += 1
        self._next_id += 1
        return free

    def _moment(self, now: datetime) -> datetime:
        if now.tzinfo is None:
            raise ValueError("a moment without a time zone")
        self._latest = max(now.astimezone(UTC), self._latest)
        return self._latest
