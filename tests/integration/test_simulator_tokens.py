"""The simulator is read only with a token that is good for it, which it grants by client credentials."""

from collections.abc import Iterator

import httpx
import pytest

from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulator import Simulator
from tests.simulated import LIST, HandClock, bearer, client_of, credentials, error


@pytest.fixture
def simulator(clock: HandClock) -> Iterator[Simulator]:
    with Simulator(clock=clock, others={"other": Enterprise()}) as simulator:
        yield simulator


@pytest.fixture
def client(simulator: Simulator) -> Iterator[httpx.Client]:
    with client_of(simulator, simulator.token) as client:
        yield client


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer wrong", "Basic {token}", "{token}"])
def test_without_a_good_token_nothing_is_read(simulator: Simulator, authorization: str | None) -> None:
    """A missing or wrong token answers 401, for a list and for one appointment."""
    headers = {} if authorization is None else {"Authorization": authorization.format(token=simulator.token)}
    with client_of(simulator) as client:
        for path in (LIST, f"{LIST}/1"):
            reply = client.get(path, headers=headers)
            assert (reply.status_code, reply.headers["WWW-Authenticate"]) == (401, "Bearer")
            error(reply)


def test_a_rotated_token_is_refused(simulator: Simulator, client: httpx.Client) -> None:
    """After a rotation only the new token is good."""
    token = simulator.rotate_token()
    assert client.get(LIST).status_code == 401
    assert client.get(LIST, headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_without_the_scope_nothing_is_read(simulator: Simulator, client: httpx.Client) -> None:
    """A token that lacks the reading scope answers 403; the writing scope reads too."""
    simulator.scopes = frozenset({"engage:offices:readOnly"})
    reply = client.get(LIST)
    assert (reply.status_code, error(reply)["type"]) == (403, "FORBIDDEN")
    simulator.scopes = frozenset({"engage:appointments:readWrite"})
    assert client.get(LIST).status_code == 200


def test_a_client_is_granted_a_token(simulator: Simulator) -> None:
    """Client credentials in the form bring a token that reads."""
    with client_of(simulator) as client:
        grant = client.post(simulator.token_url, data=credentials(simulator)).json()
        assert set(grant) == {"access_token", "expires_in", "token_type", "scope"}
        assert (grant["expires_in"], grant["token_type"]) == (300, "Bearer")
        assert grant["scope"] == "engage:appointments:readOnly"
        assert client.get(LIST, headers=bearer(grant)).status_code == 200


def test_a_client_may_use_basic_authentication(simulator: Simulator) -> None:
    """Credentials in a Basic authorization do as well, wrong ones do not."""
    form = {"grant_type": "client_credentials"}
    with client_of(simulator) as client:
        good = client.post(simulator.token_url, data=form, auth=(simulator.client_id, simulator.client_secret))
        bad = client.post(simulator.token_url, data=form, auth=(simulator.client_id, "wrong"))
        torn = client.post(simulator.token_url, data=form, headers={"Authorization": "Basic %%%"})
    assert [one.status_code for one in (good, bad, torn)] == [200, 401, 401]


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "wrong"}, 401, "invalid_client"),
        ({"client_secret": "ünknown"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": "engage:customers:readWrite"}, 400, "invalid_scope"),
    ],
)
def test_a_bad_grant_is_refused(simulator: Simulator, changes: dict[str, str], status: int, reason: str) -> None:
    """A refused grant answers the error document of OAuth, not that of the API."""
    with client_of(simulator) as client:
        reply = client.post(simulator.token_url, data=credentials(simulator, **changes))
    assert (reply.status_code, reply.json()["error"]) == (status, reason)
    assert set(reply.json()) == {"error", "error_description"}


def test_tokens_are_granted_by_post_and_for_known_realms(simulator: Simulator) -> None:
    """The token address takes POST only, and an unknown realm is 404."""
    with client_of(simulator) as client:
        assert client.get(simulator.token_url).status_code == 405
        unknown = simulator.token_url.replace("acme", "nobody")
        assert client.post(unknown, data=credentials(simulator)).status_code == 404


def test_a_granted_token_ends_with_its_time(simulator: Simulator, clock: HandClock) -> None:
    """A granted token is good for its lifetime by the clock and for its enterprise, unless it is expired by hand."""
    with client_of(simulator) as client:
        headers = bearer(client.post(simulator.token_url, data=credentials(simulator)).json())
        assert client.get("/enterprises/other/appointments", headers=headers).status_code == 401
        clock.advance(seconds=299)
        assert client.get(LIST, headers=headers).status_code == 200
        clock.advance(seconds=1)
        assert client.get(LIST, headers=headers).status_code == 401
        headers = bearer(client.post(simulator.token_url, data=credentials(simulator)).json())
        simulator.expire_tokens()
        assert client.get(LIST, headers=headers).status_code == 401
        assert client.get(LIST, headers={"Authorization": f"Bearer {simulator.token}"}).status_code == 200


def test_a_token_keeps_the_scopes_of_its_grant(simulator: Simulator) -> None:
    """A token granted without the reading scope stays without it."""
    offices, reading = "engage:offices:readOnly", "engage:appointments:readOnly"
    simulator.scopes = frozenset({offices, reading})
    with client_of(simulator) as client:
        narrow = client.post(simulator.token_url, data=credentials(simulator, scope=offices)).json()
        whole = client.post(simulator.token_url, data=credentials(simulator)).json()
        assert (narrow["scope"], whole["scope"]) == (offices, f"{reading} {offices}")
        assert client.get(LIST, headers=bearer(narrow)).status_code == 403
        assert client.get(LIST, headers=bearer(whole)).status_code == 200
