"""What a source calls things: when it is asked, and what its answer means."""

import json
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from notifier.core.called import AGE, AT_ONCE, MISSING_AGE, NAMELESS, Answered, Called, Refusal, askings
from notifier.core.directory import Directory, Entry
from notifier.engage.names import LONGEST_NAME, names_in
from notifier.errors import SourceUnavailable
from tests.builders import NOW, SECOND

KEY = ("office", "12")
NAMED = Called("Antwerp")


def body(*records: object) -> bytes:
    return json.dumps({"data": records, "meta": {"offset": 0, "limit": 25, "totalCount": len(records)}}).encode()


@pytest.mark.parametrize(
    ("kind", "record", "called"),
    [
        ("office", {"name": "Antwerp"}, Called("Antwerp")),
        ("office", {"name": {"language": "en", "value": " Antwerp\n North "}}, Called("Antwerp North")),
        ("office", {"name": None, "timeZone": "Europe/London"}, Called("", "Europe/London")),
        ("office", {"name": "Antwerp", "timeZone": "Mars/Olympus"}, NAMED),
        ("office", {"name": "Antwerp", "timeZone": "../etc/passwd"}, NAMED),
        ("office", {"name": {"value": 5}, "timeZone": 5}, NAMELESS),
        ("office", {"name": None, "translations": {"name": [None, {"language": "nl", "value": "Antwerp"}]}}, NAMED),
        ("office", {"name": None, "translations": {"name": {"language": "nl", "value": "Antwerp"}}}, NAMED),
        ("office", {"name": "Antwerp", "translations": {"name": [{"value": "Anvers"}]}}, NAMED),
        ("office", {"name": None, "translations": [{"name": "Antwerp"}]}, NAMELESS),
        ("office", {"name": None, "translations": {"name": []}}, NAMELESS),
        ("office", {"name": ["Antwerp"]}, NAMELESS),
        (
            "subject",
            {"name": {"language": "nl", "value": "Hypotheek"}, "timeZone": "Europe/London"},
            Called("Hypotheek"),
        ),
        ("subject", {}, NAMELESS),
        ("employee", {"firstName": "Jan", "lastName": "Peeters"}, Called("Jan Peeters")),
        ("employee", {"firstName": None, "lastName": "Peeters"}, Called("Peeters")),
        ("employee", {"name": "Jan"}, NAMELESS),
        ("office", {"name": "x" * 500}, Called("x" * LONGEST_NAME)),
    ],
)
def test_a_name_in_any_shape(kind: str, record: dict[str, Any], called: Called) -> None:
    """What can't be read is as if it were not there."""
    assert names_in(kind, body({"id": 12} | record)) == {"12": called}


def test_records_that_are_none() -> None:
    """They are passed over, and the others read."""
    assert names_in("office", body(None, [], {"name": "x"}, {"id": None}, {"id": "1", "name": "y"})) == {
        "1": Called("y")
    }


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"data": {}}', b'{"errors": []}', b"\xff"])
def test_what_is_no_list(answer: bytes) -> None:
    """It may be one the next time."""
    with pytest.raises(SourceUnavailable):
        names_in("office", answer)


@pytest.mark.parametrize(
    ("called", "age", "asks"),
    [
        (NAMED, AGE - SECOND, False),
        (NAMED, AGE, True),
        (NAMELESS, MISSING_AGE - SECOND, False),
        (NAMELESS, MISSING_AGE, True),
        (NAMED, -SECOND, True),
    ],
)
def test_a_name_is_asked_for_again(called: Called, age: timedelta, asks: bool) -> None:
    """When it is old, sooner where there was none, and if the clock was wrong."""
    found = askings([KEY], {KEY: Answered(called, NOW - age)}, {}, NOW)
    assert found == ([("office", ("12",))] if asks else [])


def test_who_refused_is_left_alone_for_a_day() -> None:
    """For what was refused; the other kinds are asked for."""
    wanted = [KEY, ("subject", "51")]
    refused = {"office": Refusal(NOW - MISSING_AGE + SECOND, "no")}
    assert askings(wanted, {}, refused, NOW) == [("subject", ("51",))]
    assert len(askings(wanted, {}, refused, NOW + SECOND)) == 2


def test_few_do_not_wait_for_many() -> None:
    """What there are fewest of is asked for first: offices before the people who work there."""
    wanted = [*(("employee", str(number)) for number in range(60)), KEY, ("subject", "51"), ("subject", "52")]
    assert [kind for kind, _ in askings(wanted, {}, {}, NOW)] == ["office", "subject", *["employee"] * 3]


def test_many_are_asked_for_in_pages() -> None:
    """No more at once than a source gives on one page."""
    wanted = [("office", str(number)) for number in range(60)]
    found = askings(wanted, {}, {}, NOW)
    assert [len(batch) for _, batch in found] == [AT_ONCE, AT_ONCE, 10]
    assert {id_ for _, batch in found for id_ in batch} == {id_ for _, id_ in wanted}


def test_an_id_that_no_address_has_room_for_is_not_asked_for() -> None:
    """An API that refused the address would refuse all that is in it."""
    assert askings([KEY, ("office", "é" * 200), ("office", "x" * 2000)], {}, {}, NOW) == [("office", ("12",))]


def test_a_zone_that_is_not_known_here_is_none() -> None:
    """A store may have been written where more time zones are known; nothing may fail over it."""
    assert Directory().with_names({KEY: Called("Antwerp", "Mars/Olympus")}).entries == {KEY: Entry("Antwerp")}


def test_the_team_goes_before_the_source() -> None:
    """What its directory says holds; what that leaves out is as the source says."""
    london, paris = ZoneInfo("Europe/London"), ZoneInfo("Europe/Paris")
    own = Directory({KEY: Entry("Centre", None, ("team",)), ("office", "13"): Entry(zone=london)})
    said = {KEY: Called("Antwerp", "Europe/Paris"), ("office", "13"): Called("Ghent", "Europe/Paris")}
    assert own.with_names(said | {("employee", "301"): Called("Jan")}).entries == {
        KEY: Entry("Centre", paris, ("team",)),
        ("office", "13"): Entry("Ghent", london),
        ("employee", "301"): Entry("Jan"),
    }
