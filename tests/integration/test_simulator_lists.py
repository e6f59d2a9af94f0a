"""Where the documentation of lists is silent, the simulator can be told how to behave: order, page size, slips."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.exchange import SeenRequest
from notifier.engage.simulated.order import Order
from notifier.engage.simulated.page import Cap
from notifier.engage.simulated.slip import Slip, SlipKind
from notifier.engage.simulator import Simulator
from tests.simulated import LIST, NOW, HandClock, client_of, error, ids


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(clock=HandClock()) as simulator:
        yield simulator


@pytest.fixture
def client(simulator: Simulator) -> Iterator[httpx.Client]:
    with client_of(simulator, simulator.token) as client:
        yield client


def pages(client: httpx.Client, size: int, offsets: range) -> list[str]:
    """The ids on some pages, one page after another."""
    return [one for offset in offsets for one in ids(client.get(LIST, params={"offset": offset, "limit": size}))]


@pytest.mark.parametrize("order", ["insertion", "start", "updated", "id"])
def test_pages_cover_a_list_in_any_settled_order(simulator: Simulator, client: httpx.Client, order: Order) -> None:
    """As long as nothing changes, the pages bring every row once."""
    expected = simulator.enterprise.fill(60, 1, NOW)
    simulator.order = order
    got = pages(client, 20, range(0, 60, 20))
    assert sorted(got) == sorted(expected)
    assert (got == list(expected)) == (order in {"insertion", "id"})


def test_a_list_can_come_by_start(simulator: Simulator, client: httpx.Client) -> None:
    """The earliest start comes first, the older of two with one start before the other, the undated last."""
    undated = simulator.enterprise.invite(NOW, Booking())
    late, early, also_early = (
        simulator.enterprise.create(NOW, Booking(start=NOW + timedelta(hours=hours))) for hours in (9, 1, 1)
    )
    simulator.order = "start"
    assert ids(client.get(LIST)) == [early, also_early, late, undated]


def test_a_list_can_come_by_update(simulator: Simulator, client: httpx.Client) -> None:
    """Every change jumps to the front, even within one millisecond; what has no time of its update comes last."""
    simulator.enterprise.put({"id": "odd", "updatedAt": "lately"})
    one, two, three = (simulator.enterprise.create(NOW, Booking(start=NOW)) for _ in range(3))
    simulator.order = "updated"
    assert ids(client.get(LIST)) == [three, two, one, "odd"]
    simulator.enterprise.cancel(one, NOW)
    simulator.enterprise.complete(two, NOW + timedelta(minutes=1))
    assert ids(client.get(LIST)) == [two, one, three, "odd"]


def test_a_list_can_come_by_id(simulator: Simulator, client: httpx.Client) -> None:
    """Ids compare as the text that they are."""
    for one in ("9", "10", "a"):
        simulator.enterprise.put({"id": one})
    simulator.order = "id"
    assert ids(client.get(LIST)) == ["10", "9", "a"]


def test_a_list_can_come_in_another_order_each_time() -> None:
    """An unstable list has all rows in an order that belongs to the seed and the number of the request."""

    def orders(seed: int) -> list[list[str]]:
        with (
            Simulator(clock=HandClock(), order="unstable", order_seed=seed) as simulator,
            client_of(simulator, simulator.token) as client,
        ):
            expected = simulator.enterprise.fill(25, 1, NOW)
            got = [ids(client.get(LIST)) for _ in range(3)]
            assert all(sorted(one) == sorted(expected) for one in got)
            return got

    first = orders(1)
    assert len({tuple(one) for one in first}) == 3
    assert orders(1) == first
    assert orders(2) != first


def test_a_limit_above_the_cap_can_be_refused(simulator: Simulator, client: httpx.Client) -> None:
    """Above the cap there is 400; the cap itself, and a request that gives no limit, are answered."""
    simulator.enterprise.fill(30, 1, NOW)
    simulator.page_cap = 10
    above = client.get(LIST, params={"limit": 11})
    assert (above.status_code, error(above)["code"]) == (400, "QUERY_PARAMETER_INVALID")
    assert "10" in error(above)["message"]
    for query in ({"limit": 10}, {}):
        reply = client.get(LIST, params=query)
        assert (len(ids(reply)), reply.json()["meta"]["limit"]) == (10, 10)


@pytest.mark.parametrize(("cap", "told"), [("clamp", 10), ("silent", 100)])
def test_a_limit_above_the_cap_can_bring_fewer_rows(
    simulator: Simulator, client: httpx.Client, cap: Cap, told: int
) -> None:
    """A page is cut to the cap, and its meta says so or repeats what was asked for; below the cap nothing differs."""
    expected = list(simulator.enterprise.fill(30, 1, NOW))
    simulator.page_cap, simulator.cap = 10, cap
    reply = client.get(LIST, params={"limit": 100, "offset": 5})
    assert ids(reply) == expected[5:15]
    assert reply.json()["meta"] == {"offset": 5, "limit": told, "totalCount": 30}
    assert client.get(LIST, params={"limit": 9}).json()["meta"]["limit"] == 9


def test_a_cap_leaves_room_for_a_row() -> None:
    """A page without rows would never end a list."""
    with pytest.raises(ValueError, match="at least one"):
        Simulator(clock=HandClock(), page_cap=0)


SLIPPING = [
    *((kind, "insertion") for kind in SlipKind if kind is not SlipKind.LIFE),
    *((kind, "start") for kind in SlipKind if kind not in {SlipKind.LIFE, SlipKind.REORDER}),
    (SlipKind.MOVE_FRONT, "updated"),
    (SlipKind.INSERT, "updated"),
    (SlipKind.REMOVE, "updated"),
    (SlipKind.REMOVE, "id"),
]


@pytest.mark.parametrize(("kind", "order"), SLIPPING)
def test_rows_slip_between_two_pages(simulator: Simulator, client: httpx.Client, kind: SlipKind, order: Order) -> None:
    """What happens before the second page makes a row come twice, or not at all, in the order of the list."""
    simulator.enterprise.fill(40, 1, NOW)
    simulator.order = order
    expected = ids(client.get(LIST, params={"limit": 40}))
    simulator.slip = Slip(share=1, kinds=(kind,))
    seen = Counter(ids(client.get(LIST, params={"limit": 20})))
    seen.update(ids(client.get(LIST, params={"limit": 60, "offset": 20})))
    twice = {one for one, times in seen.items() if times > 1}
    missed = {row.id for row in simulator.enterprise.rows()} & set(expected) - set(seen)
    assert bool(twice) == (kind is not SlipKind.REMOVE)
    assert bool(missed) == (kind is not SlipKind.INSERT)
    assert simulator.slipped == {kind: 1}


def test_a_list_can_slip_though_nobody_changes_anything(simulator: Simulator, client: httpx.Client) -> None:
    """A row may take another place between two pages, and be what it was."""
    simulator.enterprise.fill(40, 1, NOW)
    before = {row.id: row.body for row in simulator.enterprise.rows()}
    simulator.slip = Slip(share=1, kinds=(SlipKind.REORDER,))
    pages(client, 10, range(0, 40, 10))
    rows = simulator.enterprise.rows()
    assert {row.id: row.body for row in rows} == before
    assert [row.id for row in rows] != list(before)


def test_a_slip_keeps_within_the_list(simulator: Simulator, client: httpx.Client) -> None:
    """A new appointment is found by the filters that found the others, dated or not."""
    simulator.enterprise.fill(200, 1, NOW)
    simulator.slip = Slip(share=1, kinds=(SlipKind.INSERT,))
    for query in ({"status[]": "OUTGOING_INVITE"}, {"status[]": "INCOMING_REQUEST", "from": "2026-11-24T09:00:00Z"}):
        counts = [
            client.get(LIST, params={**query, "offset": offset, "limit": 2}).json()["meta"]["totalCount"]
            for offset in (0, 2, 4)
        ]
        assert counts == [counts[0], counts[0] + 1, counts[0] + 2]


def test_a_life_can_go_on_between_pages(simulator: Simulator, client: httpx.Client) -> None:
    """With a life as the slip, one thing happens to one appointment before each page with an offset."""
    simulator.enterprise.fill(40, 1, NOW)
    simulator.slip = Slip(share=1, kinds=(SlipKind.LIFE,))
    before = {row.id: row for row in simulator.enterprise.rows()}
    pages(client, 10, range(0, 40, 10))
    changed = [row for row in simulator.enterprise.rows() if before.get(row.id) is not row]
    assert (simulator.slipped, len(changed)) == ({SlipKind.LIFE: 3}, 3)


def test_slips_are_repeatable() -> None:
    """The same seed and requests give the same slips and pages, another seed gives others, about as many as told."""

    def read(seed: int) -> tuple[list[str], Counter[SlipKind]]:
        with (
            Simulator(clock=HandClock(), slip=Slip(0.5, seed)) as simulator,
            client_of(simulator, simulator.token) as client,
        ):
            simulator.enterprise.fill(100, 1, NOW)
            return pages(client, 1, range(100)), simulator.slipped

    first = read(1)
    assert read(1) == first
    assert read(2) != first
    assert set(first[1]) == set(SlipKind)
    assert 35 < first[1].total() < 65


def test_nothing_slips_before_a_first_page_or_unasked(simulator: Simulator, client: httpx.Client) -> None:
    """By default nothing happens by itself; with slips a first page, and an empty list, stay as they are."""
    pages(client, 10, range(0, 40, 10))
    simulator.slip = Slip(share=1)
    pages(client, 10, range(0, 40, 10))
    expected = list(simulator.enterprise.fill(10, 1, NOW))
    assert ids(client.get(LIST)) == expected
    simulator.slip = Slip(share=1, kinds=(SlipKind.MOVE_BACK, SlipKind.MOVE_FRONT, SlipKind.REORDER))
    assert ids(client.get(LIST, params={"offset": 10})) == []  # nothing to come
    assert not simulator.slipped


def test_a_share_is_a_share() -> None:
    """Slips cannot come more often than always."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        Slip(share=1.5)


def test_a_script_makes_a_row_slip(simulator: Simulator, client: httpx.Client) -> None:
    """A script may change the enterprise before the page that it is asked about."""
    first, *others = simulator.enterprise.fill(40, 1, NOW)

    def erase(request: SeenRequest) -> None:
        if ("offset", "20") in request.parameters:
            simulator.enterprise.remove(first)

    simulator.script = erase
    assert pages(client, 20, range(0, 40, 20)) == [first, *others[:19], *others[20:]]
