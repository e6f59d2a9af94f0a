"""The operator's route of the installed command: kills, a channel that is down, and the monitor outside."""

import json
from typing import Any

from notifier.clock import utc_now
from notifier.core.notice import TYPE_PREFIX
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.grants import READ
from notifier.engage.simulator import Simulator
from tests.acceptance.command import PATIENCE
from tests.acceptance.workplace import EVERYTHING, Workplace
from tests.canary import SECRETS
from tests.fake_receiver import HANG, Receiver, Reply, receiving


def documents(receiver: Receiver) -> list[Any]:
    return [json.loads(request.body) for request in receiver.requests]


def notices(receiver: Receiver) -> list[tuple[str, str, str]]:
    """Returns edge, name and kind of the troubles that were told."""
    told = [one for one in documents(receiver) if one["type"].startswith(TYPE_PREFIX)]
    return [(one["type"].removeprefix(TYPE_PREFIX), one["subject"], one["data"]["kind"]) for one in told]


def name_operator(workplace: Workplace, keys: str) -> None:
    """Writes who hears of troubles, after a second."""
    with (workplace.folder / "config.toml").open("a", encoding="utf-8") as config:
        config.write(f'\n[operator]\n{keys}\nafter = "1s"\n')


def test_a_kill_between_trouble_and_message(workplace: Workplace, engage: Simulator) -> None:
    """What was being sent comes again under its id, later starts tell nothing, and the end comes once."""
    engage.enterprise.create(utc_now(), Booking(start=utc_now()))
    with receiving(HANG, Reply()) as ops:
        workplace.configure({"ops": ops.url})
        name_operator(workplace, 'channels = "ops"')
        workplace.start_watching().stop()
        engage.scopes = frozenset()
        daemon = workplace.start()
        assert ops.wait_for(1, PATIENCE)
        daemon.kill()
        for _ in range(2):
            daemon = workplace.start()
            daemon.wait_for_log("poll_failed")
            assert ops.wait_for(2, PATIENCE)
            daemon.stop()
        (trouble,) = workplace.ask("status")["reported"]
        assert (trouble["name"], trouble["kind"]) == ("source acme", "refused")
        engage.scopes = frozenset({READ})
        daemon = workplace.start()
        assert ops.wait_for(3, PATIENCE)
        daemon.stop()
        told = [(one["type"], one["subject"]) for one in documents(ops)]
        assert told == [("notifier.trouble.began", "source acme")] * 2 + [("notifier.trouble.ended", "source acme")]
        first, again, _ = (request.headers["webhook-id"] for request in ops.requests)
        assert first == again
        assert workplace.ask("status")["reported"] == []


def test_a_channel_that_is_down_is_told_by_the_other(workplace: Workplace, engage: Simulator) -> None:
    """Its lane is paused, the operator's other channel tells so, and that it is over; what waited arrives, once."""
    ids = [engage.enterprise.create(utc_now(), Booking(start=utc_now())) for _ in range(6)]
    with receiving(Reply(503)) as desk, receiving() as ops:
        workplace.configure({"desk": desk.url, "ops": ops.url}, rules=EVERYTHING.replace("{channels}", '["desk"]'))
        name_operator(workplace, 'channels = ["desk", "ops"]')
        daemon = workplace.start_watching()
        for id_ in ids:
            engage.enterprise.cancel(id_, utc_now())
        assert ops.wait_for(1, PATIENCE)
        assert notices(ops) == [("began", "lane desk", "paused")]
        (told,) = documents(ops)
        assert "notifier resume desk" in told["data"]["body"]
        desk.reply_with(Reply())
        tried = len(desk.requests)
        assert workplace.notifier("resume", "desk").code == 0
        assert ops.wait_for(2, PATIENCE)
        assert notices(ops) == [("began", "lane desk", "paused"), ("ended", "lane desk", "paused")]
        assert desk.wait_for(tried + len(ids), PATIENCE)
        ended = daemon.stop()
        assert sorted(one["subject"] for one in documents(desk)[tried:]) == sorted(ids)
        assert notices(desk) == []
        assert [one["trouble"] for one in ended.logged("trouble_began")] == ["lane desk"]


def test_every_cycle_is_a_heartbeat_until_the_source_refuses(workplace: Workplace, engage: Simulator) -> None:
    """The monitor hears of every poll, and of nothing any more when we are refused; no command shows its address."""
    engage.enterprise.create(utc_now(), Booking(start=utc_now()))
    path = f"/ping/{SECRETS['heartbeat']}"
    with receiving() as monitor, receiving() as ops:
        workplace.configure({"ops": ops.url})
        name_operator(workplace, f'channels = "ops"\nheartbeat_url = "{monitor.url}{path}"')
        daemon = workplace.start_watching()
        assert monitor.wait_for(3, PATIENCE)
        assert {request.path for request in monitor.requests} == {path}
        polls = len([one for one in engage.requests if one.query.startswith("from=")])
        assert len(monitor.requests) <= polls
        engage.scopes = frozenset()
        daemon.wait_for_log("poll_failed")
        # One may have been on its way.
        heard = len(monitor.requests)
        assert ops.wait_for(1, PATIENCE)
        assert not monitor.wait_for(heard + 2, 2)
        assert notices(ops) == [("began", "source acme", "refused")]
        for words in ("status", "status --json", "check", "channels"):
            workplace.notifier(*words.split())
        daemon.stop()
