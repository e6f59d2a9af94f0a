"""Which deliveries become one message, when that goes out, and when a throttle lets the next one go."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from notifier.core.bundle import (
    FIELDS,
    LARGEST,
    USUAL_MOST,
    Bundle,
    BundleKind,
    Digest,
    Group,
    Throttle,
    begins_at,
    bundle_of,
    free_at,
    gathers,
    most_of,
    read_bundle,
    say_by,
    say_wait,
    takes_early,
    write_bundle,
)
from notifier.core.hours import EVERY_DAY, WORKING_DAYS, next_time
from notifier.core.route import Context, route
from notifier.core.rule import Rule
from notifier.core.silence import Silence
from notifier.core.walk import walk
from tests.builders import DAY, HOUR, MINUTE, NOW, SECOND, appointment, event, rule

BRUSSELS = ZoneInfo("Europe/Brussels")
GROUP = Group(30 * SECOND, ("office", "lead_segment"))
DIGEST = Digest((time(8), time(16)), BRUSSELS, days=WORKING_DAYS)
THROTTLE = Throttle(3, 10 * MINUTE, ("source", "kind"))


def test_the_bundle_of_an_event() -> None:
    """It is named for the key, the rule and what the appointment has, which may be nothing."""
    about = event()
    assert bundle_of("late", about, GROUP, None, None) == Bundle(
        BundleKind.GROUP, "late", (("office", "12"), ("lead_segment", None))
    )
    assert bundle_of("late", about, None, DIGEST, None) == Bundle(BundleKind.DIGEST, "late")
    assert bundle_of("late", about, None, None, THROTTLE) == Bundle(
        BundleKind.THROTTLE, "late", (("source", "acme"), ("kind", "status_changed"))
    )
    assert bundle_of("late", about, None, None, None) is None


def test_every_field_can_be_gathered_by() -> None:
    """Each has a value, or none."""
    bundle = bundle_of("late", event(appointment()), Group(MINUTE, FIELDS), None, None)
    assert bundle is not None
    assert [name for name, _ in bundle.by] == list(FIELDS)
    assert dict(bundle.by)["status"] == "CANCELLED"


def test_a_bundle_is_found_again() -> None:
    """It is written so that no two are the same, and read as it was."""
    bundles = [
        Bundle(kind, name, by)
        for kind in BundleKind
        for name in ("late", 'la"te')
        for by in ((), (("office", "12"),), (("office", None),), (("office", "null"),), (("subject", "12"),))
    ]
    written = [write_bundle(one) for one in bundles]
    assert len(set(written)) == len(bundles)
    assert [read_bundle(text) for text in written] == bundles


def test_who_goes_together() -> None:
    """What a throttle let through goes alone; once too many did, all that waits goes together."""
    alone = Bundle(BundleKind.THROTTLE, "late")
    over = alone.of_over
    assert (alone.of_over.kind, replace(over, kind=BundleKind.GROUP).of_over.kind) == (
        BundleKind.OVER,
        BundleKind.GROUP,
    )
    assert (gathers(alone), gathers(over)) == (False, True)
    assert (set(over.joined), alone.joined) == ({over, alone}, (alone,))
    assert set(over.counted) == set(alone.counted) == {over, alone}
    assert [kind for kind in BundleKind if not takes_early(Bundle(kind, "late"))] == [BundleKind.DIGEST]
    group = Bundle(BundleKind.GROUP, "late")
    assert (group.joined, group.counted) == ((group,), (group,))


def test_how_many_go_together() -> None:
    """As many as the rule says now; what waits for a rule that is gone goes all the same."""
    assert most_of(Bundle(BundleKind.GROUP, "late"), Group(MINUTE, most=7)) == 7
    assert most_of(Bundle(BundleKind.GROUP, "late"), None) == USUAL_MOST
    assert most_of(Bundle(BundleKind.OVER, "late"), None) == LARGEST


def test_when_it_goes_out() -> None:
    """After the wait of a group; at the next time of a digest; at once otherwise."""
    assert begins_at(GROUP, None, NOW) == NOW + 30 * SECOND
    # It is Tuesday, 08:00 in Brussels.
    assert begins_at(None, DIGEST, NOW) == NOW
    assert begins_at(None, DIGEST, NOW + SECOND) == NOW + 8 * HOUR
    assert begins_at(None, DIGEST, NOW + 3 * DAY + 9 * HOUR) == NOW + 6 * DAY
    assert begins_at(None, None, NOW) is None


@pytest.mark.parametrize(
    ("at", "since", "expected"),
    [
        # There is no 02:30 on 29 March: it is told when the clock jumps over it.
        (time(2, 30), datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)),
        # It is 02:30 twice on 25 October: it is told the first time, and not the second.
        (time(2, 30), datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (time(2, 30), datetime(2026, 10, 25, 0, 31, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)),
        (time(8), datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 6, tzinfo=UTC)),
        (time(8), datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 7, tzinfo=UTC)),
    ],
)
def test_the_clock_changes(at: time, since: datetime, expected: datetime) -> None:
    """A time of day is that of the clock on the wall, also on the two days on which it jumps."""
    assert next_time(EVERY_DAY, (at,), BRUSSELS, since) == expected


def test_what_a_throttle_lets_through() -> None:
    """So many within the time; the next when the first of these is that long ago, wherever the clock was set."""
    begun = [NOW - MINUTE, NOW - 4 * MINUTE, NOW - 9 * MINUTE]
    assert free_at(THROTTLE, begun[:2], NOW) is None
    assert free_at(THROTTLE, begun, NOW) == NOW + MINUTE
    assert free_at(THROTTLE, begun, NOW + MINUTE) is None
    assert free_at(THROTTLE, [NOW + DAY] * 3, NOW) == NOW + 10 * MINUTE


def test_what_they_have_in_common_is_said() -> None:
    """In words, and what none of them has as well."""
    assert say_by((("office", "12"), ("lead_segment", None))) == "office 12, no lead segment"
    assert say_by(()) == ""


def routed(told: Rule, now: datetime = NOW, silences: tuple[Silence, ...] = ()) -> tuple[object, ...]:
    (found,) = route({told.name: told}, event(), walk([told], event()), Context(now=now, silences=silences))
    return found.bundle, found.due_at, found.not_before, found.story


def test_a_delivery_knows_its_bundle() -> None:
    """It waits for the others, and says so; what a throttle may let through is due at once."""
    bundle = bundle_of("any", event(), GROUP, None, None)
    assert bundle is not None
    later = NOW + 30 * SECOND
    story = (("group", "waits 30s for others of office 12, no lead segment"),)
    assert routed(rule(group=GROUP)) == (write_bundle(bundle), later, later, story)
    noon = NOW + 8 * HOUR
    found = routed(rule(digest=DIGEST), NOW + HOUR)
    told = (("digest", "told at 2026-11-24 16:00 Europe/Brussels, with others"),)
    assert found == (write_bundle(Bundle(BundleKind.DIGEST, "any")), noon, noon, told)
    alone = Bundle(BundleKind.THROTTLE, "any", (("source", "acme"), ("kind", "status_changed")))
    assert routed(rule(throttle=THROTTLE)) == (write_bundle(alone), NOW, None, ())
    assert say_wait(alone, None, None, None) == ()


def test_what_is_silenced_waits_for_nobody() -> None:
    """It is settled at once."""
    silence = Silence(id=1, author="ana", why="move", began_at=NOW - DAY, until=NOW + timedelta(days=1))
    bundle, due_at, not_before, story = routed(rule(group=GROUP), silences=(silence,))
    assert (bundle, due_at, not_before) == (None, NOW, None)
    assert "group" not in dict(story)  # type: ignore[call-overload]
