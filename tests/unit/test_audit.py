"""The audit finds what was lost, what was invented and what only seemed to vanish, and nothing else."""

from collections.abc import Sequence

import pytest

from notifier.audit import Audit, Truth, audit
from notifier.core.appointment import Appointment
from notifier.core.event import Event
from notifier.core.plan import Known
from tests.builders import MINUTE, NOW, appointment, created, known, step, vanished

BOOKED = appointment()
CANCELLED = appointment(status="CANCELLED", updated_at=NOW)
MOVED = appointment(status="CANCELLED", office="13", updated_at=NOW + MINUTE)


def audited(
    states: Sequence[Appointment | None], told: Sequence[Event], stored: Appointment | None, *, gone: bool = False
) -> Audit:
    """Returns the audit of appointment 1701, that was all these; `stored` is what the snapshot has."""
    truth = Truth(b"", ())
    truth.states["1701"] = list(states)
    truth.changes = len(states) - 1
    row = None if stored is None else known(stored)
    if row and gone:
        row = Known(row.appointment, row.digest, row.revision, row.observed_at, NOW)
    return audit(truth, {"1701": row} if row else {}, told)


@pytest.mark.parametrize(
    ("states", "told", "stored"),
    [
        ([BOOKED], [], BOOKED),
        ([BOOKED, CANCELLED], [step(BOOKED, CANCELLED)], CANCELLED),
        ([BOOKED, CANCELLED, MOVED], [step(BOOKED, CANCELLED), step(CANCELLED, MOVED)], MOVED),
        ([BOOKED, CANCELLED, MOVED], [step(BOOKED, MOVED)], MOVED),
        ([None, BOOKED], [created(BOOKED)], BOOKED),
        ([None, BOOKED, None], [], None),
    ],
    ids=["nothing", "a change", "two", "merged", "a new one", "made and erased"],
)
def test_what_is_right_is_clean(
    states: Sequence[Appointment | None], told: Sequence[Event], stored: Appointment | None
) -> None:
    """Every change may have an event of its own, or merge with the next one; what nobody saw needs none."""
    found = audited(states, told, stored)
    assert found.clean
    assert (found.changes, found.events) == (len(states) - 1, len(told))
    assert found.changed == (len(states) > 1)


def test_what_vanished_is_told_and_kept_as_gone() -> None:
    """An erased appointment is right where an event says so and the snapshot notes it."""
    assert audited([BOOKED, None], [vanished(BOOKED)], BOOKED, gone=True).clean
    assert len(audited([BOOKED, None], [], BOOKED).lost) == 2
    assert len(audited([BOOKED, None], [], BOOKED, gone=True).lost) == 1


@pytest.mark.parametrize(
    ("told", "stored", "findings"),
    [
        ([], BOOKED, 2),
        ([], CANCELLED, 1),
        ([step(BOOKED, CANCELLED)], BOOKED, 1),
        ([step(BOOKED, CANCELLED)], None, 1),
    ],
    ids=["neither", "no event", "an old snapshot", "no snapshot"],
)
def test_what_is_not_told_or_not_stored_is_lost(
    told: Sequence[Event], stored: Appointment | None, findings: int
) -> None:
    """A change needs an event that ends in it, and a snapshot that has it."""
    found = audited([BOOKED, CANCELLED], told, stored)
    assert (len(found.lost), found.invented, found.falsely_vanished) == (findings, (), ())


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ([BOOKED, CANCELLED], [step(BOOKED, CANCELLED), step(BOOKED, CANCELLED)]),
        ([BOOKED, CANCELLED], [step(BOOKED, MOVED), step(MOVED, CANCELLED)]),
        ([BOOKED, CANCELLED, MOVED], [step(BOOKED, CANCELLED), step(BOOKED, MOVED)]),
        ([CANCELLED], [created(CANCELLED)]),
    ],
    ids=["twice", "never so", "not so before", "no news"],
)
def test_what_never_was_is_invented(states: Sequence[Appointment | None], told: Sequence[Event]) -> None:
    """An event that is told once more, tells what never was, or begins where nothing had ended, is found."""
    found = audited(states, told, states[-1])
    assert (len(found.invented), found.lost, found.falsely_vanished) == (1, (), ())


def test_what_was_there_can_not_vanish() -> None:
    """An event by which a present appointment vanished is a finding of its own kind."""
    found = audited([BOOKED], [vanished(BOOKED)], BOOKED, gone=True)
    assert (len(found.falsely_vanished), found.invented) == (1, ())
    assert found.falsely_vanished[0].appointment == "1701"
