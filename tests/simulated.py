"""What the tests of the simulator share: a clock that is set by hand, clients, and readers of replies."""

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from notifier.engage.simulator import Simulator

NOW: Final = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
LIST: Final = "/enterprises/acme/appointments"
WAIT: Final = 20.0  # seconds until a test gives up

# Given to every client, since httpx else reads the machine's certificates for each, which takes longer than a test.
NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class HandClock:
    """A clock that only moves when a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def ticks(self) -> float:
        """The seconds of a clock that nobody sets, which goes with this one."""
        return self.now.timestamp()

    def advance(self, **span: float) -> None:
        """Move on by a span, given as to timedelta."""
        self.now += timedelta(**span)


def client_of(simulator: Simulator, token: str | None = None) -> httpx.Client:
    """A client of a simulator, with a bearer token or none."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=simulator.base_url, headers=headers, timeout=WAIT, verify=NO_TLS)


def ids(reply: httpx.Response) -> list[str]:
    """The ids on a page."""
    assert reply.status_code == 200, reply.text
    return [row["id"] for row in reply.json()["data"]]


def error(reply: httpx.Response) -> dict[str, str]:
    """The one error of a refusal, whose document has the documented shape."""
    document = reply.json()
    assert list(document) == ["errors"]
    (only,) = document["errors"]
    assert set(only) == {"message", "code", "type", "statusCode"}
    assert all(isinstance(value, str) for value in only.values())
    assert only["statusCode"] == str(reply.status_code)
    assert reply.headers["Content-Type"] == "application/json"
    return dict(only)


def credentials(simulator: Simulator, **changes: str) -> dict[str, str]:
    """The form that asks for a token."""
    form = {
        "grant_type": "client_credentials",
        "client_id": simulator.client_id,
        "client_secret": simulator.client_secret,
    }
    return form | changes


def bearer(grant: dict[str, Any]) -> dict[str, str]:
    """The header that uses a granted token."""
    return {"Authorization": f"Bearer {grant['access_token']}"}
