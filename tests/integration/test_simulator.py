"""The simulator answers over a real socket as the API is documented to."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest

from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.life import Life
from notifier.engage.simulator import Simulator
from tests.simulated import LIST, NOW, WAIT, HandClock, client_of, error, ids


@pytest.fixture
def simulator(clock: HandClock) -> Iterator[Simulator]:
    with Simulator(clock=clock, others={"other": Enterprise()}) as simulator:
        yield simulator


@pytest.fixture
def client(simulator: Simulator) -> Iterator[httpx.Client]:
    with client_of(simulator, simulator.token) as client:
        yield client


def test_a_list_has_data_and_meta(simulator: Simulator, client: httpx.Client) -> None:
    """A list answers the rows and the three numbers of the page."""
    made = simulator.enterprise.create(NOW, Booking(start=NOW))
    reply = client.get(LIST)
    assert reply.json() == {
        "data": [simulator.enterprise.get(made)],
        "meta": {"offset": 0, "limit": 25, "totalCount": 1},
    }
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Date"] == "Tue, 24 Nov 2026 09:00:00 GMT"


def test_pages_cover_the_list(simulator: Simulator, client: httpx.Client) -> None:
    """Pages by offset and limit bring every row once, in the order of insertion, and say how many there are."""
    expected = list(simulator.enterprise.fill(60, 1, NOW))
    assert ids(client.get(LIST)) == expected[:25]
    pages = [client.get(LIST, params={"offset": offset, "limit": 20}) for offset in (0, 20, 40, 60)]
    assert [one for page in pages for one in ids(page)] == expected
    assert pages[3].json()["meta"] == {"offset": 60, "limit": 20, "totalCount": 60}


def test_a_page_of_a_thousand(simulator: Simulator, client: httpx.Client) -> None:
    """The largest page carries a thousand rows."""
    expected = list(simulator.enterprise.fill(1200, 1, NOW))
    assert ids(client.get(LIST, params={"limit": 1000})) == expected[:1000]


def test_every_filter_reaches_the_rows(simulator: Simulator, client: httpx.Client) -> None:
    """Each documented filter finds the one appointment that it describes."""
    enterprise = simulator.enterprise
    enterprise.fill(20, 1, NOW, (timedelta(days=1), timedelta(days=2)))
    made = enterprise.create(
        NOW,
        Booking(
            start=NOW + timedelta(days=9),
            office="99",
            subject="98",
            customer="97",
            employee="96",
            meeting_type="PHONE",
            external_id="a+b & c",
            listing="95",
            lead_segment="94",
            callback_request="93",
        ),
    )
    enterprise.no_show(made, NOW)
    wanted = {
        "id[]": made,
        "external-id[]": "a+b & c",
        "from": "2026-12-03T00:00:00+01:00",
        "to": "2026-12-04T00:00:00Z",
        "meeting-type[]": "PHONE",
        "status[]": "NO_SHOW",
        "callback-request-id[]": "93",
        "listing-id[]": "95",
        "lead-segment-id[]": "94",
        "subject-id[]": "98",
        "office-id[]": "99",
        "customer-id[]": "97",
        "employee-id[]": "96",
    }
    for name in wanted.keys() - {"to", "meeting-type[]"}:
        assert ids(client.get(LIST, params={name: wanted[name]})) == [made], name
    assert ids(client.get(LIST, params=wanted)) == [made]
    assert made not in ids(client.get(LIST, params={"to": "2026-12-01T00:00:00Z"}))


def test_undated_rows_are_outside_any_window(simulator: Simulator, client: httpx.Client) -> None:
    """An invite comes with its status, but not when a window is asked for."""
    invited = simulator.enterprise.invite(NOW, Booking())
    assert ids(client.get(LIST, params={"status[]": "OUTGOING_INVITE"})) == [invited]
    assert ids(client.get(LIST, params={"from": "2000-01-01T00:00:00Z"})) == []


def test_the_meaning_of_a_window_can_be_switched(simulator: Simulator, client: httpx.Client) -> None:
    """An appointment under way at `from` is found by overlap, but not by its start."""
    made = simulator.enterprise.create(NOW, Booking(start=NOW))
    window = {"from": "2026-11-24T09:30:00Z"}
    assert ids(client.get(LIST, params=window)) == [made]
    simulator.span = "start"
    assert ids(client.get(LIST, params=window)) == []
    begins = {"from": "2026-11-24T09:00:00Z"}
    assert ids(client.get(LIST, params=begins)) == [made]
    simulator.edges = "exclusive"
    assert ids(client.get(LIST, params=begins)) == []


def test_a_gateway_may_know_when_something_changed(simulator: Simulator, client: httpx.Client) -> None:
    """A parameter for `updatedAt` is refused like any unknown one, until a gateway is switched on that takes it."""
    one, other = (simulator.enterprise.create(NOW, Booking(start=NOW)) for _ in range(2))
    simulator.enterprise.cancel(other, NOW + timedelta(minutes=5))
    window = {"updated-from": "2026-11-24T09:05:00Z"}
    assert error(client.get(LIST, params=window))["code"] == "QUERY_PARAMETER_UNKNOWN"
    simulator.updated_since = "updated-from"
    assert ids(client.get(LIST, params=window)) == [other]
    assert ids(client.get(LIST)) == [one, other]


@pytest.mark.parametrize(
    "query",
    [
        "id=1",
        "status=ACCEPTED",
        "office-id=11&office-id=12",
        "office_id[]=11",
        "id[0]=1",
        "from[]=2026-11-24T09:00:00Z",
        "limit[]=5",
        "sort=start",
        "foo",
        "id[]=",
        "id[]",
        "external-id[]=" + "x" * 256,
        "status[]=accepted",
        "status[]=ACCEPTED&status[]=GONE",
        "meeting-type[]=CHAT",
        "from=",
        "from=2026-11-24",
        "from=2026-11-24T09:00:00",
        "from=2026-11-24t09:00:00Z",
        "from=2026-11-24%2009:00:00Z",
        "from=2026-11-24T09:00Z",
        "from=2026-11-24T09:00:00-00:00",
        "from=2026-11-24T09:00:00+01:00",
        "from=2026-11-24T09:00:00%2B0100",
        "from=2026-13-24T09:00:00Z",
        "from=0000-01-01T00:00:00Z",
        "to=2026-11-24T24:00:00%2B99:00",
        "to=1795510800",
        "from=2026-11-24T09:00:00Z&from=2026-11-24T09:00:00Z",
        "limit=5&limit=5",
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=025",
        "limit=ten",
        "limit=%2B5",
        "limit=",
        "offset=-1",
        "offset=1.0",
        "offset=",
        "offset=%D9%A3",
        "id[]=%ff",
    ],
)
def test_a_query_that_breaks_a_rule_is_refused(simulator: Simulator, client: httpx.Client, query: str) -> None:
    """Whatever the documentation does not allow in a query answers 400, never a list."""
    simulator.enterprise.fill(3, 1, NOW)
    reply = client.get(f"{LIST}?{query}")
    assert reply.status_code == 400
    assert error(reply)["type"] == "BAD_REQUEST"


def test_one_appointment_by_id(simulator: Simulator, client: httpx.Client) -> None:
    """An appointment comes alone in `data`; an unknown one, or a removed one, is 404."""
    made = simulator.enterprise.create(NOW, Booking(start=NOW))
    reply = client.get(f"{LIST}/{made}")
    assert reply.json() == {"data": simulator.enterprise.get(made)}
    assert client.get(f"{LIST}/{made}?limit=5").status_code == 400
    simulator.enterprise.remove(made)
    gone = client.get(f"{LIST}/{made}")
    assert (gone.status_code, error(gone)["code"]) == (404, "APPOINTMENT_UNKNOWN")


@pytest.mark.parametrize(
    "path", ["/", "/enterprises/acme", f"{LIST}/", f"{LIST}/1/x", "/enterprises/nobody/appointments", "/appointments"]
)
def test_an_unknown_path_is_not_found(client: httpx.Client, path: str) -> None:
    """Other paths and other enterprises answer 404."""
    reply = client.get(path)
    assert reply.status_code == 404
    error(reply)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_an_api_that_is_only_read_refuses_other_methods(client: httpx.Client, method: str) -> None:
    """Methods other than GET answer 405, and the connection can be used on."""
    for path in (LIST, f"{LIST}/1"):
        reply = client.request(method, path, content=b"{}")
        assert (reply.status_code, reply.headers["Allow"]) == (405, "GET")
        error(reply)
    assert client.get(LIST).status_code == 200


def test_head_has_no_body(client: httpx.Client) -> None:
    """HEAD is refused as well, without a body that would disturb the next request."""
    assert (client.head(LIST).status_code, client.get(LIST).status_code) == (405, 200)


def test_enterprises_are_apart(simulator: Simulator, client: httpx.Client) -> None:
    """Each enterprise lists its own appointments."""
    made = simulator.enterprises["other"].create(NOW, Booking(start=NOW))
    assert ids(client.get(LIST)) == []
    assert ids(client.get("/enterprises/other/appointments")) == [made]


@pytest.mark.parametrize(("value", "status"), [("a", 200), ("x" * 36, 200), ("x" * 37, 400), ("", 400)])
def test_a_correlation_id_has_1_to_36_characters(client: httpx.Client, value: str, status: int) -> None:
    """A correlation id that fits comes back with the reply; another one is refused."""
    reply = client.get(LIST, headers={"X-Correlation-Id": value})
    assert reply.status_code == status
    assert reply.headers.get("X-Correlation-Id") == (value if status == 200 else None)


def test_a_refusal_carries_the_correlation_id_too(client: httpx.Client) -> None:
    """Errors can be correlated like answers."""
    reply = client.get(f"{LIST}?id=1", headers={"X-Correlation-Id": "abc"})
    assert (reply.status_code, reply.headers["X-Correlation-Id"]) == (400, "abc")


def test_what_was_asked_is_on_record(simulator: Simulator, client: httpx.Client) -> None:
    """Each request is on record with its query, headers and status, and counted, until the record begins anew."""
    client.get(f"{LIST}?status[]=ACCEPTED&limit=5", headers={"X-Correlation-Id": "abc", "Accept-Language": "en *"})
    client.get("/nowhere")
    first, second = simulator.requests
    assert (first.method, first.path, first.status, first.at) == ("GET", LIST, 200, NOW)
    assert first.parameters == [("status[]", "ACCEPTED"), ("limit", "5")]
    assert (first.correlation_id, first.accept_language) == ("abc", "en *")
    assert (second.path, second.query, second.status) == ("/nowhere", "", 404)
    assert simulator.token not in repr(first)
    assert simulator.counts == {(LIST, 200): 1, ("/nowhere", 404): 1}
    assert simulator.wait_for_requests(2, timeout=WAIT)
    simulator.forget_requests()
    assert (simulator.requests, simulator.counts.total()) == ((), 0)
    assert not simulator.wait_for_requests(1, timeout=0.01)


def test_connections_are_kept_alive(simulator: Simulator, client: httpx.Client) -> None:
    """Many requests of one client share one connection, which does not wait for small packets."""
    for _ in range(5):
        client.get(LIST)
        client.get("/nowhere")
    assert simulator._listener is not None
    assert len(simulator._listener._connections) == 1
    (connection,) = simulator._listener._connections
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def raw_exchange(simulator: Simulator, request: bytes) -> bytes:
    address = urlsplit(simulator.base_url)
    assert address.hostname
    assert address.port
    with socket.create_connection((address.hostname, address.port), timeout=WAIT) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"POST /x HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET /x HTTP/1.1\r\nConnection: close\r\n\r\n", 404),
    ],
)
def test_what_is_not_http_is_refused_and_hung_up(simulator: Simulator, request_head: bytes, status: int) -> None:
    """A broken request gets the error document, after which the connection ends."""
    answer = raw_exchange(simulator, request_head)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b'"statusCode":"%d"' % status in answer


def test_starting_and_stopping(clock: HandClock) -> None:
    """A stopped simulator refuses connections and leaves no thread; started again it has its port and its rows."""
    before = set(threading.enumerate())
    simulator = Simulator(clock=clock)
    with pytest.raises(RuntimeError, match="port"):
        _ = simulator.base_url
    simulator.start()
    with pytest.raises(RuntimeError, match="already"):
        simulator.start()
    made = simulator.enterprise.create(NOW, Booking(start=NOW))
    with client_of(simulator, simulator.token) as client:
        assert ids(client.get(LIST)) == [made]
        address = simulator.base_url
        simulator.stop()
        simulator.stop()
        assert set(threading.enumerate()) == before
        with pytest.raises(httpx.TransportError):
            client.get(LIST)
        simulator.start()
        assert simulator.base_url == address
        assert ids(client.get(LIST)) == [made]
        simulator.stop()


def test_secrets_are_drawn_unless_given(clock: HandClock) -> None:
    """Two simulators have different tokens and secrets; given ones are used."""
    one, other = Simulator(clock=clock), Simulator(clock=clock)
    assert (one.token, one.client_secret) != (other.token, other.client_secret)
    given = Simulator(clock=clock, token="t", client_id="c", client_secret="s")
    assert (given.token, given.client_id, given.client_secret) == ("t", "c", "s")


def test_an_empty_enterprise_that_is_given_is_served(clock: HandClock) -> None:
    """The enterprise that was given is the one that is served, even before it has an appointment."""
    enterprise = Enterprise()
    assert Simulator(enterprise=enterprise, clock=clock).enterprise is enterprise


def test_a_life_can_be_watched(simulator: Simulator, client: httpx.Client, clock: HandClock) -> None:
    """What happens in a life shows in the next list, on the row that the happening names."""
    simulator.enterprise.fill(50, 1, NOW)
    life = Life(simulator.enterprise, 1)
    for _ in range(40):
        before = {row["id"]: row for row in client.get(LIST, params={"limit": 1000}).json()["data"]}
        clock.advance(seconds=30)
        happening = life.step(clock())
        after = {row["id"]: row for row in client.get(LIST, params={"limit": 1000}).json()["data"]}
        assert [one for one in after if before.get(one) != after[one]] == [happening.appointment_id]


def test_reading_while_a_life_goes_on(simulator: Simulator, client: httpx.Client, clock: HandClock) -> None:
    """Lists that are read while rows change are whole: every row once, as many as the page says."""
    simulator.enterprise.fill(200, 1, NOW)
    life = Life(simulator.enterprise, 2)
    with ThreadPoolExecutor(1) as pool:
        living = pool.submit(lambda: [life.step(clock()) for _ in range(300)])
        for _ in range(20):
            reply = client.get(LIST, params={"limit": 1000})
            assert len(set(ids(reply))) == reply.json()["meta"]["totalCount"]
        living.result(WAIT)
