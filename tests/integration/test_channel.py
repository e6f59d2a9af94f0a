"""Channels, against servers on this machine in place of the services."""

import json
import logging
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from threading import Barrier, Thread
from typing import Any

import pytest
import requests
from apprise import NotificationManager

from notifier.channels import address
from notifier.channels.channel import ChannelError, Parcel, open_channel
from notifier.core.delivery import Outcome, Reason, Result
from notifier.core.escape import Target, defuse
from notifier.core.message import Message
from tests.fake_receiver import DRIP, HANG, RESET, Receiver, Reply, free_port, receiving

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

HOSTILE = "<!channel> @everyone <@U123> <at>bob</at> **b** `c` [l](http://e.example) <script>x</script> & a_b"
"""What somebody may have typed into a field of an appointment."""

SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
SLACK_BOT = "slack://xoxb-1234-1234-abcdef/#general"
DISCORD = "discord://123456789012345678/abcdefghijklmnopqrstuvwxyz_ABCDEF-abcdefghijklmnopqrstuvwxyz1234567"
TEAMS = "workflows://prod-1.westeurope.logic.azure.com:443/643e69f83c8944438d68119179a10a64/abcdefghijk-abc/"
GOOGLE_CHAT = "gchat://workspace/key/token"


def parcel(title: str = "Cancelled", body: str = "When: Tuesday\nWhere: office 12") -> Parcel:
    return Parcel("delivery-1", Message(title, body, Target.CHAT), {}, NOW)


def send(url: str, what: Parcel | None = None) -> Outcome:
    channel = open_channel("team", url)
    try:
        return channel.send(what or parcel())
    finally:
        channel.close()


def local(receiver: Receiver, schema: str = "json", rest: str = "") -> str:
    return receiver.url.replace("http", schema, 1) + rest


@contextmanager
def in_place_of_services(*replies: Reply | str) -> Iterator[Receiver]:
    """Runs a receiver that gets what is meant for the services on the internet."""
    original = requests.Session.get_adapter

    class Detour(requests.adapters.HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
            request.url = receiver.url + request.path_url
            return super().send(request, *args, **options)

    with receiving(*replies) as receiver, pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "get_adapter", lambda *_, **__: Detour())
        yield receiver
    assert requests.Session.get_adapter is original


def posted(url: str, what: Parcel, reply: Reply) -> Any:
    with in_place_of_services(reply) as receiver:
        assert send(url, what).result is Result.DELIVERED
        (request,) = receiver.requests
    return json.loads(request.body)


ANSWERS = [
    (Reply(200), Result.DELIVERED, Reason.OK, 200),
    (Reply(204), Result.DELIVERED, Reason.OK, 204),
    (Reply(302, {"Location": "/elsewhere"}), Result.DEAD, Reason.REDIRECTED, 302),
    (Reply(400), Result.DEAD, Reason.REJECTED, 400),
    (Reply(401), Result.DEAD, Reason.REFUSED, 401),
    (Reply(404), Result.DEAD, Reason.NOT_FOUND, 404),
    (Reply(410), Result.DEAD, Reason.GONE, 410),
    (Reply(413), Result.DEAD, Reason.TOO_LARGE, 413),
    (Reply(429), Result.RETRY, Reason.RATE_LIMITED, 429),
    (Reply(500), Result.RETRY, Reason.UNAVAILABLE, 500),
    (DRIP, Result.DEAD, Reason.REJECTED, 400),
    (RESET, Result.UNCERTAIN, Reason.UNCERTAIN, None),
    (HANG, Result.UNCERTAIN, Reason.UNCERTAIN, None),
]


@pytest.mark.parametrize(("reply", "result", "reason", "status"), ANSWERS)
def test_answers(reply: Reply | str, result: Result, reason: Reason, status: int | None) -> None:
    """What a service answered decides what becomes of the delivery, though Apprise does not tell."""
    with receiving(reply) as receiver:
        outcome = send(local(receiver, rest="/?rto=0.5"))
        assert len(receiver.requests) == 1
    assert (outcome.result, outcome.reason, outcome.status) == (result, reason, status)


def test_retry_after() -> None:
    """A plea to wait arrives with the outcome."""
    with receiving(Reply(503, {"Retry-After": "Mon, 02 Mar 2026 09:01:00 GMT"})) as receiver:
        assert send(local(receiver)).retry_after == timedelta(minutes=1)


def test_nobody_listens() -> None:
    """A service that is not there is unreachable, and its address is not in the detail."""
    outcome = send(f"json://user:secret@127.0.0.1:{free_port()}/secret")
    assert (outcome.result, outcome.reason, outcome.detail) == (Result.RETRY, Reason.UNREACHABLE, "Connection refused")


@pytest.mark.parametrize(("slam", "reason"), [(True, Reason.UNREACHABLE), (False, Reason.TIMEOUT)])
def test_no_handshake(slam: bool, reason: Reason) -> None:
    """Where the connection breaks or stalls before the message could go out, it is certain that it did not arrive."""

    def close_the_next(server: socket.socket) -> None:
        server.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        if slam:
            Thread(target=close_the_next, args=[server], daemon=True).start()
        outcome = send(f"jsons://127.0.0.1:{server.getsockname()[1]}/?cto=0.5&rto=0.5")
    assert (outcome.result, outcome.reason) == (Result.RETRY, reason)


def test_no_pause_between_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apprise's own pauses between messages are off: the outbox decides when to send."""

    def no_sleep(_: float) -> None:
        pytest.fail("slept")

    monkeypatch.setattr("apprise.url.time.sleep", no_sleep)
    with in_place_of_services(Reply(body=b"ok")) as receiver:
        channel = open_channel("team", SLACK)
        assert [channel.send(parcel()).reason for _ in range(3)] == [Reason.OK] * 3
        assert len(receiver.requests) == 3


def test_an_answer_429_is_the_end_of_a_send() -> None:
    """A plugin that repeats by itself what was answered 429 is stopped, and the wait is the outbox's."""
    reply = Reply(429, {"Retry-After": "0.65", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"})
    with in_place_of_services(reply) as receiver:
        channel = open_channel("team", DISCORD)
        outcomes = [channel.send(parcel()) for _ in range(2)]
        assert len(receiver.requests) == 2
    assert [(one.reason, one.retry_after) for one in outcomes] == [(Reason.RATE_LIMITED, timedelta(seconds=0.65))] * 2


@pytest.mark.parametrize(
    ("code", "result", "reason"),
    [
        ("channel_not_found", Result.DEAD, Reason.REJECTED),
        ("internal_error", Result.RETRY, Reason.UNAVAILABLE),
    ],
)
def test_slack_says_no_with_200(code: str, result: Result, reason: Reason) -> None:
    """Slack's own word for what it does not take is understood and shown."""
    body = json.dumps({"ok": False, "error": code}).encode()
    with in_place_of_services(Reply(200, {"Content-Type": "application/json"}, body)):
        outcome = send(SLACK_BOT)
    assert (outcome.result, outcome.reason, outcome.detail) == (result, reason, f"HTTP 200 OK: {code}")


def test_lanes_do_not_mix() -> None:
    """Two channels that send at the same time each get the outcome of their own answer."""
    together = Barrier(2, timeout=10)
    outcomes: dict[int, list[Outcome]] = {404: [], 503: []}

    def lane(status: int) -> None:
        with receiving(Reply(status, {"Retry-After": str(status)})) as receiver:
            channel = open_channel("team", local(receiver))
            for _ in range(20):
                together.wait()
                outcomes[status].append(channel.send(parcel()))

    threads = [Thread(target=lane, args=(status,)) for status in outcomes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {one.status for one in outcomes[404]} == {404}
    assert {(one.status, one.retry_after) for one in outcomes[503]} == {(503, timedelta(seconds=503))}
    assert [len(every) for every in outcomes.values()] == [20, 20]


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Neither messages nor tokens reach the log, at any level."""
    caplog.set_level(logging.DEBUG)
    with in_place_of_services(Reply(500)):
        send(SLACK, parcel("A secret title", "A secret body"))
    with receiving(Reply(500)) as receiver:
        send(f"{receiver.url}/secret-token")
    assert "secret" not in caplog.text
    assert "TIiajkdnlazkcOXrIdevi7FQ" not in caplog.text


def hostile() -> Parcel:
    return parcel(f"Cancelled: {defuse(HOSTILE)}", f"When: 2026-03-02 10:00\nWho: {defuse(HOSTILE)}")


def assert_harmless(text: str) -> None:
    for mark in ("<!", "@e", "<@", "<at>", "**", "`", "](", "<script>"):
        assert mark not in text


def test_slack_gets_text() -> None:
    """In Slack a value is text: no mention, no markup, no link."""
    payload = posted(SLACK, hostile(), Reply(body=b"ok"))
    (attachment,) = payload["attachments"]
    assert payload["mrkdwn"] is False
    for text in (attachment["title"], attachment["text"]):
        assert_harmless(text)
        assert "&amp; a_b" in text
    assert attachment["text"].startswith("When: 2026-03-02 10:00\nWho: ")


def test_discord_gets_text() -> None:
    """Discord gets everything as it is, so what defuses a value is what was done to it before."""
    content = posted(DISCORD, hostile(), Reply(204))["content"]
    assert_harmless(content)
    assert "When: 2026-03-02 10:00\nWho: " in content


def test_discord_gets_no_more_than_it_takes() -> None:
    """A message that is too long for the service is cut; it would be refused, and so lost."""
    content = posted(DISCORD, parcel(body="word " * 1000), Reply(204))["content"]
    assert 1900 < len(content) <= 2000


def test_an_address_may_choose_to_split() -> None:
    """What an address says about long messages holds."""
    with in_place_of_services(Reply(204)) as receiver:
        send(f"{DISCORD}?overflow=split", parcel(body="word " * 1000))
        assert len(receiver.requests) == 3


def test_teams_gets_text() -> None:
    """A card of Teams mentions nobody, shows no backslashes, and keeps its lines apart."""
    payload = posted(TEAMS, hostile(), Reply(202))
    card = payload["attachments"][0]["content"]
    title, body = (block["text"] for block in card["body"])
    assert_harmless(title)
    assert_harmless(body)
    assert "When: 2026-03-02 10:00\n\nWho: " in body
    assert "entities" not in card["msteams"]


def test_google_chat_gets_text() -> None:
    """In Google Chat a value is text."""
    text = posted(GOOGLE_CHAT, hostile(), Reply())["text"]
    assert_harmless(text.removeprefix("*Cancelled"))
    assert "When: 2026-03-02 10:00\nWho: " in text


def test_mattermost_gets_text() -> None:
    """Mattermost reads Markdown and mentions in everything, so what defuses a value is what was done to it before."""
    with receiving(Reply()) as receiver:
        assert send(local(receiver, "mmost", "/3ccdd113474722377935511fc85d3dd4"), hostile()).reason is Reason.OK
        (request,) = receiver.requests
    text = json.loads(request.body)["text"]
    assert_harmless(text)
    assert "When: 2026-03-02 10:00\nWho: " in text


def test_rocket_chat_shows_no_backslashes() -> None:
    """Rocket.Chat knows few backslash escapes, so it gets none."""
    token = "8b0e8f7c6d5e4f3a2b1c0d9e8" + "/" + "8b0e8f7c6d5e4f3a2b1c0d9e8f7c6d5e4f3a2b1c0d9e8f7c6"
    with receiving(Reply()) as receiver:
        url = f"rocket://{token}@127.0.0.1:{receiver.port}/#general"
        assert send(url, hostile()).reason is Reason.OK
        (request,) = receiver.requests
    text = json.loads(request.body)["text"]
    assert "\\" not in text
    assert_harmless(text)


def test_a_program_gets_the_text_as_it_is() -> None:
    """A program that reads fields gets the value unchanged."""
    with receiving() as receiver:
        send(local(receiver), parcel(body=HOSTILE))
        (request,) = receiver.requests
    assert HOSTILE in json.loads(request.body)["message"]


def test_a_message_without_a_body() -> None:
    """A message that has only a title is sent all the same."""
    with receiving() as receiver:
        assert send(local(receiver), parcel(body="")).reason is Reason.OK
        (request,) = receiver.requests
    assert "Cancelled" in request.body.decode()


def test_console(capsys: pytest.CaptureFixture[str]) -> None:
    """The console shows title and body, set apart from what else is printed."""
    assert send("console://").reason is Reason.OK
    assert capsys.readouterr().out == "┌ Cancelled\n│ When: Tuesday\n│ Where: office 12\n└\n"


@pytest.mark.parametrize("gone", [True, False])
def test_a_closed_console(gone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody reads, the message waits."""
    out = StringIO()
    out.close()
    monkeypatch.setattr(sys, "stdout", None if gone else out)
    outcome = send("console://")
    assert (outcome.result, outcome.reason) == (Result.RETRY, Reason.UNAVAILABLE)


REFUSED = [
    (f"{SLACK}?optional=yes", "optional=yes"),
    (f"{SLACK}?retry=2&wait=1", "retry="),
    (f"{SLACK}?redirect=yes", "redirect=yes"),
    (f"{SLACK}, {DISCORD}", "one address"),
    ("https://a.example.com https://b.example.com", "one address"),
    ("slak://T1/secret", "did you mean slack://?"),
    ("slack://secret", "appriseit.com/services/slack"),
    ("syslog://", "does not leave the machine"),
    ("dbus://", "does not leave the machine"),
    ("rsyslog://example.com", "datagrams"),
    ("growl://secret@example.com", "not installed"),
    ("secret", "looks like schema://"),
    ("", "looks like schema://"),
]


@pytest.mark.parametrize(("url", "said"), REFUSED)
def test_a_useless_address(url: str, said: str) -> None:
    """An address that can't be used is refused at once, with a way out and without its secrets."""
    with pytest.raises(ChannelError) as raised:
        open_channel("team", url)
    assert said in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "TIiajkdnlazkcOXrIdevi7FQ" not in str(raised.value)


def test_only_webhooks_are_signed() -> None:
    """A signing secret on another channel is a mistake."""
    with pytest.raises(ChannelError, match="not for slack://"):
        open_channel("team", SLACK, ["whsec_" + "A" * 43])


def test_harmless_options_are_kept() -> None:
    """Options that repeat the default are no mistake."""
    assert open_channel("team", f"{SLACK}?optional=no&retry=0").target is Target.CHAT


def test_the_address_that_slack_hands_out() -> None:
    """The https address of a chat service is that service's, and a webhook only when it is to be signed."""
    url = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    channel = open_channel("team", url)
    signed = open_channel("team", url, ["whsec_" + "A" * 43])
    signed.close()
    assert (channel.target, signed.target) == (Target.CHAT, Target.TEXT)
    assert channel.shown == "https://hooks.slack.com/***"


def test_the_tables_hold_real_schemas() -> None:
    """Every schema that we know something about exists."""
    open_channel("console", "console://")
    known = set(NotificationManager().schemas())  # type: ignore[no-untyped-call]
    tables = (address.MAIL, address.PROGRAMS, address.PHONES, address.OWN_MARKDOWN, address.NATIVE, address.DEAF)
    for table in (*tables, address.HOST_IS_A_HOST):
        assert set(table) <= known
