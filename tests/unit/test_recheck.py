"""What waited is compared with what is known now: collapsed, undone, outdated, or told as it was."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
from msgspec import structs

from notifier.core.appointment import Appointment
from notifier.core.change import Kind, compare
from notifier.core.delivery import Reason
from notifier.core.event import Event
from notifier.core.recheck import Overtaken, Recheck, Sight, Waiting, recheck, sight_before
from notifier.core.rule import (
    Rule,
    changed_any,
    field_among,
    from_status,
    lead_time,
    max_age,
    on_kinds,
    timed,
    to_status,
)
from notifier.core.watch import UNCONFIRMED
from tests.builders import (
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    START,
    appointment,
    created,
    discovered,
    rule,
    stay,
    step,
    vanished,
    watch,
)

ANY = rule()
ACCEPTED = appointment()
CANCELLED = appointment(status="CANCELLED", updated_at=NOW, updated_by="201", updated_by_type="CUSTOMER")
COMPLETED = appointment(status="COMPLETED", updated_at=NOW + MINUTE)
MOVED = appointment(start=START + HOUR, end=START + 2 * HOUR, updated_at=NOW)
MOVED_ON = appointment(start=START + 3 * HOUR, end=START + 4 * HOUR, updated_at=NOW + MINUTE)


def waits(*events: Event, in_doubt: bool = False) -> list[Waiting]:
    """Returns deliveries 1, 2, ... of these events, the ids of which differ; the first of them may have arrived."""
    return [
        Waiting(seq, replace(event, id=f"e{seq}", detected_at=NOW + seq * MINUTE), in_doubt and seq == 1)
        for seq, event in enumerate(events, 1)
    ]


def sight(state: Appointment, *, listed: bool = True) -> Sight:
    return Sight(state, listed)


def gone(*seqs: int, reason: Reason) -> Recheck:
    """Returns that nothing is told."""
    return Recheck(tuple(Overtaken(seq, reason) for seq in seqs), None)


def told(decided: Recheck) -> Event:
    assert decided.survivor is not None
    return decided.survivor.event


def changes(decided: Recheck) -> list[tuple[str, object, object]]:
    return [(change.field, change.before, change.after) for change in told(decided).changes]


# One that waits


@pytest.mark.parametrize(
    ("event", "now"),
    [
        (step(ACCEPTED, CANCELLED), sight(CANCELLED)),
        (step(ACCEPTED, CANCELLED), sight(structs.replace(CANCELLED, updated_at=NOW + HOUR, updated_by="9"))),
        (created(ACCEPTED), sight(ACCEPTED)),
        (discovered(CANCELLED), sight(CANCELLED)),
        (vanished(ACCEPTED), sight(ACCEPTED, listed=False)),
        (step(ACCEPTED, CANCELLED), None),
        (vanished(ACCEPTED), None),
    ],
)
def test_what_is_still_so_is_told_as_it_was(event: Event, now: Sight | None) -> None:
    """Where nothing that is watched moved on, or nothing is known; even if the rule asks for other things by now."""
    (waiting,) = waits(event)
    nothing = rule(to_status(["NO_SHOW"]))
    assert recheck([waiting], now, nothing) == Recheck((), waiting)


@pytest.mark.parametrize(
    ("event", "now"),
    [
        (step(ACCEPTED, CANCELLED), sight(ACCEPTED)),
        (step(ACCEPTED, MOVED), sight(structs.replace(ACCEPTED, updated_at=NOW + HOUR))),
        # Something else has changed, of which this rule has told nothing.
        (step(ACCEPTED, CANCELLED), sight(appointment(office="13"))),
        (step(ACCEPTED, CANCELLED), sight(ACCEPTED, listed=False)),
        (vanished(ACCEPTED), sight(ACCEPTED)),
        (vanished(ACCEPTED), sight(CANCELLED)),
        (created(ACCEPTED), sight(ACCEPTED, listed=False)),
        (
            step(ACCEPTED, appointment(fingerprints=(("internal_notes", "f1"),))),
            sight(appointment(fingerprints=(("location", "f2"),))),
        ),
    ],
)
def test_what_was_undone_is_not_told(event: Event, now: Sight) -> None:
    """All that the event told is as it was before, whatever else has changed."""
    assert recheck(waits(event), now, ANY) == gone(1, reason=Reason.UNDONE)


def test_what_was_undone_in_part_is_told_in_part() -> None:
    """Status and time changed, the time was taken back: the status is told."""
    both = structs.replace(CANCELLED, start=MOVED.start, end=MOVED.end)
    decided = recheck(waits(step(ACCEPTED, both)), sight(CANCELLED), ANY)
    assert changes(decided) == [("status", "ACCEPTED", "CANCELLED")]
    assert told(decided).kinds == (Kind.STATUS_CHANGED,)
    rescheduled = rule(on_kinds([Kind.RESCHEDULED]))
    assert recheck(waits(step(ACCEPTED, both)), sight(CANCELLED), rescheduled) == gone(1, reason=Reason.OUTDATED)


def test_what_moved_on_is_told_as_it_is_now() -> None:
    """The state before stays, the newest comes after; id, source, sweep and when it was noticed are the event's."""
    (waiting,) = waits(step(ACCEPTED, MOVED))
    decided = recheck([waiting], sight(MOVED_ON), ANY)
    assert decided.overtaken == ()
    assert told(decided) == replace(waiting.event, changes=compare(ACCEPTED, MOVED_ON), after=MOVED_ON)
    assert changes(decided)[0] == ("start", START, START + 3 * HOUR)


@pytest.mark.parametrize(
    "asks",
    [
        rule(to_status(["CANCELLED"])),
        rule(on_kinds([Kind.STATUS_CHANGED]), field_among("office", ["12"]), to_status(["CANCELLED"])),
        rule(field_among("updated_by_type", ["CUSTOMER"])),
    ],
)
def test_what_led_elsewhere_is_judged_again(asks: Rule) -> None:
    """Where the rule does not ask for what became of it, nothing is told."""
    event = step(ACCEPTED, CANCELLED)
    assert recheck(waits(event), sight(appointment(status="NO_SHOW", office="13")), asks) == gone(
        1, reason=Reason.OUTDATED
    )


def test_who_changed_something_else_since_is_not_said_to_have_made_the_change() -> None:
    """A customer cancels, and an employee moves it to another office: the author and the time are the customer's."""
    since = structs.replace(CANCELLED, office="13", updated_at=NOW + HOUR, updated_by="301", updated_by_type="EMPLOYEE")
    asks = rule(field_among("updated_by_type", ["CUSTOMER"]), lead_time(">90m"), max_age(10 * MINUTE))
    decided = recheck(waits(step(ACCEPTED, CANCELLED)), sight(since), asks)
    assert (told(decided).occurred_at, told(decided).after.updated_by) == (NOW, "201")
    assert [field for field, _, _ in changes(decided)] == ["status", "office"]
    assert told(decided).kinds == (Kind.STATUS_CHANGED, Kind.RELOCATED)


def test_who_changed_it_further_is_its_author() -> None:
    """The message tells who made it what it is now, and when."""
    decided = recheck(waits(step(ACCEPTED, CANCELLED)), sight(COMPLETED), ANY)
    assert (told(decided).occurred_at, told(decided).after.updated_by) == (COMPLETED.updated_at, "301")


def test_a_personal_text_is_told_to_differ_and_no_more() -> None:
    """Of two changes of a note only the fact is known, as of one."""
    notes = [appointment(fingerprints=(("internal_notes", text),)) for text in ("f1", "f2")]
    decided = recheck(waits(step(ACCEPTED, notes[0])), sight(notes[1]), ANY)
    assert changes(decided) == [("internal_notes", None, None)]


# Several that wait


def test_moved_twice_is_moved_once() -> None:
    """The last of several survives and tells the first state before and the newest after."""
    decided = recheck(waits(step(ACCEPTED, MOVED), step(MOVED, MOVED_ON)), sight(MOVED_ON), ANY)
    assert decided.overtaken == (Overtaken(1, Reason.COLLAPSED, by=2),)
    assert (decided.survivor and decided.survivor.seq, told(decided).id) == (2, "e2")
    assert (told(decided).before, told(decided).after) == (ACCEPTED, MOVED_ON)
    assert told(decided).detected_at == NOW + 2 * MINUTE


@pytest.mark.parametrize("now", [sight(ACCEPTED), None])
def test_moved_and_moved_back_is_nothing(now: Sight | None) -> None:
    """Also where only those that wait are known."""
    back = structs.replace(ACCEPTED, updated_at=NOW + HOUR)
    assert recheck(waits(step(ACCEPTED, MOVED), step(MOVED, back)), now, ANY) == gone(1, 2, reason=Reason.UNDONE)


def test_cancelled_and_accepted_again_is_nothing() -> None:
    """Whether the rule asked for both steps or for the first alone."""
    only = rule(to_status(["CANCELLED"]))
    assert recheck(waits(step(ACCEPTED, CANCELLED)), sight(ACCEPTED), only) == gone(1, reason=Reason.UNDONE)
    both = waits(step(ACCEPTED, CANCELLED), step(CANCELLED, ACCEPTED))
    assert recheck(both, sight(ACCEPTED), ANY) == gone(1, 2, reason=Reason.UNDONE)


def test_cancelled_and_cancelled_again_is_told_once() -> None:
    """What was between them was not asked for, and is not missed."""
    only = rule(from_status(["ACCEPTED"]), to_status(["CANCELLED"]))
    decided = recheck(waits(step(ACCEPTED, CANCELLED), step(ACCEPTED, CANCELLED)), sight(CANCELLED), only)
    assert (told(decided).id, changes(decided)) == ("e2", [("status", "ACCEPTED", "CANCELLED")])


def test_the_newest_may_be_later_than_the_last_that_waits() -> None:
    """A third step that this rule was not asked about is told with the others, if it asks for where that leads."""
    first, second = step(ACCEPTED, MOVED), step(MOVED, MOVED_ON)
    now = structs.replace(MOVED_ON, status="CANCELLED", updated_at=NOW + HOUR)
    decided = recheck(waits(first, second), sight(now), rule(changed_any(["start"])))
    assert [field for field, _, _ in changes(decided)] == ["status", "start", "end"]
    assert told(decided).kinds == (Kind.STATUS_CHANGED, Kind.RESCHEDULED)
    accepted = rule(on_kinds([Kind.RESCHEDULED]), to_status(["ACCEPTED"]))
    assert recheck(waits(first, second), sight(now), accepted) == gone(1, 2, reason=Reason.OUTDATED)


def test_the_state_before_is_the_one_before_the_first() -> None:
    """Where a rule asks for it, the whole way is judged by where it began."""
    events = step(ACCEPTED, CANCELLED), step(CANCELLED, COMPLETED)
    begins = rule(from_status(["ACCEPTED"]))
    assert told(recheck(waits(*events), sight(COMPLETED), begins)).before == ACCEPTED
    assert recheck(waits(*events), sight(COMPLETED), rule(from_status(["CANCELLED"]))).survivor is None


# First sights


def test_made_stays_made() -> None:
    """A request that was accepted since is a new appointment, as it is now."""
    request = appointment(status="INCOMING_REQUEST")
    decided = recheck(waits(created(request), step(request, ACCEPTED)), sight(ACCEPTED), ANY)
    assert (told(decided).kinds, told(decided).changes) == ((Kind.CREATED,), ())
    assert (told(decided).before, told(decided).after) == (None, ACCEPTED)
    asks = rule(on_kinds([Kind.CREATED]), to_status(["INCOMING_REQUEST"]))
    assert recheck(waits(created(request)), sight(ACCEPTED), asks) == gone(1, reason=Reason.OUTDATED)


def test_made_and_called_off_is_told_as_one_look_would_have_seen_it() -> None:
    """As if it had been cancelled when it was first seen."""
    decided = recheck(waits(created(ACCEPTED)), sight(CANCELLED), ANY)
    assert told(decided).kinds == (Kind.STATUS_CHANGED, Kind.CREATED)
    assert changes(decided) == [("status", None, "CANCELLED")]


def test_a_discovered_one_is_told_in_the_state_that_it_has_now() -> None:
    """Which one it left is still unknown; that it is gone since is told with it."""
    decided = recheck(waits(discovered(ACCEPTED), step(ACCEPTED, CANCELLED)), sight(CANCELLED), ANY)
    assert told(decided).kinds == (Kind.STATUS_CHANGED, Kind.DISCOVERED)
    assert changes(decided) == [("status", None, "CANCELLED")]
    decided = recheck(waits(discovered(CANCELLED)), sight(CANCELLED, listed=False), ANY)
    assert told(decided).kinds == (Kind.STATUS_CHANGED, Kind.DISCOVERED, Kind.VANISHED)


# Vanished


def listed_again(before: Appointment, after: Appointment) -> Event:
    event = step(before, after)
    return replace(event, kinds=tuple(kind for kind in Kind if kind in {*event.kinds, Kind.DISCOVERED}))


def test_vanished_and_listed_again_is_nothing() -> None:
    """Unless it came back as another one: then that is told, and not that it was away."""
    events = waits(vanished(ACCEPTED), listed_again(ACCEPTED, ACCEPTED))
    assert recheck(events, sight(ACCEPTED), ANY) == gone(1, 2, reason=Reason.UNDONE)
    decided = recheck(waits(vanished(ACCEPTED), listed_again(ACCEPTED, CANCELLED)), sight(CANCELLED), ANY)
    assert (told(decided).kinds, changes(decided)) == (
        (Kind.STATUS_CHANGED,),
        [("status", "ACCEPTED", "CANCELLED")],
    )


def test_listed_again_and_vanished_again_is_nothing() -> None:
    """Whoever knew that it was away need not hear that it was there for a while."""
    events = waits(listed_again(ACCEPTED, ACCEPTED), vanished(ACCEPTED))
    assert recheck(events, sight(ACCEPTED, listed=False), ANY) == gone(1, 2, reason=Reason.UNDONE)
    assert recheck(events[:1], sight(ACCEPTED, listed=False), ANY) == gone(1, reason=Reason.UNDONE)


def test_changed_and_vanished_is_told_as_both() -> None:
    """With the last known state."""
    decided = recheck(waits(step(ACCEPTED, CANCELLED)), sight(CANCELLED, listed=False), ANY)
    assert told(decided).kinds == (Kind.STATUS_CHANGED, Kind.VANISHED)
    decided = recheck(waits(step(ACCEPTED, MOVED), vanished(MOVED)), sight(MOVED, listed=False), ANY)
    assert told(decided).kinds == (Kind.RESCHEDULED, Kind.VANISHED)
    assert told(decided).before == ACCEPTED


def test_listed_again_and_changed_since_is_told_as_both() -> None:
    """To whom it was away, it is back as it is now."""
    decided = recheck(waits(listed_again(ACCEPTED, ACCEPTED)), sight(CANCELLED), ANY)
    assert told(decided).kinds == (Kind.STATUS_CHANGED, Kind.DISCOVERED)


def vanished_then(last: Appointment, _: Appointment) -> Event:
    return vanished(last)


# What is told as it is


@pytest.mark.parametrize("asks", [None, rule(always=True)])
def test_some_rules_have_all_told_as_it_was(asks: Rule | None) -> None:
    """One after the other, whatever has happened since: with `always`, or if the rule is not there any more."""
    waiting = waits(step(ACCEPTED, CANCELLED), step(CANCELLED, ACCEPTED))
    assert recheck(waiting, sight(ACCEPTED), asks) == Recheck((), waiting[0])


def test_what_may_have_arrived_is_never_told_otherwise() -> None:
    """Its id stands for what was sent under it."""
    (doubtful,) = waits(step(ACCEPTED, MOVED), in_doubt=True)
    assert recheck([doubtful], sight(MOVED_ON), ANY) == Recheck((), doubtful)


def test_what_may_have_arrived_is_not_told_when_it_is_not_true_any_more() -> None:
    """It may have come or not; to send it again would be wrong in either case."""
    doubtful = waits(step(ACCEPTED, CANCELLED), in_doubt=True)
    assert recheck(doubtful, sight(ACCEPTED), ANY) == gone(1, reason=Reason.UNDONE)
    assert recheck(doubtful, sight(COMPLETED), rule(to_status(["CANCELLED"]))) == gone(1, reason=Reason.OUTDATED)


def test_whoever_may_have_heard_of_it_hears_what_came_of_it() -> None:
    """Cancelled, which may have arrived, and accepted again: that is told, though all is as it was before."""
    waiting = waits(step(ACCEPTED, CANCELLED), step(CANCELLED, ACCEPTED), in_doubt=True)
    decided = recheck(waiting, sight(ACCEPTED), ANY)
    assert decided == Recheck((Overtaken(1, Reason.COLLAPSED, by=2),), waiting[1])


def test_what_came_after_the_doubtful_one_is_collapsed_without_it() -> None:
    """What it told counts as told, and the others begin where it ends."""
    waiting = waits(step(ACCEPTED, CANCELLED), step(CANCELLED, MOVED), step(MOVED, MOVED_ON), in_doubt=True)
    decided = recheck(waiting, sight(MOVED_ON), ANY)
    assert decided.overtaken == (
        Overtaken(1, Reason.COLLAPSED, by=3),
        Overtaken(2, Reason.COLLAPSED, by=3),
    )
    assert (told(decided).before, told(decided).after) == (CANCELLED, MOVED_ON)


def test_the_doubtful_one_is_told_if_the_others_came_to_nothing() -> None:
    """It is true again, and may not have arrived."""
    waiting = waits(step(ACCEPTED, MOVED), step(MOVED, MOVED_ON), step(MOVED_ON, MOVED), in_doubt=True)
    decided = recheck(waiting, sight(MOVED), ANY)
    assert decided == Recheck((Overtaken(2, Reason.UNDONE), Overtaken(3, Reason.UNDONE)), waiting[0])


# What was merged before


def test_what_was_merged_is_merged_with_what_came_since() -> None:
    """It still begins with the first state before."""
    once = recheck(waits(step(ACCEPTED, CANCELLED), step(CANCELLED, MOVED)), sight(MOVED), ANY).survivor
    assert once is not None
    later = Waiting(3, replace(step(MOVED, MOVED_ON), id="e3"))
    decided = recheck([once, later], sight(MOVED_ON), ANY)
    assert decided.overtaken == (Overtaken(2, Reason.COLLAPSED, by=3),)
    assert (told(decided).id, told(decided).before, told(decided).after) == ("e3", ACCEPTED, MOVED_ON)
    assert recheck([once], sight(MOVED), ANY) == Recheck((), once)


def test_what_was_before_an_event() -> None:
    """The state, and whether it was listed; nothing of what nobody knew."""
    assert sight_before(created(ACCEPTED)) is None
    assert sight_before(vanished(ACCEPTED)) == sight(ACCEPTED)
    assert sight_before(listed_again(ACCEPTED, CANCELLED)) == sight(ACCEPTED, listed=False)
    assert sight_before(step(ACCEPTED, CANCELLED)) == sight(ACCEPTED)


STATES = (ACCEPTED, CANCELLED, MOVED, appointment(office="13"), appointment(fingerprints=(("internal_notes", "f1"),)))


@pytest.mark.parametrize("tell", [lambda _, now: created(now), lambda _, now: discovered(now), step, vanished_then])
def test_every_event_that_is_told_says_what_it_is(tell: Callable[[Appointment, Appointment], Event]) -> None:
    """Whatever it leads from and to, it has a kind, and its changes are those between its states."""
    for before, after, state, listed in product(STATES, STATES, STATES, (True, False)):
        event = tell(before, after)
        decided = recheck(waits(event), sight(state, listed=listed), ANY) if event.kinds else gone(reason=Reason.UNDONE)
        if decided.survivor is not None:
            assert told(decided).kinds
            assert not compare(told(decided).after, state)
            assert event.before is None or told(decided).changes == compare(before, state)


def test_what_has_begun_does_not_come_near() -> None:
    """An appointment that began while the message waited for its hours is not told as one that is to come."""
    asked = watch(kind=Kind.BEFORE_START, statuses=UNCONFIRMED, span=2 * HOUR)
    near = stay(asked, appointment(status="INCOMING_REQUEST", start=NOW + HOUR, end=NOW + 2 * HOUR))
    telling, waiting = rule(timed(asked), watch=asked), [Waiting(1, near)]
    newest = Sight(near.after, listed=True)
    assert recheck(waiting, newest, telling, NOW + HOUR - SECOND).survivor == waiting[0]
    assert recheck(waiting, newest, telling, NOW + HOUR) == Recheck((Overtaken(1, Reason.OUTDATED),), None)
