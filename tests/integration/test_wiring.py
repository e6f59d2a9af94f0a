"""Settings become clients and channels, and the limits of an address are shared by all who talk to it."""

from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from notifier.channels.channel import ChannelError
from notifier.clock import utc_now
from notifier.config.settings import Settings
from notifier.core.policy import Policy
from notifier.engage.budget import Budget
from notifier.engage.token import ClientCredentials, FixedToken
from notifier.wiring import open_channels, open_clients, policies_of, readers_of
from tests.configured import settings, source

TOKEN = 'token = "t"'


def budgets(configured: Settings) -> dict[str, Budget]:
    """Returns the budget of each source."""
    clients = open_clients(configured, utc_now, Event())
    for client in clients.values():
        client.close()
    return {name: client._budget for name, client in clients.items()}


def limits(name: str, requests_per_minute: int, concurrency: int) -> str:
    return f"[sources.{name}.limits]\nrequests_per_minute = {requests_per_minute}\nconcurrency = {concurrency}\n"


def test_sources_at_one_address_share_a_budget(tmp_path: Path) -> None:
    """The vendor counts by address, so what two sources ask of one host is paced as one, by the smaller limits."""
    found = budgets(
        settings(
            tmp_path,
            source("https://api.example.com", TOKEN, "one")
            + limits("one", 600, 1)
            + source("https://API.example.com/v1", TOKEN, "two")
            + limits("two", 1200, 3)
            + source("https://other.example.com", TOKEN, "three"),
            {},
        )
    )
    assert found["one"] is found["two"]
    assert (found["one"].concurrency, found["one"]._gap_seconds) == (1, 0.1)
    assert found["three"] is not found["one"]
    assert found["three"].concurrency == 2


def test_credentials(tmp_path: Path) -> None:
    """A source has the token that it was given, or gets one by client credentials."""
    oauth = '[sources.two.oauth]\ntoken_url = "https://id.example.com/token"\nclient_id = "n"\nclient_secret = "s"\n'
    configured = settings(
        tmp_path,
        source("https://api.example.com", TOKEN, "one") + source("https://api.example.com", "", "two") + oauth,
        {},
    )
    clients = open_clients(configured, utc_now, Event())
    for client in clients.values():
        client.close()
    fixed, granted = clients["one"]._token, clients["two"]._token
    assert isinstance(fixed, FixedToken)
    assert fixed.current() == "t"
    assert isinstance(granted, ClientCredentials)
    assert (clients["one"]._url, clients["two"]._url) == (
        "https://api.example.com/enterprises/acme",
        "https://api.example.com/enterprises/acme",
    )


def test_channels_by_name(tmp_path: Path) -> None:
    """Every configured channel is there under its name, and shows no secret."""
    configured = settings(
        tmp_path,
        source("https://api.example.com", TOKEN),
        {"team": "console://", "crm": "https://user:secret@crm.example.com/hooks/secret"},
    )
    channels = open_channels(configured)
    assert {name: (channel.name, channel.shown) for name, channel in channels.items()} == {
        "team": ("team", "console://***"),
        "crm": ("crm", "https://crm.example.com/***"),
    }
    for channel in channels.values():
        channel.close()


def test_an_address_that_is_none(tmp_path: Path) -> None:
    """A channel that can't be opened stops the start."""
    configured = settings(tmp_path, source("https://api.example.com", TOKEN), {"team": "slack://"})
    with pytest.raises(ChannelError, match="slack://"):
        open_channels(configured)


def terms(uncertain: str) -> str:
    return f"""
retry = ["1s", "1h"]
give_up_after = "2h"
retry_on = [404, 550]
uncertain = "{uncertain}"
rate = "2/s"
timeout = "9s"
recheck_after = "5m"
"""


def policies(configured: Settings) -> dict[str, Policy]:
    """Returns the policy of each channel."""
    opened = open_channels(configured)
    for channel in opened.values():
        channel.close()
    return policies_of(configured, opened)


def test_usual_terms(tmp_path: Path) -> None:
    """What is not said of a channel is as is usual for its service: only a webhook gets again what it may have got."""
    slack = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    channels = {"crm": "https://crm.example.com", "chat": slack, "desk": "mailto://u:p@example.com"}
    found = policies(settings(tmp_path, source("https://api.example.com", TOKEN), channels))
    assert {name: policy.resend for name, policy in found.items()} == {"crm": True, "chat": False, "desk": False}
    assert found["crm"] == Policy()
    assert found["chat"] == Policy(resend=False, interval=timedelta(seconds=1))


@pytest.mark.parametrize(("uncertain", "resend"), [("resend", True), ("leave", False)])
@pytest.mark.parametrize("url", ["https://crm.example.com", "mailto://u:p@example.com"])
def test_terms_of_its_own(tmp_path: Path, url: str, uncertain: str, resend: bool) -> None:
    """Whatever is said of a channel is so, whichever service it leads to."""
    sources = f"{source('https://api.example.com', TOKEN)}[channels.crm]\nurl = '{url}'{terms(uncertain)}"
    assert policies(settings(tmp_path, sources, {}))["crm"] == Policy(
        delays=(timedelta(seconds=1), timedelta(hours=1)),
        give_up_after=timedelta(hours=2),
        retry_on=frozenset({404, 550}),
        resend=resend,
        interval=timedelta(seconds=0.5),
        timeout=timedelta(seconds=9),
        recheck_after=timedelta(minutes=5),
    )


def test_the_language_of_a_channel_passes_that_of_an_office(tmp_path: Path) -> None:
    """Readers of a channel with a language read that; others that of the office, or of the configuration."""
    office = '[directory.offices.12]\nlanguage = "nl"\n[channels.own]\nurl = "console://"\nlanguage = "de"\n'
    text = source("https://api.example.com", TOKEN) + office
    configured = settings(tmp_path, text, {"any": "console://"}, 'language = "fr"')
    readers = [readers_of(configured, name) for name in ("own", "any")]
    spoken = [[one.language_at(office).code for office in ("12", "13", None)] for one in readers]
    assert spoken == [["de", "de", "de"], ["nl", "fr", "fr"]]
