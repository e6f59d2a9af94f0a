"""Dead letters beside a running daemon: a person decides, and the daemon notices."""

import json

from notifier.clock import utc_now
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from tests.acceptance.command import PATIENCE
from tests.acceptance.workplace import Workplace
from tests.fake_receiver import Reply, receiving

SOON = 10.0
"""Seconds; a lane looks every five."""


def test_a_person_decides(workplace: Workplace, engage: Simulator) -> None:
    """What is sent again goes out within seconds under its id, what is dropped never does, and no daemon is asked."""
    made = engage.enterprise.create(utc_now(), Booking(start=utc_now()))
    with receiving(Reply(404)) as crm, receiving(Reply(404)) as desk:
        workplace.configure({"crm": crm.url, "desk": desk.url})
        daemon = workplace.start_watching()
        engage.enterprise.cancel(made, utc_now())
        assert crm.wait_for(1, PATIENCE)
        assert desk.wait_for(1, PATIENCE)
        for name in ("crm", "desk"):
            # Of each channel that is the first thing to tell.
            daemon.wait_for_log(f'"channel":"{name}"')
        crm.reply_with(Reply())
        desk.reply_with(Reply())

        dropped = workplace.ask("drop", "--channel", "desk")["dropped"]
        retried = workplace.ask("retry", "--all")["retried"]
        assert ([one["channel"] for one in dropped], [one["channel"] for one in retried]) == (["desk"], ["crm"])
        assert crm.wait_for(2, SOON)
        workplace.await_poll()
        daemon.stop()
        assert len({request.headers["webhook-id"] for request in crm.requests}) == 1
        assert crm.requests[0].body == crm.requests[1].body
        assert (len(crm.requests), len(desk.requests)) == (2, 1)

    event = json.loads(crm.requests[0].body)["id"]
    told = workplace.ask("explain", event)["deliveries"]
    states = {entry["delivery"]["channel"]: (entry["state"], len(tries)) for entry, tries in told}
    assert states == {"crm": ("delivered", 2), "desk": ("dropped", 1)}
    assert workplace.notifier("retry").code == 2
