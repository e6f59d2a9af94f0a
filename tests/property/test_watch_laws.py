"""The laws of what the clock makes: each stay is told once, and again no sooner than asked, whatever happens."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifier.core.change import Kind
from notifier.core.watch import CONFIRMED, UNCONFIRMED, Escalation, Watch
from tests.builders import DAY, HOUR, MINUTE
from tests.timed_world import ON_TIME, Model, TimedWorld, asking

STATUSES = {
    Kind.STAYS: frozenset({"INCOMING_REQUEST", "OUTGOING_INVITE"}),
    Kind.OVERDUE: frozenset({CONFIRMED}),
    Kind.BEFORE_START: UNCONFIRMED,
}
WATCHES = st.builds(
    lambda kind, span, remind, escalate: Watch(
        kind=kind, statuses=STATUSES[kind], span=span, remind=remind, escalate=escalate
    ),
    st.sampled_from(sorted(STATUSES)),
    st.sampled_from((HOUR, 2 * HOUR, DAY)),
    st.sampled_from((None, 30 * MINUTE, 4 * HOUR)),
    st.sampled_from((None, Escalation(HOUR, ("boss",)))),
)
NAMES = st.sampled_from(("1", "2", "3"))
OFFSETS = st.sampled_from((-2 * HOUR, timedelta(0), HOUR, 5 * HOUR, 25 * HOUR, None))
LIVES = st.one_of(
    st.none(),
    st.tuples(st.just("status"), NAMES, st.sampled_from(("INCOMING_REQUEST", "OUTGOING_INVITE", CONFIRMED, "NO_SHOW"))),
    st.tuples(st.just("move"), NAMES, OFFSETS),
    st.tuples(st.just("note"), NAMES, st.sampled_from(("12", "13"))),
    st.tuples(st.just("remove"), NAMES, st.none()),
)
PASSING = st.sampled_from((MINUTE, 7 * MINUTE, HOUR, 2 * HOUR, 5 * HOUR, 30 * HOUR))
#: What we do then: `p` polls, `l` looks, `r` begins anew; nothing is an outage.
DOINGS = st.sampled_from(("ppl", "ppl", "ppl", "ppll", "pl", "lp", "p", "l", "r", "prl", ""))
Step = tuple[tuple[str, str, Any] | None, timedelta, str]
STEPS: st.SearchStrategy[Step] = st.tuples(LIVES, PASSING, DOINGS)


def take(world: TimedWorld, model: Model, step: Step) -> None:
    """Lets something happen, time pass, and us do something, in the world and in the model."""
    life, passing, doings = step
    live(world, life)
    world.clock.now += passing
    for doing in doings:
        world.clock.advance(seconds=1)
        if doing == "p":
            world.poll()
            model.poll(world.truth, world.clock())
        elif doing == "l":
            world.look()
            model.look(world.clock())
        else:
            world.restart(world.rules)


def live(world: TimedWorld, life: tuple[str, str, Any] | None) -> None:
    """Lets something happen to an appointment."""
    world.clock.advance(seconds=1)
    what, name, value = life or ("nothing", "", None)
    if what == "status":
        world.set(name, status=value)
    elif what == "note":
        world.set(name, office=value)
    elif what == "move":
        start = None if value is None else world.clock() + value
        world.set(name, start=start, end=start and start + HOUR)
    elif what == "remove":
        world.truth.pop(name, None)


def lived(world: TimedWorld, watch: Watch, steps: Sequence[Step]) -> Model:
    """Returns the model after all these steps, in which as much has been told as in the world."""
    model = Model(watch, world.clock())
    # Two that were there before, of whom nothing old is told.
    for name, status in (("1", min(watch.statuses)), ("2", CONFIRMED)):
        world.set(name, status=status, start=world.clock() + 3 * HOUR, end=world.clock() + 4 * HOUR)
    for step in ((None, MINUTE, "pl"), *steps, (None, MINUTE, "ppl")):
        take(world, model, step)
    return model


# Who moves within the time before its start is in the same stay.
MOVES: list[Step] = [
    (None, MINUTE, "ppl"),
    (("status", "2", "INCOMING_REQUEST"), MINUTE, "ppl"),
    (("move", "2", 5 * HOUR), HOUR, "ppl"),
]


@example(Watch(kind=Kind.BEFORE_START, statuses=UNCONFIRMED, span=DAY, escalate=Escalation(HOUR, ("boss",))), MOVES)
@settings(max_examples=80)
@given(WATCHES, st.lists(STEPS, min_size=3, max_size=20))
def test_the_same_is_told_as_by_walking_through_everything(watch: Watch, steps: list[Step]) -> None:
    """Whatever an appointment lives through, whenever it is polled, looked at, or all is begun anew."""
    with TimedWorld([asking(watch)]) as world:
        model = lived(world, watch, steps)
        told = world.told()
        assert sorted(told, key=repr) == sorted(model.told, key=repr)
        assert world.look() == frozenset()
        assert world.told() == told


@settings(max_examples=40)
@given(WATCHES, st.lists(STEPS, min_size=3, max_size=20))
def test_nothing_is_told_twice(watch: Watch, steps: list[Step]) -> None:
    """Each message about a stay is one; its reminders are as far apart as asked, less what one may be late."""
    with TimedWorld([asking(watch)]) as world:
        lived(world, watch, steps)
        told = world.told()
    assert len({one[:4] for one in told}) == len(told)
    for name, begin in {one[:2] for one in told}:
        again = [one for one in told if one[:2] == (name, begin) and not one[3]]
        assert [number for _, _, number, _, _ in again] == list(range(len(again)))
        for before, after in pairwise(again):
            assert watch.remind is not None
            assert after[4] - before[4] >= watch.remind - ON_TIME


@given(WATCHES, st.lists(NAMES, min_size=1, max_size=3, unique=True), st.sampled_from((HOUR, 6 * HOUR, 3 * DAY)))
def test_a_first_look_is_silent(watch: Watch, names: list[str], age: timedelta) -> None:
    """What was so when all began is not told, also when it is looked at again."""
    with TimedWorld([asking(watch)]) as world:
        for name in names:
            start = world.clock() + age
            world.set(name, status=min(watch.statuses), start=start - 2 * age, end=start - age)
        world.clock.now += age + watch.span
        world.restart([])
        world.restart([asking(watch)])
        for _ in range(3):
            world.poll()
            world.look()
            world.clock.advance(minutes=1)
        assert world.told() == []
