"""The timelines of these tests notice what they are there to notice."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.builders import HOUR, MINUTE, SECOND
from tests.fake_receiver import Reply
from tests.timeline import Timeline, Want, after, at, between, hook, timeline

NONE = timedelta(0)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Timeline]:
    """At once, a few seconds later, and after an hour."""
    with timeline(tmp_path) as made, hook(Reply(503), Reply()) as crm:
        made.channel("crm", crm, crm.url)
        made.change(NONE, "a")
        made.change(HOUR, "b")
        made.run(2 * HOUR)
        yield made


A = after([5 * SECOND], "a CANCELLED")
B = at(HOUR, "b CANCELLED")


def test_what_was_wanted(line: Timeline) -> None:
    """What came as it was wanted is fine, whatever the order in which different appointments are written."""
    line.expect("crm", A, B)
    line.expect("crm", B, A)


@pytest.mark.parametrize(
    "wants",
    [
        [],
        [*A],
        [*A, *B, *at(HOUR, "c CANCELLED")],
        [*A, *B, *B],
        [*A, *at(HOUR, "b ACCEPTED")],
        [*A, *at(HOUR + SECOND, "b CANCELLED")],
        [*A, *between(MINUTE, HOUR - SECOND, "b CANCELLED")],
        [*after([10 * SECOND], "a CANCELLED"), *B],
    ],
)
def test_what_was_not_wanted(line: Timeline, wants: list[Want]) -> None:
    """Too much, too little, something else, too soon and too late are all told."""
    with pytest.raises(AssertionError):
        line.expect("crm", wants)


def test_time_passes(line: Timeline) -> None:
    """A timeline ends when it is told to, and goes on from there."""
    assert line.now == 2 * HOUR
    line.change(3 * HOUR, "a", "ACCEPTED")
    line.run(MINUTE)
    line.expect("crm", A, B)
    line.run(HOUR)
    line.expect("crm", [*A, *at(3 * HOUR, "a ACCEPTED")], B)
