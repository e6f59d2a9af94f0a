"""A process that is killed loses nothing: what was committed arrives after the next start, with the same ids."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from random import Random
from threading import Event, Semaphore, Thread
from typing import Any

from notifier.clock import utc_now
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.exchange import SeenRequest
from notifier.engage.simulator import Simulator
from tests.acceptance.command import PATIENCE
from tests.acceptance.workplace import Workplace
from tests.fake_receiver import HANG, Receiver, Reply, receiving

KILLS = 10
HOUR = timedelta(hours=1)


def book(enterprise: Enterprise, count: int) -> list[str]:
    """Returns so many appointments that begin tomorrow."""
    start = utc_now() + 24 * HOUR
    return [enterprise.create(utc_now(), Booking(start=start)) for _ in range(count)]


def subjects(receiver: Receiver) -> list[str]:
    """Returns which appointments were told of, in order."""
    return [json.loads(request.body)["subject"] for request in receiver.requests]


def test_what_waits_survives(workplace: Workplace, engage: Simulator) -> None:
    """Messages that wait for a channel which is down arrive, each once, though the process was killed meanwhile."""
    made = book(engage.enterprise, 3)
    with receiving(listening=False) as receiver:
        workplace.configure({"crm": receiver.url})
        daemon = workplace.start_watching()
        for one in made:
            engage.enterprise.cancel(one, utc_now())
        workplace.await_poll()
        daemon.kill()
        receiver.listen()
        daemon = workplace.start()
        assert receiver.wait_for(3, PATIENCE)
        daemon.stop()
        assert sorted(subjects(receiver)) == made
        assert [(entry["state"], entry["attempts"]) for entry in workplace.ask("deliveries")] == [("delivered", 2)] * 3


def test_what_is_being_sent_survives(workplace: Workplace, engage: Simulator) -> None:
    """A message whose send was cut by the kill comes again, with the id that it had."""
    (made,) = book(engage.enterprise, 1)
    with receiving(HANG, Reply()) as receiver:
        workplace.configure({"crm": receiver.url})
        daemon = workplace.start_watching()
        engage.enterprise.cancel(made, utc_now())
        assert receiver.wait_for(1, PATIENCE)
        daemon.kill()
        daemon = workplace.start()
        assert receiver.wait_for(2, PATIENCE)
        daemon.stop()
        first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert subjects(receiver) == [made, made]
    ((_, attempts),) = workplace.ask("explain", json.loads(first.body)["id"])["deliveries"]
    assert [attempt["reason"] for attempt in attempts] == ["interrupted", "ok"]


class Bustle:
    """An enterprise in which something happens all the time.

    Each of many appointments is cancelled once, and a single one is moved again and again.
    """

    def __init__(self, enterprise: Enterprise) -> None:
        self.moved, *self.calm = book(enterprise, 400)
        self.cancelled: list[str] = []
        self._enterprise = enterprise
        #: When the moved one begins now; to the millisecond, as the API writes it.
        self.start = utc_now().replace(microsecond=0) + 24 * HOUR
        self._over = Event()
        self._thread = Thread(target=self._live)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _live(self) -> None:
        for one in self.calm:
            if self._over.wait(0.1):
                return
            self._enterprise.cancel(one, utc_now())
            self.cancelled.append(one)
            self.start += timedelta(minutes=15)
            self._enterprise.reschedule(self.moved, utc_now(), self.start, self.start + HOUR)


NO_BRAKE = "[sources.acme.brake]\nshare = 1.0\ncount = 100000"
"""So much goes on between two polls here that it would rightly be doubted."""


def test_kills_at_any_moment(workplace: Workplace, engage: Simulator) -> None:
    """Of ten kills none loses a message, repeats more than one a channel, or changes an id or the order."""
    with receiving() as crm, receiving() as ledger:
        workplace.configure({"crm": crm.url, "ledger": ledger.url}, brake=NO_BRAKE)
        bustle = Bustle(engage.enterprise)
        assert workplace.notifier("run", "--once").code == 0
        bustle.begin()
        try:
            for wait in moments(engage, crm, ledger):
                daemon = workplace.start()
                wait()
                daemon.kill()
        finally:
            bustle.end()
        assert workplace.notifier("run", "--once").code == 0

        events = workplace.ask("events", "--limit", "10000")
        assert_everything_was_noticed(events, bustle)
        deliveries = workplace.ask("deliveries", "--limit", "10000")
        assert {entry["state"] for entry in deliveries} == {"delivered"}
        for name, receiver in {"crm": crm, "ledger": ledger}.items():
            owed = [entry["delivery"] for entry in deliveries if entry["delivery"]["channel"] == name]
            assert len(owed) == len(events)
            assert_told(receiver, {one["id"]: one["event_id"] for one in owed})
            assert_in_order(receiver, {entry["event"]["id"]: entry["seq"] for entry in events})


def moments(engage: Simulator, *receivers: Receiver) -> Iterator[Callable[[], object]]:
    """Yields what to wait for before each kill: a poll under way, a send under way, or nothing in particular."""
    chance, never = Random(1), Event()  # noqa: S311 - the same moments in every run
    for number in range(KILLS):
        receiver = receivers[number % len(receivers)]
        if number % 3 == 0:
            asked = Semaphore(0)
            engage.script = partial(_note, asked)
            yield partial(asked.acquire, timeout=PATIENCE)
            engage.script = None
        elif number % 3 == 1:
            yield partial(receiver.wait_for, len(receiver.requests) + chance.randrange(1, 8), PATIENCE)
        else:
            yield partial(never.wait, chance.uniform(0.8, 1.8))


def _note(asked: Semaphore, _: SeenRequest) -> None:
    asked.release()


def assert_everything_was_noticed(events: list[Any], bustle: Bustle) -> None:
    """Each cancellation is one event, and the newest move is known."""
    reached = Counter(entry["event"]["after"]["id"] for entry in events if "status_changed" in entry["event"]["kinds"])
    assert reached == Counter(bustle.cancelled)
    newest = next(entry["event"]["after"] for entry in events if entry["event"]["after"]["id"] == bustle.moved)
    assert newest["start"] == bustle.start.isoformat()


def assert_told(receiver: Receiver, owed: dict[str, str]) -> None:
    """What is owed came under its ids, at most one for each kill came twice, and nothing else came."""
    came = Counter((request.headers["webhook-id"], json.loads(request.body)["id"]) for request in receiver.requests)
    assert set(came) == set(owed.items())
    assert came.total() - len(came) <= KILLS


def assert_in_order(receiver: Receiver, numbers: dict[str, int]) -> None:
    """No appointment's older event came after a newer one."""
    told = defaultdict(list)
    for request in receiver.requests:
        document = json.loads(request.body)
        told[document["subject"]].append(numbers[document["id"]])
    assert all(came == sorted(came) for came in told.values())
