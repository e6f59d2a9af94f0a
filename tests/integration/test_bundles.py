"""From the change to the channel: what groups, digests and throttles make of several changes, and what is on record."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from notifier.core.bundle import Digest, Group, Throttle
from notifier.core.delivery import Reason, State
from notifier.core.digest import DOCUMENT_LIMIT, TYPE
from notifier.core.hours import Calendar, Hours
from notifier.engage.simulated.enterprise import Enterprise
from notifier.inquiry import Story
from notifier.store import history, letters, silences
from notifier.store.history import DeliveryRecord
from notifier.store.letters import Selection
from notifier.views import show_deliveries, show_story
from tests.builders import HOUR, MINUTE, rule
from tests.fake_mailbox import mail_url, mailbox
from tests.fake_receiver import Reply
from tests.operator_world import World, documents, open_world
from tests.simulated import HandClock

BRUSSELS = ZoneInfo("Europe/Brussels")
GROUP = Group(wait=5 * MINUTE)
THROTTLE = Throttle(most=2, per=10 * MINUTE)
#: The world begins on a Tuesday at 10:00 in Brussels.
NOON = datetime(2026, 11, 24, 11, tzinfo=UTC)
DIGEST = Digest(at=(time(12), time(16)), zone=BRUSSELS)


@pytest.fixture
def world(tmp_path: Path, clock: HandClock) -> Iterator[World]:
    with open_world(tmp_path, clock) as opened:
        yield opened


@pytest.fixture
def life(world: World) -> Enterprise:
    return world.engage.enterprise


def cancel(world: World, *numbers: int) -> list[str]:
    """Cancels some appointments, and returns their ids."""
    rows = [world.engage.enterprise.rows()[number] for number in numbers]
    for row in rows:
        world.engage.enterprise.cancel(row.id, world.clock.now)
    return [row.id for row in rows]


def told(world: World) -> list[list[str]]:
    """Returns the appointments that each document told of."""
    return [
        [item["subject"] for item in one["data"]["items"]] if one["type"] == TYPE else [one["subject"]]
        for one in documents(world.users)
    ]


def on_record(world: World) -> list[DeliveryRecord]:
    with world.store() as store, store.reading() as tx:
        return list(reversed(history.deliveries(tx, 1000)))


# Groups


def test_a_group_is_one_message(world: World) -> None:
    """What comes within the time is told together when it is over, counted from the first; later ones begin anew."""
    world.rules = [rule(name="all", channels=("users",), group=GROUP)]
    first = cancel(world, 0, 1)
    world.round()
    second = cancel(world, 2)
    world.round(4)
    assert told(world) == []
    world.round()
    assert told(world) == [first + second]
    third = cancel(world, 3)
    world.round(4)
    assert len(told(world)) == 1
    world.round(5)
    # Alone in its group, it is told like any other.
    assert told(world) == [first + second, third]
    assert [one["type"] for one in documents(world.users)] == [TYPE, "notifier.appointment.status_changed"]


def test_the_document_of_a_bundle(world: World) -> None:
    """It counts, says what they have in common, and holds what each would have been by itself, in its order."""
    world.rules = [rule(name="all", channels=("users",), group=Group(wait=MINUTE, by=("source", "status")))]
    ids = cancel(world, 1, 0)
    world.round()
    world.round()
    (request,) = world.users.requests
    document = json.loads(request.body)
    leader = on_record(world)[0]
    assert document["id"] == request.headers["webhook-id"] == leader.delivery.id
    assert (document["specversion"], document["type"], document["source"]) == ("1.0", TYPE, "/sources/acme")
    data = document["data"]
    items = data.pop("items")
    assert data == {
        "rule": "all",
        "by": {"source": "acme", "status": "CANCELLED"},
        "count": 2,
        "kinds": {"status_changed": 2},
    }
    assert sorted(item["subject"] for item in items) == sorted(ids)
    assert [item["type"] for item in items] == ["notifier.appointment.status_changed"] * 2
    assert [item["id"] for item in items] == [one.delivery.event_id for one in on_record(world)]


def test_each_value_has_a_group_of_its_own(world: World, life: Enterprise) -> None:
    """What has nothing in common is not told together."""
    world.rules = [rule(name="all", channels=("users",), group=Group(wait=MINUTE, by=("office",)))]
    ids = cancel(world, *range(12))
    world.round()
    world.round()
    offices = {row.id: row.office for row in life.rows()}
    groups = told(world)
    assert sorted(id_ for group in groups for id_ in group) == sorted(ids)
    assert len(groups) == len({offices[id_] for id_ in ids})
    assert all(len({offices[id_] for id_ in group}) == 1 for group in groups)


def test_a_group_tells_no_more_than_it_may(world: World) -> None:
    """The rest is for the next message, which follows."""
    world.rules = [rule(name="all", channels=("users",), group=Group(wait=MINUTE, most=3))]
    ids = cancel(world, *range(7))
    world.round()
    world.round()
    assert [len(one) for one in told(world)] == [3, 3, 1]
    assert sorted(id_ for one in told(world) for id_ in one) == sorted(ids)


def test_changes_of_one_appointment_are_one_line(world: World, life: Enterprise) -> None:
    """What changed twice is told once, what was undone not at all; a bundle with nothing left is not sent."""
    world.rules = [rule(name="all", channels=("users",), group=GROUP)]
    (twice,) = cancel(world, 0)
    undone, other = (row.id for row in life.rows()[1:3])
    life.no_show(undone, world.clock.now)
    world.round()
    life.no_show(twice, world.clock.now)
    life.accept(undone, world.clock.now)
    world.round()
    world.round(5)
    (document,) = documents(world.users)
    assert (document["subject"], document["data"]["changes"][0]["after"]) == (twice, "NO_SHOW")
    life.no_show(other, world.clock.now)
    world.round()
    life.accept(other, world.clock.now)
    world.round(5)
    assert len(documents(world.users)) == 1
    assert {one.state for one in on_record(world)} == {State.DELIVERED, State.SUPERSEDED}


# Digests


def test_a_digest_is_told_at_its_times(world: World) -> None:
    """All that came since the last one, one alone as well; what comes at the time is for the next."""
    world.rules = [rule(name="all", channels=("users",), digest=DIGEST)]
    first = cancel(world, 0)
    world.round()
    first += cancel(world, 1)
    world.clock.now = NOON - MINUTE
    world.round(0)
    assert told(world) == []
    world.round()
    assert told(world) == [first]
    second = cancel(world, 2)
    world.round()
    world.round(3 * 60)
    assert len(told(world)) == 1
    world.round(60)
    assert told(world) == [first, second]
    assert [one["type"] for one in documents(world.users)] == [TYPE, TYPE]
    stories = [one.delivery.story for one in on_record(world)]
    assert stories[0] == (("digest", "told at 2026-11-24 12:00 Europe/Brussels, with others"),)


def test_a_late_digest_leaves_what_is_for_the_next(world: World) -> None:
    """What came after its time is not in it, though it is known when it goes out."""
    world.rules = [rule(name="all", channels=("users",), digest=DIGEST)]
    first = cancel(world, 0)
    world.round()
    world.clock.now = NOON + MINUTE
    late = cancel(world, 1)
    world.round()
    assert told(world) == [first]
    world.round(4 * 60)
    assert told(world) == [first, late]


def test_a_digest_keeps_the_hours_of_its_rule(world: World) -> None:
    """What is due outside them waits for them."""
    afternoon = Hours(Calendar(name="late", zone=BRUSSELS, opens=time(13), closes=time(17)))
    world.rules = [rule(name="all", channels=("users",), digest=DIGEST, hours=afternoon)]
    ids = cancel(world, 0, 1)
    world.round()
    world.clock.now = NOON
    world.round(59)
    assert told(world) == []
    world.round()
    assert told(world) == [ids]


def test_other_rules_pass_a_digest(world: World) -> None:
    """What a rule without one tells of the same appointment does not wait for it."""
    world.rules = [
        rule(name="calm", channels=("users",), digest=DIGEST),
        rule(name="now", channels=("users",)),
    ]
    ids = cancel(world, 0)
    world.round()
    assert [one["data"]["rule"] for one in documents(world.users)] == ["now"]
    world.clock.now = NOON
    world.round(0)
    assert told(world) == [ids, ids]


def test_a_silence_takes_its_own_from_a_bundle(world: World) -> None:
    """The others are told without it."""
    world.rules = [rule(name="all", channels=("users",), digest=DIGEST)]
    swallowed, *others = cancel(world, 0, 1, 2)
    world.round()
    with world.store() as store, store.writing() as tx:
        now = world.clock.now
        where = {"appointment": [swallowed]}
        silences.add(tx, rules=(), where=where, author="ana", why="move", until=now + 5 * HOUR, now=now)
    world.clock.now = NOON
    world.round(0)
    assert told(world) == [others]
    assert {one.state for one in on_record(world)} == {State.SILENCED, State.DELIVERED}


# Throttles


def test_what_is_over_becomes_one_message(world: World) -> None:
    """So many go out one by one; the others are told together as soon as one more may."""
    world.rules = [rule(name="all", channels=("users",), throttle=THROTTLE)]
    ids = cancel(world, *range(6))
    world.round()
    assert told(world) == [[id_] for id_ in by_turn(world)[:2]]
    late = cancel(world, 6)
    world.round(5)
    assert len(told(world)) == 2
    world.round(5)
    assert [len(one) for one in told(world)] == [1, 1, 5]
    assert sorted(id_ for one in told(world) for id_ in one) == sorted(ids + late)
    cancel(world, 7, 8)
    world.round()
    # One that was over, and one of these: two in ten minutes.
    assert [len(one) for one in told(world)] == [1, 1, 5, 1]
    world.round(10)
    assert [len(one) for one in told(world)] == [1, 1, 5, 1, 1]
    over = on_record(world)[3].delivery.story
    assert over == (("throttle", "2 messages went out within 10m; it waits, to be told with what else does"),)


def by_turn(world: World) -> list[str]:
    """Returns the appointments in the order of their deliveries."""
    return [one.delivery.order_key.removeprefix("acme/") for one in on_record(world)]


def test_a_throttle_counts_groups(world: World) -> None:
    """What it puts off gathers more meanwhile."""
    world.rules = [rule(name="all", channels=("users",), group=Group(MINUTE), throttle=Throttle(1, 10 * MINUTE))]
    for number in range(0, 8, 2):
        cancel(world, number, number + 1)
        world.round()
        world.round()
    assert [len(one) for one in told(world)] == [2]
    world.round(5)
    assert [len(one) for one in told(world)] == [2, 6]


# Failures


def test_a_bundle_fails_and_is_told_as_one(world: World) -> None:
    """It is tried again with the same members under the same id; what came meanwhile is for the next."""
    world.rules = [rule(name="all", channels=("users",), group=Group(MINUTE))]
    world.users.reply_with(Reply(503), Reply(200))
    ids = cancel(world, 0, 1)
    world.round()
    world.round()
    assert [one.state for one in on_record(world)] == [State.PENDING] * 2
    assert [one.attempts for one in on_record(world)] == [1, 1]
    late = cancel(world, 2)
    world.round()
    world.round()
    first, second, third = world.users.requests
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] != third.headers["webhook-id"]
    assert told(world) == [ids, ids, late]
    assert {one.state for one in on_record(world)} == {State.DELIVERED}


def test_a_dead_bundle_is_decided_about_as_one(world: World) -> None:
    """Whichever of its deliveries a person names, all of them are sent again."""
    world.rules = [rule(name="all", channels=("users",), group=Group(MINUTE))]
    world.users.reply_with(Reply(400), Reply(200))
    ids = cancel(world, 0, 1)
    world.round()
    world.round()
    dead = on_record(world)
    assert [(one.state, one.reason) for one in dead] == [(State.DEAD, Reason.REJECTED)] * 2
    with world.store() as store, store.writing() as tx:
        found = letters.find(tx, Selection(ids=(dead[1].delivery.id,)))
        letters.retry(tx, found, world.clock.now)
    assert [one.id for one in found] == [one.delivery.id for one in dead]
    world.round()
    assert told(world) == [ids, ids]
    assert {one.state for one in on_record(world)} == {State.DELIVERED}


def test_what_is_too_much_for_a_document_is_for_the_next(world: World) -> None:
    """Machines are told everything, in documents that every receiver takes."""
    world.rules = [rule(name="all", channels=("users",), digest=DIGEST)]
    ids: list[str] = []
    for begin in range(0, 40, 10):
        ids += cancel(world, *range(begin, begin + 10))
        world.round()
    world.clock.now = NOON
    world.round(0)
    assert len(world.users.requests) > 1
    assert all(len(request.body) <= DOCUMENT_LIMIT + 2000 for request in world.users.requests)
    assert sorted(id_ for one in told(world) for id_ in one) == sorted(ids)
    assert len({request.headers["webhook-id"] for request in world.users.requests}) == len(world.users.requests)


# For people


def test_a_mail_has_a_table(world: World) -> None:
    """The subject has the numbers, the mail a row for each change, the earliest start first."""
    world.rules = [rule(name="all", channels=("users",), digest=DIGEST)]
    with mailbox() as (box, server):
        world.users_url = mail_url(server)
        ids = cancel(world, 4, 2)
        world.round()
        world.clock.now = NOON
        world.round(0)
    (mail,) = box.mails
    assert mail["Subject"] == "2 changes: 2 cancelled"
    _, html = (str(part.get_content()) for part in mail.iter_parts())
    starts = {row.id: row.start for row in world.engage.enterprise.rows()}
    assert html.count("<tr>") == 3
    first, second = sorted(ids, key=lambda id_: (starts[id_], id_))
    assert html.index(f"<td>{first}</td>") < html.index(f"<td>{second}</td>")


# On record


def test_people_see_which_are_one_message(world: World) -> None:
    """The listing and the story name the delivery that leads, and every one has the attempts of its message."""
    world.rules = [rule(name="all", channels=("users",), group=Group(MINUTE))]
    cancel(world, 0, 1, 2)
    world.round()
    waiting = on_record(world)
    assert "group" in show_deliveries(waiting, BRUSSELS)
    world.round()
    leader, *members = on_record(world)
    assert {one.bundled_in for one in (leader, *members)} == {leader.delivery.id}
    assert {one.told_with for one in (leader, *members)} == {3}
    assert show_deliveries([leader, *members], BRUSSELS).count(f"with {leader.delivery.id[:10]}") == 2
    with world.store() as store, store.reading() as tx:
        tries = tuple(history.attempts(tx, members[0].seq))
        record = history.event(tx, members[0].delivery.event_id)
    assert [one.reason for one in tries] == [Reason.OK]
    shown = " ".join(show_story(Story(record, ((members[0], tries),)), BRUSSELS).split())
    assert "group: waits 1m for others" in shown
    assert f"told in one message with 2 others, that of delivery {leader.delivery.id[:10]}" in shown


def test_a_rule_that_changes_leaves_what_waits_together(world: World) -> None:
    """It is told as one message at its time, also by a rule that gathers nothing any more, or is gone."""
    world.rules = [rule(name="all", channels=("users",), digest=DIGEST)]
    ids = cancel(world, 0, 1)
    world.round()
    changed: list[Any] = [[rule(name="all", channels=("users",))], []]
    world.rules = changed[0]
    world.round()
    assert told(world) == []
    world.rules = changed[1]
    world.clock.now = NOON
    world.round(0)
    assert told(world) == [ids]


def test_a_long_wait_is_no_reason_to_give_up(world: World) -> None:
    """The time for which a message is tried begins when it is due."""
    long = Digest(at=((world.clock.now + timedelta(hours=23)).astimezone(BRUSSELS).time(),), zone=BRUSSELS)
    world.rules = [rule(name="all", channels=("users",), digest=long)]
    world.users.reply_with(Reply(503), Reply(200))
    cancel(world, 0)
    world.round(0)
    world.round(23 * 60)
    assert [one.state for one in on_record(world)] == [State.PENDING]
    world.round()
    assert [one.state for one in on_record(world)] == [State.DELIVERED]
