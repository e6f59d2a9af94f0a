"""Where an event goes and when: recipients, silences, hours."""

from dataclasses import replace
from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest

from notifier.core.delivery import Delivery, Reason, delivery_id
from notifier.core.directory import Directory, Entry
from notifier.core.event import Event
from notifier.core.hours import Calendar, Hours, Outside
from notifier.core.recipients import Recipients
from notifier.core.route import Context, route
from notifier.core.rule import Rule
from notifier.core.silence import Silence
from notifier.core.walk import walk
from tests.builders import DAY, HOUR, NOW, event, rule

BRUSSELS = ZoneInfo("Europe/Brussels")
#: It is Tuesday, 08:00 in Brussels.
DAYTIME = Calendar(name="team", zone=BRUSSELS, opens=time(9), closes=time(17))
WITHIN = ("hours", "within mon-fri 09:00-17:00 Europe/Brussels (calendar team)")
WAITS = ("hours", "outside mon-fri 09:00-17:00 Europe/Brussels (calendar team); waits until 2026-11-24 09:00")
MOVE = Silence(id=3, where=(("office", ("12",)),), author="ana", why="move", began_at=NOW - DAY, until=NOW + DAY)


OFFICES = Directory({("office", "12"): Entry(zone=ZoneInfo("Asia/Kathmandu"))})


def routed(*rules: Rule, about: Event | None = None, context: Context | None = None) -> list[Delivery]:
    """Returns where the event goes by these rules."""
    about = about or event()
    by_name = {one.name: one for one in rules}
    return list(route(by_name, about, walk(rules, about), context or Context(now=NOW)))


def test_each_rule_and_channel_once() -> None:
    """In the order of the rules, at once, under ids that stay the same."""
    found = routed(rule(name="one", channels=("a", "b")), rule(name="two", channels=("a",)))
    assert [(one.rule, one.channel, one.due_at, one.not_before) for one in found] == [
        ("one", "a", NOW, None),
        ("one", "b", NOW, None),
        ("two", "a", NOW, None),
    ]
    assert found[0].id == delivery_id(event().id, "one", "a")
    assert {one.silenced for one in found} == {None}
    assert {one.story for one in found} == {()}


def test_it_waits_for_the_hours_of_its_rule() -> None:
    """It is due when they begin, and says so; within them it is due at once."""
    hours = Hours(DAYTIME)
    (held,) = routed(rule(hours=hours))
    assert (held.due_at, held.not_before, held.silenced, held.story) == (NOW + HOUR, NOW + HOUR, None, (WAITS,))
    (told,) = routed(rule(hours=hours), context=Context(now=NOW + HOUR))
    assert (told.due_at, told.not_before, told.story) == (NOW + HOUR, None, (WITHIN,))


def test_what_is_urgent_does_not_wait() -> None:
    """It says that it would have."""
    (told,) = routed(rule(hours=Hours(DAYTIME), urgent=True))
    assert (told.due_at, told.not_before) == (NOW, None)
    assert told.story == (("hours", "outside mon-fri 09:00-17:00 Europe/Brussels (calendar team), and urgent"),)


def test_outside_hours_nobody_may_be_told() -> None:
    """Then it is silenced at once, on record, with the reason."""
    (told,) = routed(rule(hours=Hours(DAYTIME, Outside.SILENCE)))
    assert (told.silenced, told.silence, told.not_before) == (Reason.HOURS, None, None)
    assert told.story[0][1].endswith("nobody is told")


def test_the_zone_of_the_office() -> None:
    """Where the calendar goes by it and the directory knows it; else that of the calendar."""
    calendar = replace(DAYTIME, zone_of_office=True)
    context = Context(now=NOW, recipients=Recipients(frozenset(), OFFICES))
    (known,) = routed(rule(hours=Hours(calendar)), context=context)
    assert known.story == (("hours", "within mon-fri 09:00-17:00 Asia/Kathmandu (calendar team)"),)
    for about in (event(office="13"), event(office=None)):
        (unknown,) = routed(rule(hours=Hours(calendar)), about=about, context=context)
        assert unknown.story == (WAITS,)
    (own,) = routed(rule(hours=Hours(DAYTIME)), context=context)
    assert own.story == (WAITS,)


@pytest.mark.parametrize("urgent", [False, True])
def test_a_silence_comes_before_hours(urgent: bool) -> None:
    """It swallows what would wait, and what is urgent; its number and its reason are in the story."""
    found = routed(rule(hours=Hours(DAYTIME), urgent=urgent), context=Context(now=NOW, silences=(MOVE,)))
    assert [(one.silenced, one.silence, one.not_before, one.due_at) for one in found] == [
        (Reason.SILENCE, 3, None, NOW)
    ]
    assert found[0].story == (("silence", "silence 3 of ana swallowed it: office 12 (move)"),)


def test_a_silence_is_about_what_it_says() -> None:
    """Others are told, and it ends by itself."""
    context = Context(now=NOW, silences=(MOVE,))
    assert [one.silenced for one in routed(rule(), about=event(office="13"), context=context)] == [None]
    over = replace(context, now=MOVE.until)
    assert [one.silenced for one in routed(rule(), context=over)] == [None]
    assert [one.silenced for one in routed(rule(), context=replace(over, now=MOVE.until - timedelta(seconds=1)))] == [
        Reason.SILENCE
    ]


def test_how_it_came_to_its_channel_is_told_first() -> None:
    """The story has the steps in their order."""
    found = routed(
        rule(channels=("office-{office}",), otherwise="desk", hours=Hours(DAYTIME)),
        context=Context(now=NOW, recipients=Recipients(frozenset({"office-12"}))),
    )
    assert [(one.channel, one.story) for one in found] == [("office-12", (("channel", "from office-{office}"), WAITS))]
