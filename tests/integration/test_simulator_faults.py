"""The simulator keeps the documented limits, and fails as a test tells it to."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest

from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.exchange import Reply, SeenRequest
from notifier.engage.simulated.quota import Limits
from notifier.engage.simulator import Simulator
from tests.simulated import LIST, NOW, WAIT, HandClock, client_of, credentials, error


@pytest.fixture
def simulator(clock: HandClock) -> Iterator[Simulator]:
    with Simulator(clock=clock, others={"other": Enterprise()}) as simulator:
        yield simulator


@pytest.fixture
def client(simulator: Simulator) -> Iterator[httpx.Client]:
    with client_of(simulator, simulator.token) as client:
        yield client


def test_more_than_so_many_a_minute_are_refused(simulator: Simulator, client: httpx.Client, clock: HandClock) -> None:
    """Requests above the limit of any last minute answer 429, and pass again as the minute moves on."""
    simulator.limits = Limits(per_minute=3)
    statuses = []
    for _ in range(5):
        statuses.append(client.get(LIST).status_code)
        clock.advance(seconds=10)
    assert statuses == [200, 200, 200, 429, 429]
    clock.now = NOW + timedelta(seconds=60)
    reply = [client.get(LIST) for _ in range(2)]
    assert [one.status_code for one in reply] == [200, 429]
    assert error(reply[1])["type"] == "TOO_MANY_REQUESTS"
    assert "Retry-After" not in reply[1].headers


def test_the_documented_limit_is_3000_a_minute(simulator: Simulator, client: httpx.Client) -> None:
    """The 3,001st request within a minute answers 429."""
    for _ in range(3000):
        assert simulator._quota.enter(NOW) is None
        simulator._quota.leave()
    assert client.get(LIST).status_code == 429


def test_retry_after_is_sent_if_it_is_switched_on(simulator: Simulator, client: httpx.Client) -> None:
    """A refusal by the limit can say when to come back."""
    simulator.limits = Limits(per_minute=0, retry_after=7)
    assert client.get(LIST).headers["Retry-After"] == "7"


def test_granting_tokens_is_not_limited(simulator: Simulator) -> None:
    """The limits are those of the API, not of the token address."""
    simulator.limits = Limits(per_minute=0)
    with client_of(simulator) as client:
        assert client.post(simulator.token_url, data=credentials(simulator)).status_code == 200


def test_more_than_four_at_once_are_refused(simulator: Simulator, client: httpx.Client) -> None:
    """While four requests are being handled a fifth answers 429, and none of the four is harmed."""
    inside, go_on = threading.Semaphore(0), threading.Event()

    def hold(_: SeenRequest) -> None:
        inside.release()
        assert go_on.wait(WAIT)

    simulator.script = hold
    with ThreadPoolExecutor(4) as pool:
        held = [pool.submit(client.get, LIST) for _ in range(4)]
        assert all(inside.acquire(timeout=WAIT) for _ in range(4))
        fifth = client.get(LIST)
        go_on.set()
        assert [one.result(WAIT).status_code for one in held] == [200] * 4
    assert (fifth.status_code, error(fifth)["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert (client.get(LIST).status_code, simulator.peak) == (200, 4)


def test_four_at_once_never_hit_the_limit(simulator: Simulator) -> None:
    """A client that keeps to four at once is never refused: a request is over before its reply can be read."""
    simulator.enterprise.fill(200, 1, NOW)

    def ask(_: int) -> int:
        with client_of(simulator, simulator.token) as client:
            return sum(client.get(LIST, params={"limit": 100}).status_code == 200 for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [20] * 4


def test_a_fault_strikes_the_next_requests(simulator: Simulator, client: httpx.Client) -> None:
    """Queued faults answer in their order, as often as told, then the simulator answers again."""
    simulator.fail_next(503, times=2, headers={"Retry-After": "3"})
    simulator.fail_next(500, body=b"<html>")
    first, second, third, fourth = (client.get(LIST) for _ in range(4))
    assert [one.status_code for one in (first, second, third, fourth)] == [503, 503, 500, 200]
    assert (first.headers["Retry-After"], error(second)["type"]) == ("3", "SERVICE_UNAVAILABLE")
    assert third.content == b"<html>"


def test_a_fault_strikes_its_path_only(simulator: Simulator, client: httpx.Client) -> None:
    """A fault meant for one path waits for it; without a path it spares the token address."""
    simulator.fail_next(500, path=f"{LIST}/7")
    simulator.fail_next(502, path="/realms/")
    assert client.get(LIST).status_code == 200
    assert client.get(f"{LIST}/7").status_code == 500
    assert client.post(simulator.token_url, data=credentials(simulator)).status_code == 502
    simulator.fail_next(503)
    assert client.post(simulator.token_url, data=credentials(simulator)).status_code == 200
    assert client.get(LIST).status_code == 503


def test_a_script_answers_what_it_likes(simulator: Simulator, client: httpx.Client) -> None:
    """A script's reply goes out as it is; where it gives none, the simulator answers."""

    def script(request: SeenRequest) -> Reply | None:
        if "offset" in request.query:
            return Reply(418, b"tea", {"Content-Type": "text/plain", "X-Pot": "1"})
        return None

    simulator.script = script
    reply = client.get(f"{LIST}?offset=1")
    assert (reply.status_code, reply.text, reply.headers["X-Pot"]) == (418, "tea", "1")
    assert reply.headers["Content-Type"] == "text/plain"
    assert client.get(LIST).status_code == 200
    assert [one.status for one in simulator.requests] == [418, 200]


def test_a_reply_can_stop_in_its_middle(simulator: Simulator, client: httpx.Client) -> None:
    """A reply cut in half, and one never sent, end the connection; the next request gets a new one."""
    simulator.fail_next(200, body=b'{"data":[]}', sent="half")
    simulator.fail_next(200, sent="nothing")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        client.get(LIST)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        client.get(LIST)
    assert client.get(LIST).status_code == 200
