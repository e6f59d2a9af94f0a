"""Channels have separate fates: one that is down is served later, one that is gone gives a dead letter."""

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
        receiving(Reply(410)) as gone,
        receiving(Reply(401, body=b"who are you?")) as closed,
        receiving() as fine,
    ):
        receivers = {"down": down, "slow": slow, "gone": gone, "closed": closed, "fine": fine}
        workplace.configure({name: receiver.url for name, receiver in receivers.items()})
        daemon = workplace.start_watching()
        engage.enterprise.cancel(made, utc_now())
        for receiver in (fine, gone, closed, slow):
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
    for name, reason in {"gone": "gone", "closed": "refused"}.items():
        assert (story[name][0]["state"], story[name][0]["reason"], story[name][0]["attempts"]) == ("dead", reason, 1)

    explained, status = workplace.notifiers(f"explain {event}", "status")
    assert re.search(r"gone, by everything: dead\n    1\. .* dead, gone \(410\): HTTP 410 Gone\n", explained.out)
    assert re.search(r"closed, by everything: dead\n    1\. .* dead, refused \(401\): HTTP 401", explained.out)
    assert "! gone has 2 dead letters; see: notifier deliveries --state dead" in status.lines
    assert status.code == 1
    logged = daemon.end().logged("delivery_dead")
    assert {(record["channel"], record["reason"]) for record in logged} == {("gone", "gone"), ("closed", "refused")}
