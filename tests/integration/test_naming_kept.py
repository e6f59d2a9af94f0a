"""Which names are asked for and kept: those of what waits to be told, and of all that was put on record."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event as Signal

import pytest
from msgspec import structs

from notifier.core.delivery import Outcome, Reason, Result, Settlement, State
from notifier.core.directory import NO_DIRECTORY
from notifier.core.event import Event
from notifier.core.sweep import SweepOutcome, SweepRun
from notifier.daemon import Daemon
from notifier.engage.simulated.grants import READ
from notifier.engage.simulated.named import SCOPES
from notifier.engage.simulator import Simulator
from notifier.naming import FULL_EVERY, GROWN_EVERY, LOOK_EVERY, Naming
from notifier.store import names, outbox, snapshot
from notifier.store.database import Store
from notifier.store.driver import driver
from notifier.wiring import open_clients
from tests.configured import settings, source
from tests.simulated import HandClock
from tests.store_values import appointment, cancelled, known, owed, plan


@pytest.fixture
def polled(tmp_path: Path, engage: Simulator, store: Store) -> Simulator:
    """A source that says what it calls things, after a first poll."""
    engage.scopes = (READ, *(scope for (scope,) in SCOPES.values()))
    configured = settings(tmp_path, source(engage.base_url, f'token = "{engage.token}"'), {})
    assert Daemon(configured, (), store).run_once() == 0
    return engage


@contextmanager
def naming(folder: Path, engage: Simulator, store: Store, clock: HandClock) -> Iterator[Naming]:
    """Gives what looks up all kinds of names, by a clock that is set by hand."""
    configured = settings(folder, source(engage.base_url, f'token = "{engage.token}"'), {})
    stopping = Signal()
    clients = open_clients(configured, clock, stopping)
    kinds = {"acme": ("office", "subject", "employee")}
    try:
        yield Naming(store, clients, kinds, NO_DIRECTORY, clock, lambda _: None)
    finally:
        stopping.set()
        clients["acme"].close()


def on_record(store: Store) -> set[tuple[str, str]]:
    """Returns of whom a name was asked for and answered."""
    with store.reading() as tx:
        return set(names.known(tx, "acme"))


def happen(store: Store, event: Event) -> None:
    """Records an event that is owed to a channel; its appointment is in no snapshot."""
    with store.writing() as tx:
        snapshot.apply(tx, plan([event], [owed(event)]), event.detected_at)


def test_an_event_that_is_committed_late_is_not_missed(
    tmp_path: Path, polled: Simulator, store: Store, clock: HandClock
) -> None:
    """Noticed before a look and on record after it, as with any slice that takes a moment to be stored."""
    event = cancelled()
    with naming(tmp_path, polled, store, clock) as here:
        here.look()
        clock.now += LOOK_EVERY
        here.look()
        noticed = clock.now - timedelta(seconds=2)
        happen(store, replace(event, after=structs.replace(event.after, office="14"), detected_at=noticed))
        clock.now += LOOK_EVERY
        here.look()
    assert ("office", "14") in on_record(store)


def test_what_a_waiting_message_names_is_kept(
    tmp_path: Path, polled: Simulator, store: Store, clock: HandClock
) -> None:
    """Until it was sent: who had the appointment before and who has it now, though no appointment mentions them."""
    event = cancelled()
    assert event.before is not None
    before = structs.replace(event.before, employee="308")
    happen(store, replace(event, before=before, after=structs.replace(event.after, employee="309", office="13")))
    waited = {("employee", "308"), ("employee", "309"), ("office", "13")}
    with naming(tmp_path, polled, store, clock) as here:
        for _ in range(2):
            here.look()
            assert waited <= on_record(store)
            clock.now += FULL_EVERY
        delivered, done = Outcome(Result.DELIVERED, Reason.OK, 200), Settlement(State.DELIVERED, Reason.OK)
        with store.writing() as tx:
            (claimed,) = outbox.claim(tx, "chat", clock.now, limit=1)
            outbox.record(driver(tx), claimed, delivered, done, clock.now)
        here.look()
    assert waited.isdisjoint(on_record(store))


def arrive(store: Store, id_: str, office: str, here: Naming, clock: HandClock) -> None:
    """Puts an appointment into the snapshot at first sight, which makes no event, and says so."""
    with store.writing() as tx:
        snapshot.apply(tx, plan(rows=[known(appointment(id_, office=office))]), clock.now)
    now, ok = clock.now, SweepOutcome.OK
    here.heard(SweepRun(source="acme", sweep="near", started_at=now, finished_at=now, outcome=ok, baseline=1))


def test_the_first_fill_is_named_at_once(tmp_path: Path, engage: Simulator, store: Store, clock: HandClock) -> None:
    """A look that finds nobody keeps none from being found by the next."""
    engage.scopes = (READ, *(scope for (scope,) in SCOPES.values()))
    with naming(tmp_path, engage, store, clock) as here:
        here.look()
        arrive(store, "a9", "14", here, clock)
        clock.now += LOOK_EVERY
        here.look()
    assert ("office", "14") in on_record(store)


def test_what_comes_in_silence_is_named_soon(tmp_path: Path, polled: Simulator, store: Store, clock: HandClock) -> None:
    """Before the hour is over, but not at every look: a snapshot of thousands takes its time to go through."""
    with naming(tmp_path, polled, store, clock) as here:
        here.look()
        arrive(store, "a9", "14", here, clock)
        clock.now += GROWN_EVERY - timedelta(seconds=1)
        here.look()
        assert ("office", "14") not in on_record(store)
        clock.now += timedelta(seconds=1)
        here.look()
        assert ("office", "14") in on_record(store)
        arrive(store, "a10", "13", here, clock)
        here.look()
    assert ("office", "13") not in on_record(store)
