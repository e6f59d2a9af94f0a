"""What a sweep covers, and what it means that an appointment is seen for the first time."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from notifier.core.sweep import OVERLAP, FirstSight, Span, Sweep, first_sight, passes
from tests.builders import DAY, HOUR, MINUTE, NOW, SECOND, appointment, look, undated


def sweep(**changes: Any) -> Sweep:
    """Returns a sweep over the coming week."""
    usual: dict[str, Any] = {"name": "near", "every": MINUTE, "begin": -DAY, "end": 7 * DAY, "filters": {}}
    return Sweep(**usual | changes)


@pytest.mark.parametrize(
    ("start", "inside"),
    [
        (NOW - SECOND, False),
        (NOW, True),
        (NOW + HOUR, True),
        (NOW + HOUR + SECOND, False),
        (None, False),
    ],
)
def test_a_span_holds_both_its_ends(start: datetime | None, *, inside: bool) -> None:
    """A start on either end is inside, an undated appointment is not."""
    assert Span(NOW, NOW + HOUR).holds(start) is inside


@pytest.mark.parametrize("start", [None, NOW - 1000 * DAY, NOW + 1000 * DAY])
def test_a_span_without_ends_holds_everything(start: datetime | None) -> None:
    """Where no dates are asked for, undated appointments come too."""
    span = Span(None, None)
    assert span.holds(start)
    assert not span.dated


def test_a_span_may_be_open_on_one_side() -> None:
    """The open side reaches as far as it goes, but undated appointments are no part of it."""
    past, future = Span(None, NOW), Span(NOW, None)
    assert past.dated
    assert future.dated
    assert past.holds(NOW - 1000 * DAY)
    assert not past.holds(NOW + SECOND)
    assert future.holds(NOW + 1000 * DAY)
    assert not future.holds(NOW - SECOND)
    assert not future.holds(None)


def test_the_span_of_a_sweep_moves_with_the_time() -> None:
    """Its ends are offsets from now; one that is left out leaves that end open."""
    assert sweep().span(NOW) == Span(NOW - DAY, NOW + 7 * DAY)
    assert sweep(end=None).span(NOW) == Span(NOW - DAY, None)
    assert sweep(begin=None).span(NOW) == Span(None, NOW + 7 * DAY)
    assert sweep(begin=None, end=None).span(NOW) == Span(None, None)


def test_the_scope_ignores_name_beat_and_the_order_of_filters() -> None:
    """A sweep that is renamed, hurried or written in another order looks at the same."""
    one = sweep(filters={"office": ("12", "13"), "status": ("ACCEPTED",)})
    same = sweep(name="other", every=HOUR, filters={"status": ("ACCEPTED",), "office": ("13", "12")})
    assert one.scope == same.scope


@pytest.mark.parametrize(
    "changes",
    [
        {"begin": -2 * DAY},
        {"begin": None},
        {"end": 8 * DAY},
        {"end": None},
        {"filters": {"office": ("12",)}},
        {"filters": {"subject": ("12",)}},
        {"filters": {"office": ("12", "13")}},
        {"filters": {"office": ()}},
    ],
)
def test_another_span_or_filter_is_another_scope(changes: dict[str, Any]) -> None:
    """What was not looked at before has no history."""
    assert sweep(**changes).scope != sweep().scope


@pytest.mark.parametrize(
    ("filters", "passing"),
    [
        ({}, True),
        ({"office": ("12",)}, True),
        ({"office": ("11", "12")}, True),
        ({"office": ("13",)}, False),
        ({"office": ("12",), "status": ("CANCELLED",)}, False),
        ({"listing": ("91",)}, False),
        ({"employee": ("301",)}, True),
        ({"employee": ("302",)}, True),
        ({"employee": ("303",)}, False),
        ({"customer": ("201",)}, True),
        ({"customer": ("202",)}, True),
        ({"customer": ("301",)}, False),
    ],
)
def test_filters_ask_for_all_fields_and_any_value(filters: dict[str, tuple[str, ...]], *, passing: bool) -> None:
    """Every filter must be met by one of its values; a person counts in whatever role."""
    person = appointment(other_employees=("302",), other_customers=("202",))
    assert passes(person, filters) is passing


def test_nobody_passes_for_somebody() -> None:
    """An appointment without employee or customer is not what a filter asks for, not even an empty text."""
    alone = appointment(employee=None, customer=None)
    for name in ("employee", "customer"):
        assert not passes(alone, {name: ("301", "")})


@pytest.mark.parametrize(("minutes", "sight"), [(5, FirstSight.BASELINE), (15, FirstSight.CREATED)])
def test_a_list_may_be_behind_by_the_overlap(minutes: int, sight: FirstSight) -> None:
    """What was made before the last look, and is listed only now, is new if the list may be that far behind."""
    late = appointment(created_at=NOW - 10 * MINUTE, updated_at=NOW - 10 * MINUTE)
    looks = [look(began_at=NOW)]
    assert first_sight(late, looks, NOW, minutes * MINUTE) is sight


def test_without_a_look_everything_is_baseline() -> None:
    """The first run is silent."""
    fresh = appointment(created_at=NOW, updated_at=NOW)
    assert first_sight(fresh, [], NOW) is FirstSight.BASELINE


BEGAN = NOW - 5 * MINUTE


@pytest.mark.parametrize(
    ("created_at", "updated_at", "sight"),
    [
        (BEGAN - DAY, BEGAN - DAY, FirstSight.BASELINE),
        (BEGAN - DAY, BEGAN - OVERLAP - SECOND, FirstSight.BASELINE),
        (BEGAN - DAY, BEGAN - OVERLAP, FirstSight.DISCOVERED),
        (BEGAN - DAY, BEGAN + SECOND, FirstSight.DISCOVERED),
        (None, BEGAN + SECOND, FirstSight.DISCOVERED),
        (BEGAN - OVERLAP - SECOND, BEGAN + SECOND, FirstSight.DISCOVERED),
        (BEGAN - OVERLAP, BEGAN + SECOND, FirstSight.CREATED),
        (BEGAN + SECOND, BEGAN + SECOND, FirstSight.CREATED),
        (BEGAN + SECOND, BEGAN + MINUTE, FirstSight.CREATED),
    ],
)
def test_a_first_sight_is_judged_by_the_last_look(
    created_at: datetime | None, updated_at: datetime, sight: FirstSight
) -> None:
    """Older than the look is baseline; younger is created, or discovered when it existed before."""
    seen = appointment(created_at=created_at, updated_at=updated_at)
    assert first_sight(seen, [look(BEGAN)], NOW) is sight


def fresh(**changes: Any) -> FirstSight:
    """Returns what it means to see an appointment that was made after the look."""
    return first_sight(appointment(created_at=NOW, updated_at=NOW, **changes), [look(BEGAN, filters=OFFICE)], NOW)


OFFICE = {"office": ("12",)}


def test_what_the_look_did_not_cover_is_baseline() -> None:
    """A new office, a wider span or undated appointments are stored in silence."""
    assert fresh() is FirstSight.CREATED
    assert fresh(office="13") is FirstSight.BASELINE
    assert fresh(start=NOW - 2 * DAY) is FirstSight.BASELINE
    assert fresh(start=NOW + 8 * DAY) is FirstSight.BASELINE
    assert fresh(start=None) is FirstSight.BASELINE


def test_what_slid_into_the_span_is_no_wider_scope() -> None:
    """The end of the span moves with time; what was made just behind it is news once it is reached."""
    last = look(NOW - HOUR)
    behind = appointment(start=NOW + 7 * DAY - MINUTE, created_at=NOW - MINUTE, updated_at=NOW - MINUTE)
    assert behind.start is not None
    assert last.span.end is not None
    assert behind.start > last.span.end
    assert first_sight(behind, [last], NOW) is FirstSight.CREATED


def test_a_later_look_that_could_not_show_it_yet_decides_nothing() -> None:
    """It was made where one sweep looks, and slid to where another had looked later on: it is news for both."""
    start = NOW + 7 * DAY - MINUTE
    far = look(NOW - HOUR, span=Span(NOW + 7 * DAY - HOUR, NOW + 60 * DAY), end_offset=60 * DAY)
    near = look(NOW - 10 * MINUTE, span=Span(NOW - DAY, start - MINUTE), end_offset=7 * DAY)
    made = NOW - 20 * MINUTE
    new = appointment(start=start, created_at=made, updated_at=made)
    assert first_sight(new, [far, near], NOW) is FirstSight.CREATED
    assert first_sight(new, [near], NOW) is FirstSight.BASELINE


def test_an_open_end_stays_open() -> None:
    """A look without an end covers all that comes."""
    endless = look(span=Span(NOW - DAY, None), end_offset=None)
    far = appointment(start=NOW + 1000 * DAY, created_at=NOW, updated_at=NOW)
    assert first_sight(far, [endless], NOW) is FirstSight.CREATED


def test_the_newest_look_that_covers_it_decides() -> None:
    """A later look that would have shown it counts, one that would not does not."""
    seen = appointment(created_at=NOW - DAY, updated_at=NOW - HOUR)
    early, late = look(NOW - 2 * HOUR), look(NOW - 10 * MINUTE)
    elsewhere = look(NOW - 10 * MINUTE, filters={"office": ("13",)})
    assert first_sight(seen, [early], NOW) is FirstSight.DISCOVERED
    assert first_sight(seen, [early, elsewhere], NOW) is FirstSight.DISCOVERED
    assert first_sight(seen, [early, late], NOW) is first_sight(seen, [late, early], NOW) is FirstSight.BASELINE


def test_an_undated_sweep_covers_undated_appointments() -> None:
    """A look that asked for no dates makes later invitations news."""
    last = look(span=Span(None, None), end_offset=None, filters={"status": ("OUTGOING_INVITE",)})
    assert first_sight(undated(created_at=NOW, updated_at=NOW), [last], NOW) is FirstSight.CREATED


def test_the_overlap_forgives_clocks_that_differ() -> None:
    """It is minutes, not days: long enough for a slow list, too short to tell old news."""
    assert timedelta(minutes=1) <= OVERLAP <= timedelta(hours=1)
