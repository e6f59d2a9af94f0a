"""What one message tells of several changes: to people as a table, to machines as documents."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from notifier.core.bundle import Group, bundle_of
from notifier.core.digest import COLUMNS, MAIL_LIMIT, Gathered, digest, digest_document, gathered
from notifier.core.directory import Directory, Entry
from notifier.core.document import document, document_size, say_instant
from notifier.core.escape import Target
from notifier.core.event import Event
from notifier.core.grant import USUAL, Grant, grant_of, mask
from notifier.core.message import BODY_LIMIT, TITLE_LIMIT
from notifier.core.readers import Readers
from tests.builders import DAY, HOUR, MINUTE, START, appointment, event, undated

BRUSSELS = ZoneInfo("Europe/Brussels")
MOVED = event(appointment(id="1702"), start=START + DAY)
GONE = event(appointment(id="1703", start=START - HOUR))
MISSED = event(appointment(id="1704"), status="NO_SHOW")


def told(*events: Event, by: tuple[str, ...] = (), grant: Grant = USUAL) -> Gathered:
    bundle = bundle_of("late", events[0], Group(MINUTE, by), None, None)
    assert bundle is not None
    return gathered(bundle, [mask(one, grant) for one in events], grant)


def test_a_table_of_lines() -> None:
    """The title counts, what happened most first; the table begins with the earliest start."""
    message = digest(told(MOVED, GONE, MISSED, by=("office",)), Readers(BRUSSELS), Target.TEXT)
    assert message.title == "3 changes, office 12: 1 moved, 1 cancelled, 1 no-show"
    assert message.body == (
        "When              Appointment  What                         Status\n"
        "Tue 24 Nov 09:00  1703         Cancelled                    cancelled\n"
        "Tue 24 Nov 10:00  1704         No-show                      no-show\n"
        "Wed 25 Nov 10:00  1702         Moved, was Tue 24 Nov 10:00  confirmed"
    )


def test_offices_that_differ_have_a_column() -> None:
    """Where they are not what the changes have in common."""
    message = digest(told(GONE, event(appointment(id="1705", office="13"))), Readers(BRUSSELS), Target.TEXT)
    assert [line.split()[-1] for line in message.body.splitlines()] == ["Office", "12", "13"]


def test_names_in_place_of_ids() -> None:
    """What the directory knows goes by its name, and its times by its clock, which is named where it is another."""
    london = Entry("London Bridge", ZoneInfo("Europe/London"))
    directory = Directory({("office", "12"): london, ("office", "13"): Entry("Main Street")})
    message = digest(told(GONE, by=("office",)), Readers(BRUSSELS, directory), Target.TEXT)
    assert message.title == "1 change, London Bridge: 1 cancelled"
    assert message.body.splitlines()[1].startswith("Tue 24 Nov 08:00 Europe/London  1703")
    other = event(appointment(id="1705", office="13"))
    message = digest(told(GONE, other), Readers(BRUSSELS, directory), Target.TEXT)
    assert [line.rpartition("  ")[2] for line in message.body.splitlines()] == [
        "Office",
        "London Bridge",
        "Main Street",
    ]


def test_what_has_no_time_comes_last() -> None:
    """And says so."""
    message = digest(told(event(undated(id="1"), status="CANCELLED"), GONE), Readers(BRUSSELS), Target.TEXT)
    assert message.body.splitlines()[-1].startswith("no time set")


def test_a_table_of_html() -> None:
    """Each change is a row, and whatever stands in a cell is text."""
    hostile = event(appointment(id="<b>&x</b>"))
    message = digest(told(hostile, by=("office",)), Readers(BRUSSELS), Target.HTML)
    assert message.body.splitlines() == [
        '<table cellpadding="4">',
        "<tr>" + "".join(f'<th align="left">{header.title()}</th>' for header in COLUMNS[:4]) + "</tr>",
        "<tr><td>Tue 24 Nov 10:00</td><td>&lt;b&gt;&amp;x&lt;/b&gt;</td><td>Cancelled</td><td>cancelled</td></tr>",
        "</table>",
    ]


def test_a_chat_finds_no_marks() -> None:
    """A value is harmless in the title and in the table."""
    hostile = event(appointment(id="<!channel> *b*\n@all", office="<@U1>"))
    message = digest(told(hostile, by=("office",)), Readers(BRUSSELS), Target.CHAT)
    assert len(message.body.splitlines()) == 2
    for text in (message.title, message.body):
        assert not any(mark in text for mark in ("<!", "<@", "*", "@all"))


def test_each_source_has_its_own_names() -> None:
    """In the rows always, in the title where all of them are of one source."""
    directories = {
        "acme": Directory({("office", "12"): Entry("Centre")}),
        "other": Directory({("office", "12"): Entry("Main Street", ZoneInfo("Europe/London"))}),
    }
    readers = Readers(BRUSSELS, directories=directories)
    there = replace(event(appointment(id="1706", office="12", start=START)), source="other")
    assert "Centre" in digest(told(GONE, by=("office",)), readers, Target.TEXT).title
    assert "office 12" in digest(told(GONE, there, by=("office",)), readers, Target.TEXT).title
    body = digest(told(GONE, there), readers, Target.TEXT).body
    assert ["Centre" in body, "Main Street" in body, "Europe/London" in body] == [True, True, True]


@pytest.mark.parametrize(("target", "limit"), [(Target.TEXT, BODY_LIMIT), (Target.HTML, MAIL_LIMIT + 1000)])
def test_it_says_how_many_more(target: Target, limit: int) -> None:
    """A table that would be too long ends with a number, and the title counts them all."""
    events = [event(appointment(id=str(number))) for number in range(3000)]
    message = digest(told(*events), Readers(BRUSSELS), target)
    assert len(message.body) <= limit
    assert message.title == "3000 changes: 3000 cancelled"
    last = message.body.splitlines()[-1].removeprefix("<p>").removesuffix("</p>")
    shown = message.body.count("<tr>") - 1 if target is Target.HTML else len(message.body.splitlines()) - 2
    assert last == f"and {3000 - shown} more"
    assert shown > 30


def test_a_long_title_is_cut() -> None:
    """However many kinds of change there are."""
    events = [event(status=f"STATUS_{number}") for number in range(50)]
    assert len(digest(told(*events), Readers(BRUSSELS), Target.TEXT).title) == TITLE_LIMIT


def test_nothing_hidden_is_told() -> None:
    """What a channel may not see is in no column, no title, and does not set the order."""
    events = [event(appointment(id="2", start=START)), event(appointment(id="1", start=START - DAY))]
    grant = grant_of(["id"])
    message = digest(told(*events, by=("office",), grant=grant), Readers(BRUSSELS), Target.TEXT)
    assert message.title == "2 changes: 2 cancelled"
    assert message.body.splitlines() == [
        "Appointment  What       Status",
        "2            Cancelled  cancelled",
        "1            Cancelled  cancelled",
    ]
    assert digest_document(told(*events, by=("office",), grant=grant), "d")["data"]["by"] == {}  # type: ignore[index]


def test_a_document_for_machines() -> None:
    """Each change is the document that it would have been by itself."""
    about = told(MOVED, GONE, by=("office",))
    made: dict[str, Any] = orjson.loads(orjson.dumps(digest_document(about, "d1")))
    assert made["id"] == "d1"
    assert (made["specversion"], made["type"], made["source"]) == ("1.0", "notifier.digest", "/sources/acme")
    assert made["data"]["items"] == [orjson.loads(orjson.dumps(document(one, "late"))) for one in about.excerpts]
    assert (made["data"]["count"], made["data"]["by"]) == (2, {"office": "12"})
    assert made["data"]["kinds"] == {"rescheduled": 1, "status_changed": 1}
    assert document_size(document(about.excerpts[0], "late")) == len(orjson.dumps(document(about.excerpts[0], "late")))


def test_sources_may_differ() -> None:
    """Then the document is of all of them."""
    events = (MOVED, replace(event(appointment(id="9")), source="other"))
    assert digest_document(told(*events), "d1")["source"] == "/sources"


def test_a_document_is_of_when_the_last_was_noticed() -> None:
    """Whatever their order is."""
    later = replace(MOVED, detected_at=GONE.detected_at + MINUTE)
    for events in ((GONE, later), (later, GONE)):
        assert digest_document(told(*events), "d1")["time"] == say_instant(later.detected_at)


def test_a_table_stays_within_its_room() -> None:
    """With what is counted below it; it is whole where there is room for that too."""
    about, readers = told(MOVED, GONE, MISSED), Readers(BRUSSELS)
    whole = digest(about, readers, Target.TEXT).body
    for room in range(len(whole) // 2, len(whole) + 50):
        body = digest(about, readers, Target.TEXT, room).body
        assert len(body) <= room
        assert body == whole or room < len(whole) + 20
