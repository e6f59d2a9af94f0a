"""What the operator reads, and what programs get."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from notifier.core.escape import Target
from notifier.core.message import BODY_LIMIT, TITLE_LIMIT
from notifier.core.notice import _WORDS, Notice, document_of, headline, message_of, notice_of
from notifier.core.trouble import Edge, OpenTrouble, TroubleKind
from tests.builders import MINUTE, NOW

ZONE = ZoneInfo("Europe/Brussels")
DOWN = OpenTrouble(
    name="source acme",
    kind=TroubleKind.UNAVAILABLE,
    text="no answer within 30 s",
    began_at=NOW - 7 * MINUTE,
    told_at=NOW,
)


def notice(trouble: OpenTrouble = DOWN, edge: Edge = Edge.BEGAN, **changes: Any) -> Notice:
    return replace(notice_of(trouble, edge, "ops", ZONE, NOW), **changes)


def test_the_begin_says_what_since_when_and_what_to_do() -> None:
    """The title is enough to see what is wrong; the body has cause, meaning and remedy."""
    told = notice()
    assert told.title == "notifier: source acme does not answer, since Tue 24 Nov 2026, 07:53"
    assert told.body.splitlines() == [
        "Since Tue 24 Nov 2026, 07:53 Europe/Brussels (7 min).",
        "It looks like this: no answer within 30 s",
        "What it means: No change is noticed, so nobody is told of one. Nothing is lost: it is found afterwards.",
        "What to do: Nothing, if it is soon over. Else see to network, proxy and Pexip. Look: notifier status",
    ]


def test_the_end_says_how_long_it_was() -> None:
    """The end counts from when all was well, not from when that was certain."""
    told = notice(replace(DOWN, well_since=NOW - 5 * MINUTE), Edge.ENDED)
    assert told.title == "notifier: source acme answers again, since Tue 24 Nov 2026, 07:55"
    assert told.body.splitlines()[0] == (
        "From Tue 24 Nov 2026, 07:53 Europe/Brussels until Tue 24 Nov 2026, 07:55 Europe/Brussels (2 min)."
    )


@pytest.mark.parametrize(("sort", "kind"), _WORDS)
def test_every_trouble_has_words(sort: str, kind: TroubleKind) -> None:
    """Each reads as a sentence, names what it is about, and leaves no place to fill."""
    trouble = replace(DOWN, name=f"{sort} a/b", kind=kind, well_since=NOW)
    for edge in Edge:
        told = notice(trouble, edge)
        assert told.title.startswith(f"notifier: {sort} a/b ")
        assert len(told.title) <= TITLE_LIMIT
        assert not {"{", "}"} & set(told.body)
    assert headline(trouble).startswith(f"{sort} a/b ")


def test_every_kind_of_trouble_has_words() -> None:
    """No kind is left to the words for what nobody has thought of, which there are all the same."""
    assert {kind for _, kind in _WORDS} == set(TroubleKind)
    assert headline(replace(DOWN, name="disk /data")) == "disk /data is in trouble: unavailable"


def test_the_id_names_one_edge_of_one_trouble_for_one_channel() -> None:
    """A notice that is made again has its id; another edge, trouble, begin or channel has another one."""
    others = [
        notice_of(DOWN, Edge.ENDED, "ops", ZONE, NOW),
        notice_of(DOWN, Edge.BEGAN, "desk", ZONE, NOW),
        notice_of(replace(DOWN, name="source other"), Edge.BEGAN, "ops", ZONE, NOW),
        notice_of(replace(DOWN, began_at=NOW), Edge.BEGAN, "ops", ZONE, NOW),
        notice_of(replace(DOWN, kind=TroubleKind.REFUSED), Edge.WORSE, "ops", ZONE, NOW),
    ]
    assert notice_of(DOWN, Edge.BEGAN, "ops", ZONE, NOW + MINUTE).id == notice().id
    assert len({notice().id, *(one.id for one in others)}) == 1 + len(others)


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (Target.TEXT, "<@all> *now*\nnext"),
        (Target.CHAT, "<\u200b@\u200ball> \u2217now\u2217\nnext"),
        (Target.HTML, "&lt;@all&gt; *now*<br>\nnext"),
    ],
)
def test_what_a_notice_quotes_is_harmless(target: Target, shown: str) -> None:
    """What a server said can't mention anybody or be formatted; the lines stay lines."""
    message = message_of(notice(body="<@all> *now*\nnext"), target)
    assert (message.body, message.target) == (shown, target)


def test_a_long_notice_is_cut() -> None:
    """What is longer than services show ends in an ellipsis."""
    message = message_of(notice(title="t" * 1000, body="b" * 10_000), Target.TEXT)
    assert (len(message.title), len(message.body)) == (TITLE_LIMIT, BODY_LIMIT)


def test_the_document_of_a_notice() -> None:
    """Programs get a CloudEvents document that no appointment's event can be taken for."""
    told = notice()
    assert document_of(told) == {
        "specversion": "1.0",
        "id": told.id,
        "source": "/notifier",
        "subject": "source acme",
        "time": "2026-11-24T07:00:00.000Z",
        "type": "notifier.trouble.began",
        "datacontenttype": "application/json",
        "data": {"trouble": "source acme", "kind": "unavailable", "title": told.title, "body": told.body},
    }
