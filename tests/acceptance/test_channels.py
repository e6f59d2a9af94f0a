"""Channels have separate fates: one that is down is served later, one that is lost gives a dead letter."""

import json
import re
from datetime import datetime

from notifier.clock import utc_now
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from tests.acceptance.command import PATIENCE
from tests.acceptance.workplace import Workplace
from tests.fake_receiver import HANG, Reply, receiving


def test_separate_fates(workplace: Workplace, engage: Simulator) -> None:
    """What one channel does delays no other; one that comes back is served, and a refusal says why it is final."""
    made = engage.enterprise.create(utc_now(), Booking(start=utc_now()))
    with (
        receiving(listening=False) as down,
        receiving(HANG) as slow,
        receiving(Reply(404)) as lost,
        receiving(Reply(401, body=b"who are you?")) as closed,
        receiving() as fine,
    ):
        receivers = {"down": down, "slow": slow, "lost": lost, "closed": closed, "fine": fine}
        workplace.configure({name: receiver.url for name, receiver in receivers.items()})
        daemon = workplace.start_watching()
        engage.enterprise.cancel(made, utc_now())
        for receiver in (fine, lost, closed, slow):
            assert receiver.wait_for(1, PATIENCE)
        daemon.wait_for_log('"channel":"down"')
        down.listen()
        engage.enterprise.edit(made, utc_now(), {"internalNotes": "Called"})
        assert fine.wait_for(2, PATIENCE)
        assert down.wait_for(1, PATIENCE)
        slow.released.set()
        daemon.stop()

    event = json.loads(fine.requests[0].body)["id"]
    told = workplace.ask("explain", event)["deliveries"]
    story = {entry["delivery"]["channel"]: (entry, tries) for entry, tries in told}
    served, tries = story["down"]
    assert (served["state"], [one["reason"] for one in tries]) == ("delivered", ["unreachable", "ok"])
    waited = datetime.fromisoformat(tries[1]["started_at"]) - datetime.fromisoformat(tries[0]["finished_at"])
    assert 4 <= waited.total_seconds() <= 10
    assert (story["fine"][0]["state"], story["fine"][0]["attempts"]) == ("delivered", 1)
    for name, reason in {"lost": "not_found", "closed": "refused"}.items():
        assert (story[name][0]["state"], story[name][0]["reason"], story[name][0]["attempts"]) == ("dead", reason, 1)

    explained, status = workplace.notifiers(f"explain {event}", "status")
    words = " ".join(explained.out.split())
    for name, refusal in {"lost": "not_found (404): HTTP 404", "closed": "refused (401): HTTP 401"}.items():
        again = rf"{name}, by everything: dead; to send it again: notifier retry \w+"
        assert re.search(rf"{again} 1\. \S+ \S+ dead, {re.escape(refusal)}", words)
    assert "! lost has 2 dead letters; see: notifier deliveries --dead" in status.lines
    assert status.code == 1
    logged = daemon.end().logged("delivery_dead")
    assert {(record["channel"], record["reason"]) for record in logged} == {
        ("lost", "not_found"),
        ("closed", "refused"),
    }
