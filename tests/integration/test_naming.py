"""Names that are looked up at the source: in messages once they are known, and never waited for."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from zoneinfo import ZoneInfo

import pytest

from notifier.clock import utc_now
from notifier.core.called import MISSING_AGE, Called
from notifier.core.directory import NO_DIRECTORY, Directory, Entry
from notifier.core.sweep import Span
from notifier.daemon import Daemon
from notifier.engage import client
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.exchange import Reply as Answer
from notifier.engage.simulated.exchange import SeenRequest
from notifier.engage.simulated.faults import FaultKind
from notifier.engage.simulated.grants import READ
from notifier.engage.simulated.named import SCOPES, office
from notifier.engage.simulator import Simulator
from notifier.naming import FULL_EVERY, MOST, PAUSE, Naming
from notifier.store import names
from notifier.store.database import Store
from notifier.wiring import open_clients
from tests.builders import rule
from tests.captured_logs import captured_logs
from tests.configured import settings, source
from tests.fake_receiver import receiving
from tests.simulated import WAIT, HandClock

ALL = (READ, *(scope for (scope,) in SCOPES.values()))
KINDS = ("office", "subject", "employee")


@pytest.fixture
def named(engage: Simulator) -> Simulator:
    """A source that says what it calls things; its appointment is at office 11, with employee 301."""
    engage.scopes = ALL
    return engage


def daemon_of(folder: Path, engage: Simulator, store: Store, url: str, kinds: Sequence[str] = KINDS) -> Daemon:
    asked = f'token = "{engage.token}"\nnames = {json.dumps(list(kinds))}'
    configured = settings(folder, source(engage.base_url, asked), {"crm": url})
    return Daemon(configured, [rule(name="all", channels=("crm",))], store)


def change(engage: Simulator) -> None:
    (row,) = engage.enterprise.rows()
    engage.enterprise.edit(row.id, utc_now(), {"hybrid": not json.loads(row.body)["hybrid"]})


def asked_names(engage: Simulator) -> list[str]:
    """Returns of which lists names were asked for."""
    return [last for one in engage.requests if (last := one.path.rpartition("/")[2]) in SCOPES]


def told_names(request_body: bytes) -> dict[str, str | None]:
    said = json.loads(request_body)["data"]["appointment"]
    return {"office": said["office"].get("name"), "subject": said["subject"].get("name")}


def test_names_are_told_once_they_are_known(tmp_path: Path, named: Simulator, store: Store) -> None:
    """A round ends with the look-up, so that the next one tells names; none is asked for twice."""
    with receiving() as crm:
        for _ in range(3):
            assert daemon_of(tmp_path, named, store, crm.url).run_once() == 0
            change(named)
        first, second = crm.requests
    assert told_names(first.body) == told_names(second.body)
    assert all(told_names(first.body).values())
    assert sorted(asked_names(named)) == ["employees", "offices", "subjects"]


def test_without_the_scope_there_are_ids(tmp_path: Path, named: Simulator, store: Store) -> None:
    """Nothing fails, nobody waits, it is said once, and nobody asks again for a day."""
    named.scopes = (READ,)
    with receiving() as crm, captured_logs() as logs:
        for _ in range(3):
            assert daemon_of(tmp_path, named, store, crm.url).run_once() == 0
            change(named)
        first, second = crm.requests
    assert told_names(first.body) == told_names(second.body) == {"office": None, "subject": None}
    assert len(asked_names(named)) == 3
    assert len(logs.of("names_refused")) == 3
    with store.reading() as tx:
        assert names.refusals(tx, "acme").keys() == set(KINDS)


def test_names_are_forgotten_that_nobody_asks_for(tmp_path: Path, named: Simulator, store: Store) -> None:
    """As soon as the configuration does not name their kind, or their source."""
    with receiving() as crm:
        daemon_of(tmp_path, named, store, crm.url).run_once()
        assert {kind for kind, _ in on_record(store)} == set(KINDS)
        daemon_of(tmp_path, named, store, crm.url, ["office"]).run_once()
        assert {kind for kind, _ in on_record(store)} == {"office"}
        daemon_of(tmp_path, named, store, crm.url, []).run_once()
        assert on_record(store) == {}


def test_a_name_that_nobody_asks_for_is_nowhere_on_the_disk(tmp_path: Path, named: Simulator, store: Store) -> None:
    """Neither in the store nor in the log beside it, as soon as a daemon has begun without it."""

    def on_disk() -> bool:
        return any(name in file.read_bytes() for file in tmp_path.glob("notifier.db*"))

    with receiving() as crm:
        daemon_of(tmp_path, named, store, crm.url).run_once()
        name = on_record(store)["employee", "301"].name.encode()
        assert on_disk()
        daemon_of(tmp_path, named, store, crm.url, ["office"]).run_once()
    assert not on_disk()


def on_record(store: Store) -> dict[tuple[str, str], Called]:
    with store.reading() as tx:
        return {key: one.called for key, one in names.known(tx, "acme").items()}


@contextmanager
def naming(
    folder: Path,
    engage: Simulator,
    store: Store,
    clock: HandClock,
    told: list[Directory],
    own: Directory = NO_DIRECTORY,
) -> Iterator[Naming]:
    """Gives what looks up all kinds of names, by a clock that is set by hand; `told` gets what it finds."""
    configured = settings(folder, source(engage.base_url, f'token = "{engage.token}"'), {})
    stopping = Event()
    clients = open_clients(configured, clock, stopping)
    try:
        yield Naming(store, clients, {"acme": KINDS}, own, clock, lambda found: told.append(found["acme"]))
    finally:
        stopping.set()
        clients["acme"].close()


@pytest.fixture
def polled(tmp_path: Path, named: Simulator, store: Store) -> Simulator:
    """The same after a first poll."""
    with receiving() as crm:
        daemon_of(tmp_path, named, store, crm.url, []).run_once()
    named.forget_requests()
    return named


def test_the_snapshot_is_gone_through_now_and_then(
    tmp_path: Path, polled: Simulator, store: Store, clock: HandClock
) -> None:
    """Names come at the first look; later ones ask for what is new, and forget what no appointment mentions."""
    told: list[Directory] = []
    with naming(tmp_path, polled, store, clock, told) as here:
        here.look()
        assert len(asked_names(polled)) == 3
        assert told[-1].name_of("office", "11") == "Antwerp"
        assert told[-1].zone_of("office", "11") == ZoneInfo("Europe/Brussels")
        here.look()
        assert (len(told), len(asked_names(polled))) == (1, 3)
        with store.writing() as tx:
            names.put(tx, "acme", "office", {"99": Called("Nowhere")}, clock.now)
        clock.now += FULL_EVERY
        here.look()
        assert len(asked_names(polled)) == 3
    assert ("office", "99") not in on_record(store)
    assert told[-1].name_of("office", "11") == "Antwerp"


def test_what_happened_lately_is_asked_for_soon(
    tmp_path: Path, polled: Simulator, store: Store, clock: HandClock
) -> None:
    """An office that nobody knew has its name a minute later, and not only after the hour."""
    clock.now = utc_now()
    told: list[Directory] = []
    with naming(tmp_path, polled, store, clock, told) as here, receiving() as crm:
        here.look()
        polled.enterprise.create(utc_now(), Booking(start=utc_now(), office="14"))
        daemon_of(tmp_path, polled, store, crm.url, KINDS).run_once()
        with store.writing() as tx:
            names.forget(tx, "acme", "office", {"11"})
        here.look()
    assert told[-1].name_of("office", "14") == "Liège"


@pytest.mark.parametrize(
    "kind", [FaultKind.UNAVAILABLE, FaultKind.RESET, FaultKind.UNAUTHORIZED, FaultKind.HTML], ids=str
)
def test_a_source_that_fails_is_left_alone_for_a_while(
    tmp_path: Path, polled: Simulator, store: Store, clock: HandClock, kind: FaultKind
) -> None:
    """And asked again then; nothing is remembered of what was not answered."""

    def fail(request: SeenRequest) -> FaultKind | Answer | None:
        return kind if request.path.endswith(tuple(SCOPES)) else None

    told: list[Directory] = []
    polled.script = fail
    with naming(tmp_path, polled, store, clock, told) as here:
        here.look()
        failed = len(asked_names(polled))
        assert on_record(store) == {}
        polled.script = None
        clock.now += PAUSE - timedelta(seconds=1)
        here.look()
        assert len(asked_names(polled)) == failed
        clock.now += timedelta(seconds=1)
        here.look()
    assert {kind for kind, _ in on_record(store)} == set(KINDS)


def test_a_list_that_there_is_not(tmp_path: Path, polled: Simulator, store: Store, clock: HandClock) -> None:
    """It is like a scope that lacks: the others are asked for, and this one again after a day."""
    del polled.named.lists["offices"]
    with naming(tmp_path, polled, store, clock, []) as here:
        here.look()
        assert {kind for kind, _ in on_record(store)} == {"subject", "employee"}
        polled.named.lists["offices"] = {"11": office("Antwerp")}
        clock.now += FULL_EVERY
        here.look()
        assert ("office", "11") not in on_record(store)
        clock.now += MISSING_AGE
        here.look()
    assert on_record(store)["office", "11"] == Called("Antwerp", "Europe/Brussels")
    with store.reading() as tx:
        assert names.refusals(tx, "acme") == {}


def test_who_has_no_name_is_asked_for_again_after_a_day(
    tmp_path: Path, polled: Simulator, store: Store, clock: HandClock
) -> None:
    """Not before, and goes by the id meanwhile."""
    polled.named.lists["offices"] = {}
    told: list[Directory] = []
    with naming(tmp_path, polled, store, clock, told, Directory({("subject", "51"): Entry("Ours")})) as here:
        here.look()
        assert told[-1].name_of("office", "11") == ""
        polled.named.lists["offices"] = {"11": office(None), "13": office("Ghent")}
        clock.now += MISSING_AGE
        here.look()
        assert told[-1].zone_of("office", "11") == ZoneInfo("Europe/Brussels")
        polled.named.lists["offices"] = {"11": office("Antwerp")}
        clock.now += MISSING_AGE
        here.look()
    assert told[-1].name_of("office", "11") == "Antwerp"


def test_thousands_are_asked_for_in_several_looks(
    tmp_path: Path, polled: Simulator, store: Store, clock: HandClock
) -> None:
    """Each makes so many requests and no more, and in the end all were asked for."""
    with receiving() as crm:
        for number in range(MOST + 10):
            polled.enterprise.create(utc_now(), Booking(start=utc_now(), office="x" * 1400 + str(number)))
        daemon_of(tmp_path, polled, store, crm.url, []).run_once()
    with naming(tmp_path, polled, store, clock, []) as here:
        here.look()
        assert len(asked_names(polled)) == MOST
        here.look()
    assert len({id_ for kind, id_ in on_record(store) if kind == "office"}) == MOST + 11


def test_one_list_that_fails_keeps_no_other_waiting(
    tmp_path: Path, polled: Simulator, store: Store, clock: HandClock
) -> None:
    """However long it fails, the others are asked for; and each request is made once, since nobody waits for it."""
    polled.script = lambda request: FaultKind.UNAVAILABLE if request.path.endswith("/employees") else None
    with naming(tmp_path, polled, store, clock, []) as here:
        here.look()
        assert {kind for kind, _ in on_record(store)} == {"office", "subject"}
        assert sorted(asked_names(polled)) == ["employees", "offices", "subjects"]
        clock.now += PAUSE
        polled.script = None
        here.look()
    assert {kind for kind, _ in on_record(store)} == set(KINDS)


@pytest.mark.parametrize("status", [400, 405, 409])
def test_what_is_no_refusal_is_tried_again_soon(
    tmp_path: Path, polled: Simulator, store: Store, clock: HandClock, status: int
) -> None:
    """A query that was not understood says nothing about scopes."""
    polled.fail_next(status, times=3, path="/enterprises/acme/offices")
    with naming(tmp_path, polled, store, clock, []) as here:
        here.look()
        with store.reading() as tx:
            assert names.refusals(tx, "acme") == {}
        polled.forget_requests()
        for _ in range(3):
            clock.now += PAUSE
            here.look()
    assert ("office", "11") in on_record(store)
    assert asked_names(polled) == ["offices"] * 3


def test_a_refusal_says_what_is_lacking(tmp_path: Path, polled: Simulator, store: Store, clock: HandClock) -> None:
    """For whoever reads it in the status: the scope of that list, or that there is none."""
    polled.scopes = (READ, *SCOPES["subjects"], *SCOPES["employees"])
    del polled.named.lists["subjects"]
    with naming(tmp_path, polled, store, clock, []) as here:
        here.look()
    with store.reading() as tx:
        refused = names.refusals(tx, "acme")
    assert "needs the scope engage:offices:readOnly" in refused["office"].why
    assert "there is no such list at this address" in refused["subject"].why
    assert "appointments" not in f"{refused['office'].why} {refused['subject'].why}"


def test_a_look_up_that_hangs_delays_no_poll(tmp_path: Path, polled: Simulator, store: Store, clock: HandClock) -> None:
    """While it waits for its answer, which it does not for long, the others have a place."""
    hangs, released = Event(), Event()

    def hang(request: SeenRequest) -> None:
        if request.path.endswith("/employees"):
            hangs.set()
            released.wait(WAIT)

    polled.script = hang
    with naming(tmp_path, polled, store, clock, []) as here:
        looking = Thread(target=here.look)
        looking.start()
        try:
            assert hangs.wait(WAIT)
            (page,) = here._clients["acme"].pages(Span(None, None), {})
        finally:
            released.set()
            looking.join(WAIT)
    assert len(page.listed.ids) == 1
    assert {kind for kind, _ in on_record(store)} == set(KINDS)


def test_a_list_that_never_answers_is_given_up(
    tmp_path: Path, polled: Simulator, store: Store, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After seconds, however long a page of appointments may take, and once: a place is not held for it."""
    monkeypatch.setattr(client, "NAMES_SECONDS", 0.05)
    polled.script = lambda request: FaultKind.TIME_OUT if request.path.endswith("/employees") else None
    with naming(tmp_path, polled, store, clock, []) as here, captured_logs() as logs:
        here.look()
    assert [one["error"].partition(" (")[0] for one in logs.of("names_unavailable")] == ["no answer in time"]
    assert asked_names(polled).count("employees") <= 1
    assert {kind for kind, _ in on_record(store)} == {"office", "subject"}


def test_no_log_has_a_name(tmp_path: Path, named: Simulator, store: Store) -> None:
    """Nor that of an employee nor any other, whatever is logged of a round."""
    with receiving() as crm, captured_logs() as logs:
        for _ in range(2):
            daemon_of(tmp_path, named, store, crm.url).run_once()
            change(named)
    said = str(vars(logs))
    found = [one.name for one in on_record(store).values()]
    assert len(found) == 3
    assert all(found)
    assert not [name for name in found if name in said]
