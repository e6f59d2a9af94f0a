"""The client reads lists to their end, keeps to its budget, and says of every failure what it most likely is."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import orjson
import pytest
import stamina
from pydantic import SecretStr

import notifier.engage.client
from notifier.core.sweep import Span
from notifier.engage.client import EngageClient, PageLook, post_form
from notifier.engage.simulated.exchange import Reply
from notifier.engage.simulated.quota import Limits
from notifier.engage.simulator import Simulator
from notifier.engage.token import ClientCredentials
from notifier.errors import SourceRefused, SourceUnavailable
from tests.polling import client_on
from tests.simulated import LIST, NOW, HandClock

OPEN = Span(None, None)


again = EngageClient._again


@pytest.fixture
def simulator(clock: HandClock) -> Iterator[Simulator]:
    with Simulator(clock=clock) as simulator:
        simulator.enterprise.fill(230, 1, NOW)
        yield simulator


@pytest.fixture(autouse=True)
def without_waits() -> Iterator[None]:
    """Failed requests are tried again at once, three times in all."""
    with stamina.set_testing(True, attempts=3):
        yield


def read(simulator: Simulator, clock: HandClock, span: Span = OPEN, **changes: Any) -> list[str]:
    """Returns the ids of all records of a list, in their order."""
    filters = changes.pop("filters", {})
    with client_on(simulator, clock, **changes) as client:
        return came(list(client.pages(span, filters)))


def came(looks: Sequence[PageLook]) -> list[str]:
    """Returns the ids of all records, those that a page repeats from the one before once."""
    found: list[str] = []
    for look in looks:
        ids = [one or "" for one in look.listed.ids]
        found += ids[1:] if found and ids[:1] == found[-1:] else ids
    return found


@pytest.mark.parametrize("page_size", [1, 7, 100, 230, 231, 1000])
def test_a_list_is_read_to_its_end(simulator: Simulator, clock: HandClock, page_size: int) -> None:
    """Whatever the page size, every record comes once and in order."""
    simulator.limits = Limits(per_minute=None)
    assert read(simulator, clock, page_size=page_size) == [row.id for row in simulator.enterprise.rows()]


def test_an_empty_list_is_one_page(simulator: Simulator, clock: HandClock) -> None:
    """A list without records takes one request."""
    assert read(simulator, clock, filters={"office": ("nowhere",)}) == []
    assert simulator.counts[LIST, 200] == 1


def test_never_more_at_once_than_the_budget(simulator: Simulator, clock: HandClock) -> None:
    """Pages are fetched ahead, but never with more requests at once than the budget has places."""
    read(simulator, clock, page_size=10, concurrency=3)
    assert 1 <= simulator.peak <= 3


def test_pages_that_are_smaller_than_asked_for_are_believed(simulator: Simulator, clock: HandClock) -> None:
    """A server that gives fewer rows a page than it says loses none of them."""
    rows = [{"id": str(number)} for number in range(25)]

    def capped(request: Any) -> Reply:
        offset = int(dict(request.parameters)["offset"])
        meta = {"offset": offset, "limit": 100, "totalCount": len(rows)}
        return Reply(200, orjson.dumps({"data": rows[offset : offset + 10], "meta": meta}))

    simulator.script = capped
    assert read(simulator, clock) == [row["id"] for row in rows]


def test_every_filter_and_date_is_written_as_the_api_takes_it(simulator: Simulator, clock: HandClock) -> None:
    """The simulator refuses what is not documented, and takes all of our filters and dates at once."""
    names = ("id", "external_id", "office", "subject", "employee", "customer", "listing", "lead_segment")
    filters = dict.fromkeys(names, ("1", "2")) | {
        "callback_request": ("1",),
        "status": ("ACCEPTED", "CANCELLED"),
        "meeting_type": ("VIDEO",),
    }
    assert read(simulator, clock, Span(NOW - timedelta(days=1), NOW), filters=filters) == []
    asked = {name for name, _ in simulator.requests[0].parameters}
    assert all(name.endswith("[]") for name in asked - {"from", "to", "offset", "limit"})
    assert len(asked) == len(filters) + 4


def test_every_request_names_itself_and_its_language(simulator: Simulator, clock: HandClock) -> None:
    """Each request carries a UUID of its own and the languages that are wanted."""
    read(simulator, clock)
    seen = [request.correlation_id or "" for request in simulator.requests]
    assert len({uuid.UUID(one) for one in seen}) == len(seen) == 3
    assert {request.accept_language for request in simulator.requests} == {"nl, *;q=0.5"}


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(simulator: Simulator, clock: HandClock, status: int) -> None:
    """A failure that passes costs a request and nothing else."""
    simulator.fail_next(status)
    assert len(read(simulator, clock)) == 230


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>please log in</html>"),
        Reply(200, b'{"data": [{"id": "1"'),
        Reply(200, b'{"data": {}, "meta": {"offset": 0, "limit": 25, "totalCount": 0}}'),
        Reply(200, b'{"data": []}'),
        Reply(200, b'{"data": [], "meta": {"offset": 0, "limit": 25, "totalCount": 0}}', sent="half"),
        Reply(200, b"", sent="nothing"),
        Reply(200, b"no such thing", headers={"Content-Encoding": "gzip"}),
    ],
    ids=["html", "cut", "no list", "no meta", "broken off", "closed", "broken gzip"],
)
def test_a_broken_body_is_tried_again_and_then_given_up(simulator: Simulator, clock: HandClock, reply: Reply) -> None:
    """An answer that is no page is asked for again within the deadline, and then the source counts as unavailable."""
    broken = iter([reply])
    simulator.script = lambda _: next(broken, None)
    assert len(read(simulator, clock)) == 230
    simulator.script = lambda _: reply
    with pytest.raises(SourceUnavailable, match="correlation id"):
        read(simulator, clock)


def test_a_wait_that_is_asked_for_is_kept_or_ends_the_poll(simulator: Simulator, clock: HandClock) -> None:
    """A Retry-After beyond the deadline is not slept through: the next poll comes soon enough."""
    simulator.fail_next(429, times=2, headers={"Retry-After": "3600"})
    with pytest.raises(SourceUnavailable, match="429"):
        read(simulator, clock)
    assert simulator.counts[LIST, 429] == 1


@pytest.mark.parametrize("at_once", ["0", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_whoever_says_at_once_is_waited_for_all_the_same(
    simulator: Simulator, clock: HandClock, monkeypatch: pytest.MonkeyPatch, at_once: str
) -> None:
    """The growing waits hold also where each answer asks to be tried again now."""
    waits: list[bool | float] = []

    def note(client: EngageClient, error: Exception) -> bool | float:
        waits.append(again(client, error))
        return waits[-1]

    monkeypatch.setattr(EngageClient, "_again", note)
    simulator.fail_next(503, times=1, headers={"Retry-After": at_once})
    read(simulator, clock)
    assert waits == [True]


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (403, "engage:appointments:readOnly"),
        (404, "base_url and enterprise"),
        (405, "base_url"),
        (302, "a redirect, which is not followed"),
    ],
)
def test_a_refusal_names_its_likely_cause(simulator: Simulator, clock: HandClock, status: int, cause: str) -> None:
    """What will not pass is not tried again, and the message says what to look at, in the API's words and ours."""
    simulator.fail_next(status, headers={"Location": "http://127.0.0.1:9/"})
    with pytest.raises(SourceRefused) as refused:
        read(simulator, clock)
    said = str(refused.value)
    assert str(status) in said
    assert cause in said
    assert str(simulator.requests[0].correlation_id) in said
    assert len(simulator.requests) == 1


def test_the_apis_own_words_are_repeated(simulator: Simulator, clock: HandClock) -> None:
    """The message of the API's error document reaches the operator."""
    with pytest.raises(SourceRefused, match="the query was not understood") as refused:
        read(simulator, clock, filters={"status": ("NONSENSE",)})
    assert "QUERY_PARAMETER_INVALID" in str(refused.value)


def test_a_page_that_is_too_large_is_made_smaller_once(simulator: Simulator, clock: HandClock) -> None:
    """A size that the source refuses costs two requests, and from then on the next smaller one is asked for."""
    with client_on(simulator, clock, page_size=1001) as client:
        for _ in range(2):
            assert len(came(list(client.pages(OPEN, {})))) == 230
        assert client.page_size == 500
    # Once to find out, and once more to see whether it was something that passes.
    assert simulator.counts[LIST, 400] == 2


@pytest.mark.parametrize("refusals", [1, 2, 4])
def test_a_refusal_that_passes_makes_no_page_smaller(simulator: Simulator, clock: HandClock, refusals: int) -> None:
    """However many sizes were refused meanwhile: the one that was wanted is taken again."""
    with client_on(simulator, clock, page_size=1000) as client:
        simulator.fail_next(400, times=refusals)
        assert len(came(list(client.pages(OPEN, {})))) == 230
        assert client.page_size == 1000


def test_a_query_that_is_wrong_is_not_taken_for_a_large_page(simulator: Simulator, clock: HandClock) -> None:
    """Where no size helps, the first refusal is told and the size stays."""
    with client_on(simulator, clock, page_size=500) as client:
        with pytest.raises(SourceRefused, match="the query was not understood"):
            list(client.pages(OPEN, {"status": ("NONSENSE",)}))
        assert client.page_size == 500
    assert simulator.counts[LIST, 400] == 4


def test_an_answer_without_end_is_refused(
    simulator: Simulator, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer above the largest size is given up, and not asked for again in this poll."""
    monkeypatch.setattr(notifier.engage.client, "BODY_LIMIT", 10_000)
    with pytest.raises(SourceUnavailable, match="larger than"):
        read(simulator, clock)
    assert len(simulator.requests) == 1


def test_a_fixed_token_that_is_refused_is_not_asked_with_again(simulator: Simulator, clock: HandClock) -> None:
    """There is no other token to try, and the message says where to put one."""
    with client_on(simulator, clock) as client:
        simulator.rotate_token()
        with pytest.raises(SourceRefused, match=r"401.*token or \[oauth\]"):
            list(client.pages(OPEN, {}))
    assert simulator.counts[LIST, 401] == 1


def test_an_expired_token_is_renewed_once(simulator: Simulator, clock: HandClock) -> None:
    """A 401 in the middle of a list costs one new token, and every record still comes once."""
    post = post_form(simulator.token_url, timedelta(seconds=5))
    token = ClientCredentials(simulator.client_id, SecretStr(simulator.client_secret), None, post)
    with client_on(simulator, clock, token=token, page_size=10, concurrency=2) as client:
        pages = client.pages(OPEN, {})
        first = next(pages)
        simulator.expire_tokens()
        rest = list(pages)
    assert len(came([first, *rest])) == 230
    tokens = [request for request in simulator.requests if request.path.startswith("/realms/")]
    assert len(tokens) == 2


def test_a_wrong_client_secret_is_refused(simulator: Simulator, clock: HandClock) -> None:
    """Credentials that get no token name the part of the configuration, and not the secret."""
    post = post_form(simulator.token_url, timedelta(seconds=5))
    token = ClientCredentials(simulator.client_id, SecretStr("wrong-secret"), None, post)
    with (
        client_on(simulator, clock, token=token) as client,
        pytest.raises(SourceRefused, match="token URL answered 401") as refused,
    ):
        list(client.pages(OPEN, {}))
    assert "[oauth]" in str(refused.value)
    assert "wrong-secret" not in str(refused.value)


def test_nobody_there_is_unavailable(clock: HandClock) -> None:
    """A source that can't be reached is unavailable, not refused."""
    simulator = Simulator(clock=clock)
    with simulator:
        pass
    with client_on(simulator, clock) as client, pytest.raises(SourceUnavailable, match="no connection"):
        list(client.pages(OPEN, {}))


def test_a_page_tells_when_it_was_asked_for_and_served(simulator: Simulator) -> None:
    """Both clocks are on a page: ours from before the request, the source's from its Date header."""
    with client_on(simulator, lambda: NOW - timedelta(hours=1)) as client:
        look = next(client.pages(OPEN, {}))
    assert look.asked_at == NOW - timedelta(hours=1)
    assert look.served_at == NOW
