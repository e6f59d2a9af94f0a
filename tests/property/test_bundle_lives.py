"""The law of messages that tell several things, from try to try: whatever becomes of them, they stay what they are.

The state machine walks everywhere, and so comes seldom to the second try of a message with several things in it. Here
each step leads to the next one, and every law of the machine is looked at after it.
"""

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifier.core.delivery import Result, State
from tests.bundle_model import RULES
from tests.property.test_bundle_machine import LIKELY_ROOMS, TURNS, BundleMachine

BUNDLING = [name for name in RULES if name != "now"]
ONE, OTHER = (1, 0, 0, 0), (0, 1, 0, 0)
HAND_BACK, CRASH = "hand back", "crash"
FATES = st.sampled_from([Result.RETRY, HAND_BACK, Result.UNCERTAIN, CRASH, Result.DELIVERED, Result.DEAD])
STEPS = st.tuples(st.integers(0, 4), st.none() | TURNS, st.sampled_from((1, 1, 3)), FATES)


def look(machine: BundleMachine) -> None:
    """Looks at every law."""
    machine.nothing_is_lost_or_made_up()
    machine.nothing_is_doubled()
    machine.all_have_their_turn()


def look_at_stories(machine: BundleMachine) -> None:
    """Looks at what is told of each delivery: that it was too much is said once, however often it is put off."""
    with machine.store.reading() as tx:
        told = tx.connection().exec_driver_sql("SELECT story FROM delivery WHERE story IS NOT NULL").scalars().all()
    for story in told:
        assert [key for key, _ in orjson.loads(story)].count("throttle") <= 1


def hand_back(machine: BundleMachine) -> None:
    """Hands back all that is in hand, which then is as it was before it was claimed."""
    claimed = {one.delivery.id: message for message in machine.hands for one in message.together}
    while machine.hands:
        machine.hand_back()
    for one in machine.records():
        if one.delivery.id in claimed:
            message = claimed[one.delivery.id]
            assert (one.state, one.attempts, one.tries) == (State.PENDING, message.attempt - 1, message.tries - 1)
            together = message.members and message.attempt > 1
            assert one.bundled_in == (message.delivery.id if together else None)


def meet(machine: BundleMachine, fate: str) -> None:
    """Lets what is in hand meet its fate."""
    if fate == CRASH and machine.hands:
        machine.crash()
    elif fate == HAND_BACK:
        hand_back(machine)
    while machine.hands:
        machine.end(Result(fate))


@settings(max_examples=50)
@given(
    st.sampled_from(BUNDLING),
    st.sampled_from(LIKELY_ROOMS),
    st.just((1, 1, 1, 1)) | TURNS,
    st.lists(STEPS, min_size=3, max_size=7),
)
# What waits to be tried again is not told with others, and a digest leaves what comes after its time to the next one.
@example("each", "words", ONE, [(0, OTHER, 1, Result.RETRY), (0, None, 1, Result.DELIVERED)])
@example("digest", "words", ONE, [(0, OTHER, 1, Result.DELIVERED), (2, ONE, 1, Result.DELIVERED)])
def test_a_message_stays_what_it_is(
    name: str, room: str, turns: tuple[int, ...], steps: list[tuple[int, tuple[int, ...] | None, int, str]]
) -> None:
    """Tried again, handed back, cut by a crash: it has the same name and content, and what came since is for others."""
    machine = BundleMachine()
    try:
        machine.open(name, name, room)
        machine.commit(turns, State.PENDING)
        # The first try fails: what comes after that is where several things may part.
        for late, news, limit, fate in ((0, None, 1, Result.RETRY), *steps):
            machine.begin(late, limit, news)
            look(machine)
            meet(machine, fate)
            look(machine)
    finally:
        machine.teardown()


@settings(max_examples=25)
@given(
    st.sampled_from([name for name in BUNDLING if RULES[name].throttle]),
    st.lists(st.tuples(st.integers(0, 2), TURNS), min_size=6, max_size=12),
)
def test_no_more_than_a_throttle_lets_through(name: str, steps: list[tuple[int, tuple[int, ...]]]) -> None:
    """Something happens all the time and everything arrives: what is too much waits, no longer than it has to."""
    machine = BundleMachine()
    try:
        machine.open(name, name, "words")
        for minutes, news in steps:
            machine.wait(minutes)
            machine.commit(news, State.PENDING)
            machine.claim(1)
            look(machine)
            look_at_stories(machine)
            meet(machine, Result.DELIVERED)
    finally:
        machine.teardown()
