"""When what a run found is believed, and what the operator reads where it is not."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from notifier.core.brake import FEW, FEW_IDS, FLOOR, SAMPLE, Brake, Found, Tally, days, holds, judge, shape
from notifier.core.change import Kind
from tests.builders import appointment, created, event

BRAKE = Brake(share=0.2, count=500)
DAY = timedelta(days=1)
UUID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


def found(**changes: Any) -> Found:
    """Returns what a run found that read 100 known appointments, all of which came."""
    usual = Found(name="acme/near", known=100, seen=100, events=0, kinds={}, fields={}, absent=0)
    return replace(usual, **changes)


@pytest.mark.parametrize("what", ["events", "absent"])
@pytest.mark.parametrize(
    ("known", "much", "doubted"),
    [
        (0, 0, False),
        (FLOOR - 1, FLOOR - 1, False),
        (FLOOR, 10, False),
        (FLOOR, 11, True),
        (10_000, 500, False),
        (10_000, 501, True),
        (0, 500, False),
        (0, 501, True),
        (100, 0, False),
    ],
)
def test_a_run_is_doubted_above_the_share_and_above_the_count(what: str, known: int, much: int, doubted: bool) -> None:
    """A few may change or be missing, all of a few may; a large share of many, or very many, may not."""
    assert bool(judge(found(known=known, **{what: much}), BRAKE)) is doubted


def test_changes_and_absences_count_together() -> None:
    """Neither alone would be too much, but both are."""
    assert not judge(found(events=15), BRAKE)
    assert not judge(found(absent=15), BRAKE)
    assert judge(found(events=15, absent=15), BRAKE)


@pytest.mark.parametrize(
    ("since", "fine"),
    [
        (None, 20),
        (timedelta(0), 20),
        (timedelta(minutes=1), 20),
        (DAY, 20),
        (DAY + timedelta(seconds=1), 40),
        (3 * DAY, 60),
        (-DAY, 20),
    ],
)
def test_whoever_was_away_has_more_to_tell(since: timedelta | None, fine: int) -> None:
    """The limits are for one day, and a day that has begun counts."""
    assert not judge(found(events=fine, since=since), BRAKE)
    assert judge(found(events=fine + 1, since=since), BRAKE)


def test_the_count_grows_with_the_days_too() -> None:
    """After three days three times as many may have changed."""
    assert not judge(found(known=10**6, events=1500, since=3 * DAY), BRAKE)
    assert judge(found(known=10**6, events=1501, since=3 * DAY), BRAKE)
    assert (BRAKE.most(None), BRAKE.most(2 * DAY), days(2.5 * DAY)) == (500, 1000, 3)


@pytest.mark.parametrize(
    ("what", "held"),
    [
        ({}, False),
        ({"events": 40}, True),
        ({"events": 40, "absent": 40}, True),
        ({"events": 15, "absent": 30}, False),
        ({"events": 1, "absent": 30, "missing": ("1",), "new": ("2",)}, False),
        ({"events": 1, "absent": 30, "missing": ("1",), "new": ("apt_1",)}, True),
        ({"events": 1, "absent": 3, "missing": ("1",), "new": ("apt_1",)}, False),
        ({"events": 1, "absent": 100, "seen": 0}, True),
        ({"events": 1, "known": 0, "seen": 0}, False),
    ],
)
def test_what_a_doubted_run_found_is_held(what: dict[str, Any], held: bool) -> None:
    """Not where it only misses much: what came is true all the same. And never where it is not doubted."""
    assert holds(found(**what), BRAKE) is held
    assert judge(found(**what), BRAKE) or not held


def test_an_empty_list_is_doubted_where_ten_are_known() -> None:
    """Also below the floor: but the last appointments of a small sweep may end."""
    assert judge(found(known=FEW, seen=0, absent=FEW), BRAKE)
    assert not judge(found(known=FEW - 1, seen=0, absent=FEW - 1), BRAKE)
    assert not judge(found(known=FEW, seen=1, absent=FEW), BRAKE)
    assert not judge(found(known=0, seen=0), BRAKE)


def test_other_ids_are_doubted_where_two_are_known() -> None:
    """When every known id is gone and all that came look different, the source has other ids now."""
    gone = {"known": FEW_IDS, "seen": FEW_IDS, "absent": FEW_IDS, "missing": ("1", "2")}
    assert judge(found(**gone, new=("apt_1", "apt_2")), BRAKE)
    assert not judge(found(**gone, new=("apt_1", "7")), BRAKE)
    assert not judge(found(**gone, new=()), BRAKE)
    assert not judge(found(**gone | {"absent": FEW_IDS - 1}, new=("apt_1",)), BRAKE)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"seen": 0, "absent": 100}, "the source answers with an empty list where 100 appointments are known"),
        (
            {"absent": 100, "missing": ("1701",), "new": ("apt_1701",)},
            "ids of another shape came, like apt_1701 where 1701 was: the source may have changed its ids",
        ),
        (
            {"absent": 30, "missing": ("1701",), "new": ("1702",)},
            "30 of 100 known appointments are missing: access or filters were narrowed, or the source has lost data",
        ),
        (
            {"events": 40, "kinds": {Kind.CREATED: 30, Kind.UPDATED: 10}},
            "30 new appointments came at once beside 100 known ones: an import, or a wider access",
        ),
        (
            {"events": 40, "fields": {"office": 39, "start": 2}},
            "40 appointments changed at once, of 100 known ones, most of them in `office`: an import or a bulk edit",
        ),
        ({"events": 40, "kinds": {Kind.VANISHED: 40}}, "40 of 100 known appointments vanished at once"),
        ({"events": 40, "fields": {"office": 20, "start": 20}}, "of 100 known ones: an import or a bulk edit"),
        ({"events": 90, "since": 2.5 * DAY}, "90 appointments changed since the last look 2 days 12 h ago"),
    ],
)
def test_the_likely_cause_is_named(what: dict[str, Any], words: str) -> None:
    """The operator reads what it looks like, and which commands follow."""
    said = judge(found(**what), BRAKE)
    assert words in said
    assert said.endswith(
        "If it is right: notifier release acme/near. If nobody is to hear of it: notifier discard acme/near"
    )


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("1701", "9", True),
        ("1701", "apt_1701", False),
        ("apt_1701", "app_1701", False),
        ("1701", UUID, False),
        (UUID, "a8098c1a-f86e-11da-bd1a-00112444be1e", True),
        ("kD93hx", "Zx81b", True),
        ("BRU-17", "BRU-2931", True),
        ("", "1", False),
    ],
)
def test_the_shape_of_ids(one: str, other: str, alike: bool) -> None:
    """Ids of one sort are of one shape; how long they are does not count, what they begin with does."""
    assert (shape(one) == shape(other)) is alike


def test_a_tally_adds_up_slices_and_what_was_left() -> None:
    """What is read, what changed and what a dead process left are counted once each."""
    tally = Tally()
    tally.read(known=10, seen=9, absent={"1"})
    tally.read(known=5, seen=5, absent=())
    tally.changed([event(office="13"), created(appointment(id="apt_1"))], baseline=("apt_2",))
    tally.count((Kind.VANISHED,), ())
    assert tally.found("acme/near", DAY) == Found(
        name="acme/near",
        known=15,
        seen=14,
        events=3,
        kinds={Kind.RELOCATED: 1, Kind.CREATED: 1, Kind.VANISHED: 1},
        fields={"office": 1},
        absent=1,
        missing=("1",),
        new=("apt_2", "apt_1"),
        since=DAY,
    )


def test_a_tally_stays_small() -> None:
    """However much a run finds, a bounded number of ids is kept."""
    tally = Tally()
    many = [str(number) for number in range(10 * SAMPLE)]
    for _ in range(3):
        tally.read(known=len(many), seen=0, absent=many)
        tally.changed((created(appointment(id=one)) for one in many), baseline=many)
    assert (len(tally.missing), len(tally.new)) == (SAMPLE, SAMPLE)
    assert (tally.absent, tally.events) == (30 * SAMPLE, 30 * SAMPLE)
