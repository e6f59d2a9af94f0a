"""While rules are changed, broken and mended again and again, every change of an appointment is told, and told once."""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from notifier.audit import ALL, Truth, audit_store
from notifier.clock import utc_now
from notifier.core.delivery import State
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.life import Life
from notifier.engage.simulator import Simulator
from notifier.store import history
from notifier.store.database import Store
from tests.acceptance.command import Running
from tests.acceptance.workplace import Workplace
from tests.fake_receiver import Receiver, receiving

PAUSE = 0.03
"""Seconds between two happenings."""

EVERYTHING = """\
[[rule]]
name = "everything"
on = ["created", "discovered", "status_changed", "rescheduled", "reassigned", "relocated", "updated", "vanished"]
channels = {channels}
always = true
title = "Round {round}"
"""

MORE = """\
[[rule]]
name = "cancelled {round}"
on = "status_changed"
to = "CANCELLED"
channels = ["desk"]
always = true
"""

MORE_OF_SOURCE = """\
[[sources.acme.sweeps]]
name = "undated"
status = ["OUTGOING_INVITE", "ALTERNATIVE_DATE_REQUESTED"]
every = "1s"

# So much happens between two looks that it would rightly be doubted.
[sources.acme.brake]
share = 1.0
count = 1_000_000
"""

BROKEN = ("[[rule]]\nname =", EVERYTHING.replace("vanished", "vanishd"), "", "# all of them are gone\n")
"""What nobody means."""


@contextmanager
def living(engage: Simulator) -> Iterator[None]:
    """Lets one thing happen after the other."""
    life, stop = Life(engage.enterprise, seed=5), Event()

    def live() -> None:
        while not stop.wait(PAUSE):
            life.step(utc_now())

    thread = Thread(target=live)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def write_round(workplace: Workplace, number: int) -> None:
    """Writes rules that differ from those of the round before, and tell the second channel by turns."""
    channels = '["crm", "desk"]' if number % 2 else '["crm"]'
    text = EVERYTHING.replace("{channels}", channels) + MORE
    workplace.write_rules("rules.toml", text.replace("{round}", str(number)))


def change_again_and_again(workplace: Workplace, daemon: Running) -> None:
    """Changes the rules, with and without a signal, and breaks them in between."""
    for number in range(1, 9):
        write_round(workplace, number)
        if number % 4:
            daemon.send_signal(signal.SIGHUP)
        daemon.wait_for_log('"reloaded"', number)
        if number % 2:
            workplace.write_rules("rules.toml", BROKEN[number // 2])
            daemon.send_signal(signal.SIGHUP)
            daemon.wait_for_log("reload_refused", number // 2 + 1)


def test_nothing_is_missed_or_told_twice(workplace: Workplace, engage: Simulator) -> None:
    """What the store has is what happened, and both channels got just what the rules of the moment asked for."""
    for _ in range(40):
        engage.enterprise.create(utc_now(), Booking(start=utc_now()))
    with receiving() as crm, receiving() as desk:
        workplace.configure({"crm": crm.url, "desk": desk.url}, rules=EVERYTHING, brake=MORE_OF_SOURCE)
        write_round(workplace, 0)
        daemon = workplace.start_watching()
        before = engage.enterprise.keep_journal()
        with living(engage):
            change_again_and_again(workplace, daemon)
        ended = daemon.stop()
        assert workplace.notifier("run", "--once").code == 0
        with Store.read_only(f"sqlite:///{workplace.store}") as store:
            truth = Truth(store.fingerprint_key(), [(row.id, row.body) for row in before])
            for name, row in engage.enterprise.journal:
                truth.add(name, None if row is None else row.body)
            audit = audit_store(truth, store, "acme")
            assert audit.clean, audit
            assert audit.events > 100
            check(store, {"crm": crm, "desk": desk})
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert not ended.logged("deliveries_interrupted")


def check(store: Store, receivers: dict[str, Receiver]) -> None:
    """Compares what was owed with what came."""
    with store.reading() as tx:
        records = history.events(tx, ALL)
        deliveries = history.deliveries(tx, ALL)
    matched = Counter((record.event.id, one.rule) for record in records for one in record.verdicts if one.matched)
    assert all((record.event.id, "everything") in matched for record in records)
    assert matched.keys() == {(one.delivery.event_id, one.delivery.rule) for one in deliveries}
    assert {(one.state, one.attempts) for one in deliveries} == {(State.DELIVERED, 1)}
    for name, receiver in receivers.items():
        came = Counter(request.headers["webhook-id"] for request in receiver.requests)
        assert came == Counter(one.delivery.id for one in deliveries if one.delivery.channel == name)
    rounds = {one.delivery.rule for one in deliveries if one.delivery.rule.startswith("cancelled")}
    assert len(rounds) > 1
