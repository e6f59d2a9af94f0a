"""The laws of a replay: what happened, taken through the same rules again, is told as it was told then."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from notifier.channels.channel import Channel
from notifier.config.settings import Settings
from notifier.core.appointment import Appointment
from notifier.core.change import Kind, compare
from notifier.core.difference import compare_runs
from notifier.core.rule import Rule, field_among, lead_time, on_kinds, timed, to_status
from notifier.core.told import Told
from notifier.core.watch import UNCONFIRMED, Escalation, Watch
from notifier.rehearsal import Rehearsal
from notifier.replay import PATIENCE, Recording, asked_statuses, compare_rules, play, read_recording
from notifier.wiring import open_channels
from tests import configured
from tests.builders import HOUR, MINUTE, NOW, appointment, observation

END = NOW + timedelta(days=7)
OPEN = Watch(
    kind=Kind.STAYS,
    statuses=frozenset({"INCOMING_REQUEST"}),
    span=2 * HOUR,
    remind=50 * HOUR,
    escalate=Escalation(HOUR, ("crm",)),
)
DUE = Watch(kind=Kind.OVERDUE, statuses=frozenset({"ACCEPTED"}), span=HOUR)
NEAR = Watch(kind=Kind.BEFORE_START, statuses=UNCONFIRMED, span=24 * HOUR)
RULES = (
    Rule(name="off", description="", requirements=(to_status(["CANCELLED"]), lead_time("<24h")), channels=("team",)),
    Rule(name="new", description="", requirements=(on_kinds([Kind.CREATED]),), channels=("team", "crm"), stop=True),
    Rule(name="twelve", description="", requirements=(field_among("office", ["12"]),), channels=("crm",), always=True),
    Rule(
        name="open",
        description="",
        requirements=(timed(OPEN),),
        channels=("team",),
        watch=OPEN,
    ),
    Rule(name="due", description="", requirements=(timed(DUE),), channels=("crm",), watch=DUE),
    Rule(name="near", description="", requirements=(timed(NEAR),), channels=("team",), watch=NEAR),
    Rule(name="lost", description="", requirements=(on_kinds([Kind.VANISHED]),), channels=("team",), title="Lost"),
)


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll brings."""

    minutes: int
    #: What of an appointment differs from the usual one, by its id.
    shown: dict[str, dict[str, Any]]
    gone: tuple[str, ...]


STATES = st.fixed_dictionaries(
    {
        "status": st.sampled_from(("ACCEPTED", "CANCELLED", "NO_SHOW", "INCOMING_REQUEST")),
        "office": st.sampled_from(("12", "13")),
        "start": st.sampled_from((NOW + HOUR, NOW + 30 * HOUR, None)),
        "created_at": st.sampled_from((NOW - 48 * HOUR, NOW + MINUTE)),
    }
)
POLLS = st.lists(
    st.builds(
        Poll,
        st.integers(0, 3000),
        st.dictionaries(st.sampled_from("123"), STATES, max_size=3),
        st.lists(st.sampled_from("123"), max_size=1).map(tuple),
    ),
    max_size=6,
)
SUBSETS = st.lists(st.sampled_from(RULES), unique=True)
FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def world() -> tuple[Settings, tuple[Channel, ...]]:
    """Returns a configuration with two channels, and these."""
    with TemporaryDirectory() as folder:
        found = configured.settings(
            Path(folder),
            configured.source("https://api.example.com", 'token = "t"'),
            {"team": "console://", "crm": "https://crm.example.com/"},
        )
    return found, tuple(open_channels(found).values())


def live(polls: Sequence[Poll], rules: Sequence[Rule]) -> tuple[Recording, list[Told]]:
    """Returns what is on record of these polls, and what was told of them."""
    known: dict[str, Appointment] = {"1": appointment(id="1")}
    config, channels = world()
    with Rehearsal(config, rules, channels, NOW) as life:
        life.observe("acme", [observation(appointment(id="1"), NOW)])
        for poll in polls:
            at = life.now + poll.minutes * MINUTE
            life.advance(at)
            shown = [
                observation(_after(known.get(name), name, changes, at), at)
                for name, changes in poll.shown.items()
                if name not in poll.gone
            ]
            known |= {one.appointment.id: one.appointment for one in shown}
            life.observe("acme", shown, poll.gone)
        life.advance(END)
        life.keeps_time = False
        life.advance(END + PATIENCE)
        return read_recording(life._store, ["acme"], NOW, END, asked_statuses(RULES)), life.told


def _after(before: Appointment | None, name: str, changes: dict[str, Any], at: datetime) -> Appointment:
    """Returns what is shown; who wrote last, without a change that is watched, is not on record, and stays."""
    after = structs.replace(before or appointment(id=name), updated_at=at, **changes)
    return before if before is not None and not compare(before, after) else after


@FEW
@given(POLLS, SUBSETS)
def test_the_same_rules_tell_the_same(polls: list[Poll], rules: list[Rule]) -> None:
    """A replay tells what was told, in the same words at the same times, and so finds no difference."""
    recording, told = live(polls, rules)
    config, channels = world()
    again = play(config, rules, channels, recording)
    assert compare_runs(told, again).is_empty, (compare_runs(told, again), polls)
    assert again == told
    assert compare_rules(config, rules, rules, recording).difference.is_empty


@FEW
@given(POLLS, SUBSETS, SUBSETS)
def test_what_differs_adds_up(polls: list[Poll], before: list[Rule], after: list[Rule]) -> None:
    """Every message of both sets of rules is accounted for once; the other way round, new is gone and gone is new."""
    recording, _ = live(polls, RULES)
    config, _ = world()
    there, back = compare_rules(config, before, after, recording), compare_rules(config, after, before, recording)
    found = there.difference
    pairs = len(found.moved) + len(found.reworded) + found.same
    assert (there.before, there.after) == (len(found.gone) + pairs, len(found.new) + pairs)
    assert (set(found.new), set(found.gone)) == (set(back.difference.gone), set(back.difference.new))


@FEW
@given(POLLS, SUBSETS)
def test_other_words_are_only_other_words(polls: list[Poll], rules: list[Rule]) -> None:
    """A rule with another title tells as much as before, to the same channels at the same times."""
    recording, told = live(polls, rules)
    config, channels = world()
    titled = [replace(rule, title="Other: {{ appointment.id }}") for rule in rules]
    again = play(config, titled, channels, recording)
    found = compare_runs(told, again)
    assert not found.new
    assert not found.gone
    assert not found.moved
    # A webhook gets no words.
    assert len(found.reworded) == sum(one.channel == "team" for one in told)
