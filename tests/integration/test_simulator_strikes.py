"""The simulator fails by share or by script, in all the ways in which an API behind a network can."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from typing import Any

import httpx
import orjson
import pytest

from notifier.engage.simulated.document import MEETING_TYPES, STATUSES, Booking
from notifier.engage.simulated.exchange import SeenRequest
from notifier.engage.simulated.faults import APART, FINAL, LIES, MIXED, FaultKind, Faults
from notifier.engage.simulator import Simulator
from tests.simulated import LIST, NOW, WAIT, HandClock, bearer, client_of, credentials, error, ids

AN_HOUR = timedelta(hours=1)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(clock=HandClock()) as simulator:
        simulator.enterprise.fill(40, 1, NOW)
        yield simulator


@pytest.fixture
def client(simulator: Simulator) -> Iterator[httpx.Client]:
    with client_of(simulator, simulator.token) as client:
        yield client


def always(kind: FaultKind, **settings: Any) -> Faults:
    return Faults(1, kinds=(kind,), **settings)


def granted(simulator: Simulator, client: httpx.Client) -> dict[str, str]:
    """The header that uses a new token."""
    return bearer(client.post(simulator.token_url, data=credentials(simulator)).json())


def asked(simulator: Simulator, client: httpx.Client, count: int) -> list[str]:
    """What came of some requests with a fixed token: a status or the name of an error."""
    outcomes = []
    for _ in range(count):
        try:
            outcomes.append(str(client.get(LIST).status_code))
        except httpx.HTTPError as error:
            outcomes.append(type(error).__name__)
    assert simulator.wait_for_requests(count, WAIT)
    return outcomes


def test_faults_are_off_by_default(simulator: Simulator, client: httpx.Client) -> None:
    """Who asks for no faults meets none."""
    assert asked(simulator, client, 50) == ["200"] * 50
    assert not simulator.faulted


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_can_be_used_alone(simulator: Simulator, client: httpx.Client, kind: FaultKind) -> None:
    """With a share of one each request that a kind can strike is struck, and counted, and the enterprise unharmed."""
    headers = granted(simulator, client)
    before = simulator.enterprise.rows()
    simulator.faults = always(kind, hold=timedelta(milliseconds=1), huge=1000)
    try:
        if kind is FaultKind.TOKEN_DOWN:
            client.post(simulator.token_url, data=credentials(simulator))
        else:
            client.get(LIST, headers=headers)
    except httpx.HTTPError:
        assert kind in {FaultKind.TIME_OUT, FaultKind.RESET, FaultKind.BROKEN_GZIP}
    assert simulator.faulted == {kind: 1}
    assert simulator.enterprise.rows() == before


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FaultKind.HTML, 200),
        (FaultKind.SERVER_ERROR, 500),
        (FaultKind.BAD_GATEWAY, 502),
        (FaultKind.UNAVAILABLE, 503),
        (FaultKind.GATEWAY_TIMEOUT, 504),
    ],
)
def test_a_gateway_answers_in_html(simulator: Simulator, client: httpx.Client, kind: FaultKind, status: int) -> None:
    """A page for people comes with its status, and is on record with it."""
    simulator.faults = always(kind)
    reply = client.get(LIST)
    assert (reply.status_code, reply.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert reply.text.startswith("<!DOCTYPE html>")
    assert simulator.counts == {(LIST, status): 1}


@pytest.mark.parametrize(
    ("kind", "retry_after"),
    [
        (FaultKind.BUSY, None),
        (FaultKind.BUSY_SECONDS, "90"),
        (FaultKind.BUSY_DATE, "Tue, 24 Nov 2026 09:01:30 GMT"),
    ],
)
def test_a_busy_api_says_when_to_come_back_or_not(
    simulator: Simulator, client: httpx.Client, kind: FaultKind, retry_after: str | None
) -> None:
    """429 comes without Retry-After, or with seconds, or with a date by the server's clock."""
    simulator.faults = always(kind, retry_after=timedelta(seconds=90))
    reply = client.get(LIST)
    assert (reply.status_code, error(reply)["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert reply.headers.get("Retry-After") == retry_after


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [(FaultKind.UNAUTHORIZED, 401, "UNAUTHORIZED"), (FaultKind.FORBIDDEN, 403, "INSUFFICIENT_SCOPE")],
)
def test_a_good_token_can_be_refused_once(
    simulator: Simulator, client: httpx.Client, kind: FaultKind, status: int, code: str
) -> None:
    """A refusal strikes one request; with the same token the next one is answered."""
    simulator.faults = always(kind)
    reply = client.get(LIST)
    assert (reply.status_code, error(reply)["code"]) == (status, code)
    simulator.faults = Faults()
    assert client.get(LIST).status_code == 200


def test_a_token_can_expire_early(simulator: Simulator, client: httpx.Client) -> None:
    """A granted token that ends before its time stays refused, while another one is good; the fixed one never ends."""
    headers, others = granted(simulator, client), granted(simulator, client)
    simulator.faults = always(FaultKind.EXPIRED_TOKEN)
    assert client.get(LIST).status_code == 200
    assert client.get(LIST, headers=headers).status_code == 401
    simulator.faults = Faults()
    assert client.get(LIST, headers=headers).status_code == 401
    assert client.get(LIST, headers=others).status_code == 200
    assert simulator.faulted == {FaultKind.EXPIRED_TOKEN: 1}


def test_only_the_token_address_can_be_down(simulator: Simulator, client: httpx.Client) -> None:
    """While no token is granted the API goes on, and the faults of the API spare the token address."""
    simulator.faults = always(FaultKind.TOKEN_DOWN)
    assert client.post(simulator.token_url, data=credentials(simulator)).status_code == 503
    assert client.get(LIST).status_code == 200
    simulator.faults = always(FaultKind.SERVER_ERROR)
    assert client.post(simulator.token_url, data=credentials(simulator)).status_code == 200


def test_a_text_can_be_cut(simulator: Simulator, client: httpx.Client) -> None:
    """A cut text looks whole to HTTP and is no JSON."""
    simulator.faults = always(FaultKind.CUT_JSON)
    reply = client.get(LIST)
    assert (reply.status_code, reply.headers["Content-Length"]) == (200, str(len(reply.content)))
    assert reply.content.startswith(b'{"data":[')
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(reply.content)


def test_a_connection_can_be_reset(simulator: Simulator, client: httpx.Client) -> None:
    """After half a body the connection breaks, and the next request gets another one."""
    simulator.faults = always(FaultKind.RESET)
    with pytest.raises(httpx.ReadError), client.stream("GET", LIST) as reply:
        reply.read()
    simulator.faults = Faults()
    assert client.get(LIST).status_code == 200


def test_a_body_can_be_no_gzip(simulator: Simulator, client: httpx.Client) -> None:
    """A body that calls itself gzip cannot be unpacked."""
    simulator.faults = always(FaultKind.BROKEN_GZIP)
    with pytest.raises(httpx.DecodingError):
        client.get(LIST)


def test_a_body_can_be_huge(simulator: Simulator, client: httpx.Client) -> None:
    """The right answer comes with no length told and far more than it needs; a client may hang up in its middle."""
    expected = ids(client.get(LIST))
    simulator.faults = always(FaultKind.HUGE, huge=1_000_001)
    reply = client.get(LIST)
    assert "Content-Length" not in reply.headers
    assert len(reply.content) > 1_000_001
    assert ids(reply) == expected
    simulator.faults = always(FaultKind.HUGE, huge=10**15)
    with client.stream("GET", LIST) as endless:
        assert len(next(endless.iter_bytes(100_000))) == 100_000
    simulator.faults = Faults()
    assert ids(client.get(LIST)) == expected


def test_a_huge_body_ends_with_the_simulator(simulator: Simulator, client: httpx.Client) -> None:
    """Stopping cuts off a reply that nobody reads."""
    simulator.faults = always(FaultKind.HUGE, huge=10**15)
    with client.stream("GET", LIST) as reply:
        simulator.stop()
        with pytest.raises(httpx.TransportError):
            reply.read()


def test_a_redirect_leads_elsewhere(simulator: Simulator, client: httpx.Client) -> None:
    """Whoever follows a redirect asks the same of a path that does not exist."""
    simulator.faults = always(FaultKind.REDIRECT)
    reply = client.get(LIST, params={"limit": 5})
    assert (reply.status_code, reply.headers["Location"]) == (307, f"/elsewhere{LIST}?limit=5")
    assert client.get(LIST).headers["Location"] == f"/elsewhere{LIST}"
    simulator.faults = Faults()
    assert client.get(reply.headers["Location"]).status_code == 404


def test_a_request_is_held_until_the_client_gives_up(simulator: Simulator, client: httpx.Client) -> None:
    """A time-out lasts as long as the client waits, is on record with no status, and leaves no thread behind."""
    simulator.faults = always(FaultKind.TIME_OUT, hold=AN_HOUR)
    with pytest.raises(httpx.ReadTimeout):
        client.get(LIST, timeout=0.05)
    assert [request.status for request in simulator.requests] == [None]
    assert simulator._listener is not None
    for thread in list(simulator._listener._connections.values()):
        thread.join(WAIT)
    assert not simulator._listener._connections


def test_a_request_is_held_for_a_set_time(simulator: Simulator, client: httpx.Client) -> None:
    """After the set time the connection ends without an answer."""
    simulator.faults = always(FaultKind.TIME_OUT, hold=timedelta(milliseconds=20))
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        client.get(LIST)


def test_a_held_request_does_not_hold_up_the_end(simulator: Simulator, client: httpx.Client) -> None:
    """Stopping cuts a time-out short."""
    simulator.faults = always(FaultKind.TIME_OUT, hold=AN_HOUR)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(client.get, LIST)
        assert simulator.wait_for_requests(1, WAIT)
        simulator.stop()
        with pytest.raises(httpx.RemoteProtocolError):
            held.result(WAIT)


def rows_of(simulator: Simulator, client: httpx.Client, kind: FaultKind) -> tuple[list[Any], list[Any]]:
    """A page as it should be, and struck."""
    whole = client.get(LIST, params={"limit": 30}).json()
    simulator.faults = always(kind)
    reply = client.get(LIST, params={"limit": 30}).json()
    assert (reply["meta"], len(reply["data"])) == (whole["meta"], 30)
    return whole["data"], reply["data"]


def test_rows_can_be_no_objects(simulator: Simulator, client: httpx.Client) -> None:
    """One row in ten is something else, and the others are as they should be."""
    whole, struck = rows_of(simulator, client, FaultKind.NOT_OBJECTS)
    other = [row for row, before in zip(struck, whole, strict=True) if row != before]
    assert len(other) == 3
    assert not any(isinstance(row, dict) for row in other)


def test_fields_can_be_null_that_should_not(simulator: Simulator, client: httpx.Client) -> None:
    """One row in ten lacks something that every appointment has."""
    whole, struck = rows_of(simulator, client, FaultKind.NULLS)
    changes = [changed(row, before) for row, before in zip(struck, whole, strict=True) if row != before]
    assert len(changes) == 3
    assert all(list(change.values()) == [None] for change in changes)


def test_rows_can_come_twice(simulator: Simulator, client: httpx.Client) -> None:
    """One row in ten comes twice in succession, and the last rows of a full page do not come."""
    whole, struck = rows_of(simulator, client, FaultKind.DUPLICATES)
    distinct = [row for number, row in enumerate(struck) if number == 0 or row != struck[number - 1]]
    assert distinct == whole[: len(distinct)]
    assert len(distinct) in {27, 28}  # 28 where only one of the last row's copies found room
    assert len(client.get(LIST, params={"limit": 1000}).json()["data"]) == 44


def test_numbers_can_be_text_and_text_numbers(simulator: Simulator, client: httpx.Client) -> None:
    """Some rows have each number as text, or each text of digits as a number."""
    made = simulator.enterprise.create(NOW, Booking(start=NOW, trailing_buffer=15, meeting_type="ON_LOCATION"))
    simulator.faults = always(FaultKind.NUMBERS_AS_TEXT)
    row = client.get(f"{LIST}/{made}").json()["data"]
    assert (row["trailingBufferTime"], row["location"]["geolocation"]["latitude"]) == ("15", "51.0479466")
    assert row["hybrid"] is False
    simulator.faults = always(FaultKind.TEXT_AS_NUMBERS)
    row = client.get(f"{LIST}/{made}").json()["data"]
    assert (row["id"], row["office"], row["location"]["postalCode"]) == (int(made), {"id": 11}, 9000)
    assert row["status"] == "ACCEPTED"


def test_words_can_be_new(simulator: Simulator, client: httpx.Client) -> None:
    """One row in ten has a status, a type or an origin that nobody has heard of."""
    whole, struck = rows_of(simulator, client, FaultKind.NEW_WORDS)
    changes = [changed(row, before) for row, before in zip(struck, whole, strict=True) if row != before]
    assert len(changes) == 3
    assert all(not {*change.values()} & {*STATUSES, *MEETING_TYPES} for change in changes)


def test_ids_can_be_new(simulator: Simulator, client: httpx.Client) -> None:
    """Every id of every row has a prefix that it had not."""
    whole, struck = rows_of(simulator, client, FaultKind.NEW_IDS)
    assert [row["id"] for row in struck] == ["apt_" + row["id"] for row in whole]
    assert [row["office"]["id"] for row in struck] == ["apt_" + row["office"]["id"] for row in whole]
    people = [one["participant"]["id"] for row in struck for one in row["appointmentParticipants"]]
    assert all(one.startswith("apt_") for one in people)


def changed(row: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value != before[name]}


def test_a_fault_of_rows_needs_rows(simulator: Simulator, client: httpx.Client) -> None:
    """An empty page, a refusal, and twice a single appointment are left as they are, and not counted."""
    simulator.faults = always(FaultKind.DUPLICATES)
    one = simulator.enterprise.rows()[0]
    assert client.get(f"{LIST}/{one.id}").json()["data"] == one.raw()
    assert ids(client.get(LIST, params={"offset": 500})) == []
    assert client.get(LIST, params={"limit": 0}).status_code == 400
    assert not simulator.faulted


def test_faults_are_repeatable() -> None:
    """The same seed and requests meet the same faults, another seed meets others, about as many as told."""

    def outcomes(seed: int) -> list[str]:
        faults = Faults(0.25, seed, hold=timedelta(milliseconds=1), huge=1000)
        with Simulator(clock=HandClock(), faults=faults) as other, client_of(other, other.token) as asking:
            other.enterprise.fill(40, 1, NOW)
            got = asked(other, asking, 200)
            assert 30 < other.faulted.total() < 70
            return got

    first = outcomes(1)
    assert outcomes(1) == first
    assert outcomes(2) != first


@pytest.mark.parametrize("lies", [True, False])
def test_a_mixture_holds_what_a_client_gets_over(lies: bool) -> None:
    """A mixture has every kind but the final ones and, without lies, none that makes rows look changed."""
    faults = Faults.mixed(0.1, 1, lies=lies)
    assert (faults.share, faults.seed, faults.survivable) == (0.1, 1, True)
    assert set(faults.kinds) == set(FaultKind) - FINAL - (set() if lies else LIES)
    assert {FaultKind.FORBIDDEN, FaultKind.NEW_IDS}.isdisjoint(MIXED)


def test_a_mixture_refuses_only_tokens_that_can_be_renewed(simulator: Simulator, client: httpx.Client) -> None:
    """The fixed token is never refused, and a granted one not again before the client had time to renew it."""
    refusing = (FaultKind.UNAUTHORIZED, FaultKind.EXPIRED_TOKEN)
    simulator.faults = Faults(1, kinds=refusing, survivable=True)
    assert asked(simulator, client, APART) == ["200"] * APART
    headers, refused = granted(simulator, client), []
    for number in range(3 * APART):
        if client.get(LIST, headers=headers).status_code == 401:
            refused.append(number)
            headers = granted(simulator, client)
    assert refused[0] == 0
    # A request for a token is one of them.
    assert {later - earlier for earlier, later in pairwise(refused)} == {APART - 1}


def test_a_mixture_spares_a_token_that_was_just_renewed(simulator: Simulator, client: httpx.Client) -> None:
    """After a token that ended with its time, the next one is let alone for a while, too."""
    headers = granted(simulator, client)
    simulator.expire_tokens()
    simulator.faults = Faults(1, kinds=(FaultKind.UNAUTHORIZED, FaultKind.EXPIRED_TOKEN), survivable=True)
    client.get(LIST, headers={"Authorization": f"Bearer {simulator.token}"})
    assert client.get(LIST, headers=headers).status_code == 401
    headers = granted(simulator, client)
    assert [client.get(LIST, headers=headers).status_code for _ in range(APART - 2)] == [200] * (APART - 2)
    assert simulator.faulted.total() == 0


def test_a_share_of_faults_is_a_share() -> None:
    """Faults cannot come more often than always."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        Faults(-0.1)


def test_a_script_names_a_fault(simulator: Simulator, client: httpx.Client) -> None:
    """A script can strike the one request that it means, with the settings of the faults that are switched off."""
    simulator.faults = Faults(retry_after=timedelta(seconds=7))

    def busy(request: SeenRequest) -> FaultKind | None:
        return FaultKind.BUSY_SECONDS if request.number == 2 else None

    simulator.script = busy
    replies = [client.get(LIST) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 429, 200]
    assert replies[1].headers["Retry-After"] == "7"
    assert simulator.faulted == {FaultKind.BUSY_SECONDS: 1}
    simulator.script = lambda _: FaultKind.EXPIRED_TOKEN
    assert client.get(LIST).status_code == 200  # the fixed token has no end
    assert simulator.faulted == {FaultKind.BUSY_SECONDS: 1}
