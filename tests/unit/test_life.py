"""A life does plausible things to appointments, the same ones whenever it is lived again."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from notifier.engage.simulated.document import Booking, Party
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.life import WEIGHTS, Happening, Life
from notifier.engage.simulated.row import Row

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SUNDAY_NIGHT = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
SETTLED = {"CANCELLED", "COMPLETED", "NO_SHOW"}


def lived(seed: int, steps: int, filled: int = 200) -> tuple[list[Happening], list[bytes]]:
    enterprise = Enterprise()
    enterprise.fill(filled, 1, NOW)
    life = Life(enterprise, seed)
    happenings = [life.step(NOW + number * timedelta(minutes=7)) for number in range(steps)]
    return happenings, [row.body for row in enterprise.rows()]


def test_a_life_is_repeatable() -> None:
    """The same seed and moments give the same happenings and rows to the byte; another seed gives others."""
    assert lived(7, 150) == lived(7, 150)
    assert lived(7, 150)[0] != lived(8, 150)[0]


@pytest.mark.parametrize("now", [NOW, SUNDAY_NIGHT])
@pytest.mark.parametrize("filled", [3, 300])
def test_a_life_opens_with_what_one_watches_for(now: datetime, filled: int) -> None:
    """First come a cancellation within a day of the start, a no-show, a move and a request, at any hour."""
    enterprise = Enterprise()
    enterprise.fill(filled, 1, now)
    life = Life(enterprise, 3)
    before = {row.id: row for row in enterprise.rows()}
    cancelled, missed, moved, requested = (life.step(now + timedelta(seconds=number)) for number in range(4))
    assert [one.verb for one in (cancelled, missed, moved, requested)] == [
        "cancels",
        "no-show",
        "reschedules",
        "requests",
    ]
    assert now < start(before[cancelled.appointment_id]) < now + timedelta(hours=24)
    assert now - timedelta(hours=12) < start(before[missed.appointment_id]) < now
    assert start(before[moved.appointment_id]) != start(enterprise.row(moved.appointment_id))
    assert requested.appointment_id not in before


def test_a_life_begins_in_an_empty_enterprise() -> None:
    """Where nothing can be cancelled, missed or moved yet, that is booked first, and the opening keeps its order."""
    life = Life(Enterprise(), 3)
    verbs = [life.step(NOW + timedelta(seconds=number)).verb for number in range(7)]
    assert [verb for verb in verbs if verb != "creates"] == ["cancels", "no-show", "reschedules", "requests"]


def test_a_life_is_plausible() -> None:
    """Each happening suits the status and the time of its appointment, and changes that appointment only."""
    enterprise = Enterprise()
    enterprise.fill(200, 1, NOW)
    life, verbs = Life(enterprise, 5), Counter[str]()
    for number in range(600):
        now = NOW + number * timedelta(minutes=7)
        before = {row.id: row for row in enterprise.rows()}
        happening = life.step(now)
        verbs[happening.verb] += 1
        changed = {row.id for row in enterprise.rows() if before.get(row.id) is not row}
        assert changed == {happening.appointment_id}
        check(happening, before.get(happening.appointment_id))
    assert set(verbs) == set(WEIGHTS)


def check(happening: Happening, before: Row | None) -> None:
    new = happening.verb in {"creates", "requests", "invites"}
    assert new == (before is None)
    if before is None:
        return
    assert before.status not in SETTLED
    if happening.verb in {"completes", "no-show"}:
        assert start(before) < happening.at
    if happening.verb in {"cancels", "completes", "no-show", "reschedules", "reassigns", "relocates"}:
        assert before.status == "ACCEPTED"
    if happening.verb in {"cancels", "reschedules"}:
        assert start(before) > happening.at
    if happening.verb == "accepts":
        assert before.status in {"INCOMING_REQUEST", "ALTERNATIVE_DATE_REQUESTED", "OUTGOING_INVITE"}


def test_a_life_goes_on_where_rows_are_erased() -> None:
    """Where an appointment is erased in the middle of a step, another step is taken, unless it happens every time."""

    class Vanishing(Enterprise):
        lost = 0

        def cancel(self, appointment_id: str, now: datetime, reason: str = "", by: Party = "CUSTOMER") -> str:
            if not self.lost:
                self.lost += 1
                self.remove(appointment_id)
            return super().cancel(appointment_id, now, reason, by)

    class Fleeting(Enterprise):
        def row(self, appointment_id: str) -> Row | None:
            assert appointment_id
            return None

    enterprise = Vanishing()
    enterprise.fill(200, 1, NOW)
    happening = Life(enterprise, 1).step(NOW)
    assert (happening.verb, enterprise.lost, len(enterprise)) == ("cancels", 1, 199)
    with pytest.raises(RuntimeError, match="erased"):
        Life(Fleeting(), 1).step(NOW)


def test_a_happening_is_told_in_a_sentence() -> None:
    """The text names who, what, when and where, the time in the zone that was asked for."""
    enterprise = Enterprise()
    made = enterprise.create(NOW, Booking(start=NOW + timedelta(hours=1), customer="204", employee="303", office="12"))
    happening = Life(enterprise, 1, ZoneInfo("Europe/Brussels")).step(NOW)
    assert happening.appointment_id == made
    assert happening.text in {
        f"{who} cancels appointment {made} (Tue 24 Nov 11:00, office 12)" for who in ("customer 204", "employee 303")
    }


def start(row: Row | None) -> datetime:
    assert row is not None
    assert row.starts_at is not None
    return row.starts_at
