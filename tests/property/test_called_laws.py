"""Laws of look-ups: no address is too long, nobody is left out, and nothing that a source says breaks anything."""

from urllib.parse import urlencode

import orjson
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.absence import fits
from notifier.core.called import AT_ONCE, Answered, Called, askings
from notifier.core.directory import KINDS, NO_DIRECTORY
from notifier.engage.names import LONGEST_NAME, RESOURCES, names_in
from notifier.errors import SourceUnavailable
from tests.builders import NOW

LONGEST_ADDRESS = 2000
BASE = "https://api.pexipengage.com/enterprises/a-name-of-an-enterprise-that-is-rather-long"

# What SQLite and JSON can't hold is no text that gets so far.
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1)
IDS = st.one_of(TEXTS, st.integers(0, 10**12).map(str), st.text("é%&=/", min_size=50, max_size=400))
KEYS = st.sets(st.tuples(st.sampled_from(KINDS), IDS), max_size=80)
FIELDS = st.sampled_from(["data", "id", "name", "value", "language", "translations", "firstName", "timeZone"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(KEYS)
def test_everybody_is_asked_for_once_by_addresses_that_have_room(wanted: set[tuple[str, str]]) -> None:
    """Whatever the ids are: all that an address can hold, a page at a time, and what is known not again."""
    found = askings(wanted, {}, {}, NOW)
    for kind, batch in found:
        query = [*(("id[]", id_) for id_ in batch), ("limit", str(len(batch)))]
        assert len(f"{BASE}/{RESOURCES[kind]}?{urlencode(query)}") < LONGEST_ADDRESS
        assert len(batch) <= AT_ONCE
    asked = [(kind, id_) for kind, batch in found for id_ in batch]
    assert sorted(asked) == sorted(key for key in wanted if fits(key[1]))
    assert askings(wanted, dict.fromkeys(asked, Answered(Called("x"), NOW)), {}, NOW) == []


@given(JSON, st.sampled_from(KINDS))
def test_nothing_that_a_source_says_breaks_anything(said: object, kind: str) -> None:
    """Any record of any shape gives a name of one line or none, and any zone that it gives is one."""
    records = [{**said, "id": "1"}, said] if isinstance(said, dict) else [said]
    found = names_in(kind, orjson.dumps({"data": records}))
    for called in found.values():
        assert called.name == " ".join(called.name.split())
        assert len(called.name) <= LONGEST_NAME
    entries = NO_DIRECTORY.with_names({(kind, id_): called for id_, called in found.items()}).entries
    assert entries.keys() == {(kind, id_) for id_ in found}


@given(JSON)
def test_an_answer_is_a_list_or_says_that_it_is_none(said: object) -> None:
    """No other failure comes of it."""
    try:
        names_in("office", orjson.dumps(said))
    except SourceUnavailable as error:
        assert "list" in str(error)  # noqa: PT017 - whether it is raised is not the question
