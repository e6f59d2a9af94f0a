"""Rules are changed, broken and mended while appointments live: everything is told once, by the rules of its time."""

import json
import signal

from notifier.clock import utc_now
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from tests.acceptance.command import PATIENCE
from tests.acceptance.workplace import Workplace
from tests.fake_receiver import receiving

RULES = """\
[[rule]]
name = "cancelled"
on = "status_changed"
to = "CANCELLED"
channels = ["crm", "people"]
title = "{title}"
"""


def test_rules_change_while_life_goes_on(workplace: Workplace, engage: Simulator) -> None:
    """By themselves or on SIGHUP; a broken file holds up nothing, and the operator hears where it is broken."""
    made = [engage.enterprise.create(utc_now(), Booking(start=utc_now())) for _ in range(6)]
    with receiving() as crm, receiving() as people, receiving() as ops:
        workplace.configure(
            {"crm": crm.url, "people": people.url.replace("http", "json"), "ops": ops.url},
            rules=RULES.replace("{title}", "Round 0"),
        )
        with (workplace.folder / "config.toml").open("a", encoding="utf-8") as config:
            config.write('\n[operator]\nchannels = "ops"\n')
        daemon = workplace.start_watching()
        for number in range(4):
            engage.enterprise.cancel(made[number], utc_now())
            assert people.wait_for(number + 1, PATIENCE)
            workplace.write_rules("rules.toml", RULES.replace("{title}", f"Round {number + 1}"))
            if number % 2:
                daemon.send_signal(signal.SIGHUP)
            daemon.wait_for_log("reloaded", number + 1)
        workplace.write_rules("rules.toml", RULES.replace("CANCELLED", "CANCELED"))
        daemon.wait_for_log("reload_refused")
        assert ops.wait_for(1, PATIENCE)
        engage.enterprise.cancel(made[4], utc_now())
        assert people.wait_for(5, PATIENCE)
        workplace.write_rules("rules.toml", RULES.replace("{title}", "Round 5"))
        daemon.wait_for_log("reloaded", 5)
        engage.enterprise.cancel(made[5], utc_now())
        assert people.wait_for(6, PATIENCE)
        assert crm.wait_for(6, PATIENCE)
        daemon.stop()
    (notice,) = [json.loads(one.body) for one in ops.requests]
    assert notice["subject"] == "configuration"
    assert "rules.toml:4" in notice["data"]["body"]
    titles = [json.loads(one.body)["title"] for one in people.requests]
    assert titles == [f"Round {number}" for number in (0, 1, 2, 3, 4, 5)]
    assert len({one.headers["webhook-id"] for one in crm.requests}) == len(crm.requests) == len(made)
