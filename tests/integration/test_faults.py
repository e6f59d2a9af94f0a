"""Whatever goes wrong with a request, at whichever request: it costs time, and nothing is lost or invented."""

from dataclasses import replace
from pathlib import Path

import pytest

import notifier.engage.client
from notifier.audit import Audit
from notifier.core.delivery import Outcome, Reason, Result, Settlement, State
from notifier.core.sweep import SweepOutcome
from notifier.engage.simulated.broken_rows import NEW_WORD
from notifier.engage.simulated.faults import FINAL, LIES, FaultKind, Faults
from notifier.engage.simulated.order import Order
from notifier.engage.simulated.slip import Slip
from notifier.operator import Operator
from notifier.store import hold, notices
from tests.configured import settings, source
from tests.polling import DATED, events_in
from tests.simulated import HandClock
from tests.trial import IMPATIENT, PATIENT, Place, Strike, Trial, on_trial

HONEST = [kind for kind in FaultKind if kind not in LIES]
"""Faults that can be known for what they are; the others make rows look changed though nobody changed them."""

TOLD_EACH = 5
"""Changes that `Trial.happen` makes."""

ROWS_ONLY = {FaultKind.NOT_OBJECTS, FaultKind.DUPLICATES}
ON_API_ONLY = {FaultKind.EXPIRED_TOKEN, *ROWS_ONLY}


@pytest.fixture(autouse=True)
def small_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte is as huge as a hundred."""
    monkeypatch.setattr(notifier.engage.client, "BODY_LIMIT", 1_000_000)


def clean(audit: Audit) -> bool:
    """Asserts that nothing is lost, invented or falsely vanished, so that a failure shows what is."""
    assert (audit.lost, audit.invented, audit.falsely_vanished) == ((), (), ())
    return True


def places(kind: FaultKind) -> list[Place]:
    """Returns where a kind of fault can strike."""
    if kind is FaultKind.TOKEN_DOWN:
        return [Place.TOKEN]
    return [place for place in Place if place is not Place.TOKEN or kind not in ON_API_ONLY]


@pytest.mark.parametrize(
    "kind",
    HONEST,
)
def test_a_fault_costs_time_only(tmp_path: Path, clock: HandClock, kind: FaultKind) -> None:
    """At whichever request it strikes, once and then for a whole poll: when it is over, all changes are told once."""
    timeout = IMPATIENT if kind is FaultKind.TIME_OUT else PATIENT
    with on_trial(tmp_path, clock, timeout=timeout) as trial:
        for number, place in enumerate(places(kind), start=1):
            for times in (1, None):
                trial.simulator.script = Strike(kind, place, times)
                trial.happen()
                if place is Place.TOKEN:
                    trial.simulator.expire_tokens()
                trial.poll()
            trial.end_trouble()
            assert trial.settle() == {SweepOutcome.OK}, place
            # Who is refused asks only once.
            assert trial.simulator.faulted[kind] >= (number if kind in FINAL else 2 * number), place
            audit = trial.audit()
            assert clean(audit), place
            assert audit.events == audit.changes == 2 * TOLD_EACH * number, place
        assert trial.deliveries_without_reason() == 0


OPERATOR = """\
[operator]
channels = "ops"
after = "5m"
"""
UNDATED_TABLE = """
[[sources.acme.sweeps]]
name = "undated"
status = ["OUTGOING_INVITE"]
every = "5m"
"""


@pytest.mark.parametrize("kind", [kind for kind in HONEST if kind not in ROWS_ONLY])
def test_the_operator_hears_of_it_twice(tmp_path: Path, clock: HandClock, kind: FaultKind) -> None:
    """However many polls fail: one message when it begins and one when it is over, and users get none."""
    timeout = IMPATIENT if kind is FaultKind.TIME_OUT else PATIENT
    with on_trial(tmp_path, clock, timeout=timeout) as trial:
        table = source(trial.simulator.base_url, 'token = "unused"').replace('every = "1s"', 'every = "5m"')
        configured = settings(tmp_path, table + UNDATED_TABLE, {"ops": "console://"}, OPERATOR)
        operator = Operator(configured, trial.store, clock, clock.ticks)
        place = Place.TOKEN if kind is FaultKind.TOKEN_DOWN else Place.FIRST_PAGE
        trial.simulator.script = Strike(kind, place)
        trial.simulator.expire_tokens()
        assert edges(trial, operator) == 1
        trial.end_trouble()
        assert edges(trial, operator) == 1
        assert trial.owed() == 0


def edges(trial: Trial, operator: Operator) -> int:
    """Returns how often the operator is told something while the source is polled for ten minutes."""
    told = 0
    for _ in range(4):
        trial.clock.advance(minutes=2)
        trial.poll()
        told += operator.look()
        take_notices(trial)
    return told


def take_notices(trial: Trial) -> None:
    """Lets what the operator is owed arrive."""
    now = trial.clock.now
    with trial.store.writing() as tx:
        while (claimed := notices.claim(tx, "ops", now)) is not None:
            ok = Outcome(Result.DELIVERED, Reason.OK)
            notices.record(tx, claimed, ok, Settlement(State.DELIVERED, Reason.OK), now)


PAGES = [place for place in Place if place is not Place.TOKEN]


def lied_to(trial: Trial, kind: FaultKind) -> Audit:
    """Returns what is wrong after a lie was told at each sort of page, once and for a whole poll, and taken back."""
    for place in PAGES:
        for times in (1, None):
            trial.simulator.script = Strike(kind, place, times)
            trial.happen()
            trial.poll()
        trial.end_trouble()
        assert trial.settle() == {SweepOutcome.OK}, place
    assert trial.simulator.faulted[kind] >= 2 * len(PAGES)
    return trial.audit()


@pytest.mark.parametrize("kind", [FaultKind.NUMBERS_AS_TEXT, FaultKind.TEXT_AS_NUMBERS])
def test_a_number_and_its_text_mean_the_same(tmp_path: Path, clock: HandClock, kind: FaultKind) -> None:
    """Who writes numbers as text, or texts of digits as numbers, has changed nothing: that is no news."""
    with on_trial(tmp_path, clock) as trial:
        assert clean(lied_to(trial, kind))


def test_a_word_that_is_new_is_what_the_source_says(tmp_path: Path, clock: HandClock) -> None:
    """The vendor may add words, so a new one is told like any other, and so is its end; nothing else is invented."""
    with on_trial(tmp_path, clock) as trial:
        audit = lied_to(trial, FaultKind.NEW_WORDS)
        assert (audit.lost, audit.falsely_vanished) == ((), ())
        invented = {one.appointment for one in audit.invented}
        events = [event for event in events_in(trial.store) if event.after.id in invented]
        assert invented
        assert invented == {event.after.id for event in events if NEW_WORD in f"{event.before} {event.after}"}


def test_a_field_that_is_always_there_does_not_go(tmp_path: Path, clock: HandClock) -> None:
    """Null where the documentation knows none is a record with a hole, and no news about the appointment."""
    with on_trial(tmp_path, clock) as trial:
        assert clean(lied_to(trial, FaultKind.NULLS))


@pytest.mark.parametrize("place", [Place.FIRST_PAGE, Place.LATER_PAGE])
def test_other_ids_reach_nobody(tmp_path: Path, clock: HandClock, place: Place) -> None:
    """While ids have another prefix all is held, and who discards it then is back at the truth."""
    with on_trial(tmp_path, clock) as trial:
        before = trial.owed()
        trial.simulator.script = Strike(FaultKind.NEW_IDS, place)
        for _ in range(3):
            trial.clock.advance(minutes=1)
            assert trial.poller.poll(DATED).outcome is SweepOutcome.DOUBTFUL
        assert trial.owed() == before
        trial.end_trouble()
        with trial.store.writing() as tx:
            hold.discard(tx, "acme", DATED.name, trial.clock())
        for _ in range(2):
            trial.clock.advance(minutes=1)
            run = trial.poller.poll(DATED)
        assert run.outcome is SweepOutcome.OK
        assert trial.owed() == before
        assert (trial.audit().lost, trial.audit().falsely_vanished) == ((), ())


ORDERS: list[Order] = ["insertion", "start", "updated", "id", "unstable"]


@pytest.mark.parametrize(("seed", "order"), list(enumerate(ORDERS, start=1)))
def test_all_of_them_at_random(tmp_path: Path, clock: HandClock, seed: int, order: Order) -> None:
    """While life goes on, lists slip and a fifth of the requests fails, no poll raises; then all is told, once."""
    with on_trial(tmp_path, clock, seed, IMPATIENT) as trial:
        trial.simulator.order = order
        trial.simulator.slip = Slip(0.3, seed)
        told, mixed = trial.simulator.faults, Faults.mixed(0.2, seed, lies=False)
        trial.simulator.faults = replace(mixed, hold=told.hold, huge=told.huge, retry_after=told.retry_after)
        for _ in range(30):
            trial.live(2)
            trial.poll()
        assert len(trial.simulator.faulted) > 10
        trial.end_trouble()
        assert trial.settle() == {SweepOutcome.OK}
        assert clean(trial.audit())
        assert trial.deliveries_without_reason() == 0
