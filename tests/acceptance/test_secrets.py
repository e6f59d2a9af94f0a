"""Secrets stay where they belong: in no output, no log, no store, whatever fails; the search comes after each test."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from aiosmtpd.smtp import AuthResult

from notifier.clock import utc_now
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from tests.acceptance.command import PATIENCE
from tests.acceptance.workplace import OAUTH, Workplace
from tests.canary import MARKS, PERSONAL, SECRETS, found_in
from tests.fake_mailbox import mailbox
from tests.fake_receiver import Receiver, Reply, free_port, receiving

PASSWORD, PATH, HEARTBEAT = (SECRETS[kind] for kind in ("password of a channel", "path of a channel", "heartbeat"))


@pytest.fixture
def crm() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def channels(crm: Receiver) -> Iterator[dict[str, str]]:
    """Channels with secrets in their addresses: two that take messages, and one for each way to fail."""
    user, path = f"user:{PASSWORD}", PATH
    people = "?from=notifier@example.com&to=desk@example.com"
    with ExitStack() as stack:
        echo = stack.enter_context(receiving(Reply(500, body=" ".join(MARKS.values()).encode())))
        _, taking = stack.enter_context(mailbox(authenticator=_accept, auth_require_tls=False))
        _, refusing = stack.enter_context(mailbox(authenticator=_refuse, auth_require_tls=False))
        yield {
            "crm": f"{crm.url}/{path}",
            "echo": f"{echo.url}/{path}",
            "down": f"http://{user}@127.0.0.1:{free_port()}/{path}",
            "desk": f"mailto://{user}@{taking}/{people}",
            "shut": f"mailto://{user}@{refusing}/{people}",
            "json": f"json://{user}@127.0.0.1:{free_port()}/{path}",
        }


def test_secrets_are_kept(workplace: Workplace, engage: Simulator, channels: dict[str, str], crm: Receiver) -> None:
    """With every way to fail, logged at every level, all works, and what is tried again is tried again."""
    made, other = (engage.enterprise.create(utc_now(), Booking(start=utc_now())) for _ in range(2))
    workplace.configure(channels)
    _name_operator(workplace)
    daemon = workplace.start("--log-level", "debug", "--log-format", "text", "run")
    daemon.wait_for_log("polled")
    engage.enterprise.cancel(made, utc_now(), reason=PERSONAL["answer"])
    assert crm.wait_for(1, PATIENCE)
    assert crm.requests[0].headers["webhook-signature"].startswith("v1,")
    for action in ("delivery_dead", "delivery_retried", "heartbeat_failed"):
        daemon.wait_for_log(action)
    engage.rotate_token()
    daemon.wait_for_log("poll_failed")
    daemon.stop()

    workplace.configure(channels, credentials=OAUTH)
    _name_operator(workplace)
    engage.enterprise.edit(made, utc_now(), {"messageForCustomer": PERSONAL["message for the customer"]})
    engage.enterprise.cancel(other, utc_now(), reason=PERSONAL["answer"])
    event = json.loads(crm.requests[0].body)["id"]
    answers = workplace.notifiers("--log-level debug plan --json", "--log-level debug test-send shut")
    answers.append(workplace.notifier("--log-level", "debug", "run", "--once"))
    answers += workplace.notifiers("events --json", "deliveries --json", "status --json", f"explain {event} --json")
    assert [answer.code for answer in answers] == [0, 1, 1, 0, 0, 1, 0]
    answers = workplace.notifiers("check", "privacy --json", "channels --json", "status", f"explain {event}")
    assert [answer.code for answer in answers] == [0, 0, 0, 1, 0]
    configured = found_in((workplace.folder / "config.toml").read_bytes())
    assert configured == set(SECRETS) - {"token", "client secret"}


def _name_operator(workplace: Workplace) -> None:
    """Names a monitor outside that is not there."""
    with (workplace.folder / "config.toml").open("a", encoding="utf-8") as config:
        config.write(f'\n[operator]\nchannels = "crm"\nheartbeat_url = "http://127.0.0.1:{free_port()}/{HEARTBEAT}"\n')


def _refuse(*_: object) -> AuthResult:
    return AuthResult(success=False, handled=False)


def _accept(*_: object) -> AuthResult:
    return AuthResult(success=True)
