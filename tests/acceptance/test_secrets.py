"""Secrets stay where they belong: in no output, no log, no store."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from aiosmtpd.smtp import AuthResult

from notifier.clock import utc_now
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from tests.acceptance.command import PATIENCE, Answer
from tests.acceptance.workplace import OAUTH, Workplace
from tests.fake_mailbox import mailbox
from tests.fake_receiver import Receiver, Reply, free_port, receiving

MARKS = {
    "token": "token-marker-5f1c",
    "client secret": "secret-marker-c0de",
    "password": "password-marker-81d2",
    "path": "path-marker-77aa",
    "notes": "notes-marker-19be",
    "signing key": b64encode(b"0123456789abcdef-signing-marker").decode(),
}
"""What no reader may find, by what it is."""

IN_THE_CONFIGURATION = {"password", "path", "signing key"}


def leaks(raw: bytes) -> set[str]:
    """Returns which of the secrets stand in a text."""
    return {name for name, mark in MARKS.items() if mark.encode() in raw}


def said(answer: Answer) -> bytes:
    return (answer.out + answer.err).encode()


@pytest.fixture
def engage() -> Iterator[Simulator]:
    """An enterprise whose token and client secret are known by sight."""
    with Simulator(clock=utc_now, token=MARKS["token"], client_secret=MARKS["client secret"]) as simulator:
        yield simulator


@pytest.fixture
def crm() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def channels(crm: Receiver) -> Iterator[dict[str, str]]:
    """Channels with secrets in their addresses: two that take messages, and one for each way to fail."""
    user, path = f"user:{MARKS['password']}", MARKS["path"]
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
    """Nothing that is printed, logged at any level or stored holds a token, password, key or a customer's text."""
    secrets = dict.fromkeys(("crm", "echo"), f"whsec_{MARKS['signing key']}")
    made = engage.enterprise.create(utc_now(), Booking(start=utc_now(), notes=MARKS["notes"]))
    workplace.configure(channels, secrets=secrets)
    daemon = workplace.start("--log-level", "debug", "--log-format", "text", "run")
    daemon.wait_for_log("polled")
    engage.enterprise.cancel(made, utc_now(), reason=MARKS["notes"])
    assert crm.wait_for(1, PATIENCE)
    assert crm.requests[0].headers["webhook-signature"].startswith("v1,")
    for action in ("delivery_dead", "delivery_retried"):
        daemon.wait_for_log(action)
    engage.rotate_token()
    daemon.wait_for_log("poll_failed")
    answers = [daemon.stop()]

    workplace.configure(channels, secrets=secrets, credentials=OAUTH)
    engage.enterprise.edit(made, utc_now(), {"messageForCustomer": MARKS["notes"]})
    event = json.loads(crm.requests[0].body)["id"]
    answers += workplace.notifiers("--log-level debug plan --json", "--log-level debug test-send shut")
    answers.append(workplace.notifier("--log-level", "debug", "run", "--once"))
    answers += workplace.notifiers("events --json", "deliveries --json", "status --json", f"explain {event} --json")
    assert [answer.code for answer in answers] == [0, 0, 1, 1, 0, 0, 1, 0]
    assert [leaks(said(answer)) for answer in answers] == [set()] * len(answers)
    stored = {path.name: leaks(path.read_bytes()) for path in workplace.folder.glob("notifier.db*")}
    assert stored["notifier.db"] == set().union(*stored.values()) == set()
    # That a secret would be found, were it there:
    assert leaks((workplace.folder / "config.toml").read_bytes()) == IN_THE_CONFIGURATION


def _refuse(*_: object) -> AuthResult:
    return AuthResult(success=False, handled=False)


def _accept(*_: object) -> AuthResult:
    return AuthResult(success=True)
