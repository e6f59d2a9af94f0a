"""Personal texts as people read them."""

from typing import Any

import pytest

from notifier.core.readable import LONGEST, readable


def answer(**changes: Any) -> dict[str, Any]:
    """Returns an answer in the documented shape."""
    usual: dict[str, Any] = {
        "id": "1",
        "value": None,
        "selectedAnswerOptions": [],
        "files": [],
        "form": {"id": "71"},
        "question": {"id": "81"},
        "answerType": "SUBJECT_QUESTIONNAIRE",
    }
    return usual | changes


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (answer(value="Blue"), "subject questionnaire, question 81: Blue"),
        (answer(value=" "), "subject questionnaire, question 81: no answer"),
        (answer(value=True), "subject questionnaire, question 81: yes"),
        (answer(value=2.5), "subject questionnaire, question 81: 2.5"),
        (answer(value=["a", 1]), "subject questionnaire, question 81: a, 1"),
        (answer(selectedAnswerOptions=[{"id": "5"}]), "subject questionnaire, question 81: option 5"),
        (answer(selectedAnswerOptions=[{"id": 5}, {"id": "6"}]), "subject questionnaire, question 81: options 5, 6"),
        (answer(value="See file", files=[{"id": "9"}]), "subject questionnaire, question 81: See file, file 9"),
        (answer(answerType="APPOINTMENT_CANCELLATION", value="Ill"), "appointment cancellation, question 81: Ill"),
        ({"value": "Blue"}, "answer: Blue"),
        ({"value": {"street": "A"}}, 'answer: {"street": "A"}'),
        ("as it is", "as it is"),
    ],
)
def test_an_answer_is_a_line(one: Any, line: str) -> None:
    """The question by its id, and what was written or chosen."""
    assert readable("answers", [one]) == [line]


def test_every_answer_has_its_line() -> None:
    """In the order in which they came."""
    assert readable("answers", [answer(value="a"), answer(value="b", question={"id": "82"})]) == [
        "subject questionnaire, question 81: a",
        "subject questionnaire, question 82: b",
    ]


PLACE = {
    "city": {"language": "en", "value": "Ghent"},
    "state": None,
    "street1": {"language": "en", "value": "Example Street 1"},
    "street2": None,
    "postalCode": "9000",
    "countryCode": "BE",
    "geolocation": {"latitude": 51.0, "longitude": 3.7},
}


def test_a_location_is_an_address() -> None:
    """The one that the source wrote out, or one that is put together."""
    written_out = "Example Street 1, 9000 Ghent, Belgium"
    assert readable("location", PLACE | {"formattedAddress": written_out}) == written_out
    assert readable("location", PLACE) == "Example Street 1, 9000 Ghent, BE"
    assert readable("location", PLACE | {"postalCode": None}) == "Example Street 1, Ghent, BE"
    assert readable("location", "somewhere") == "somewhere"
    assert readable("location", {"geolocation": {}}) is None


def test_the_other_texts() -> None:
    """Notes and messages are text, links a list, metadata a line for each name."""
    assert readable("internal_notes", "Call back\nfirst") == "Call back\nfirst"
    assert readable("message_for_customer", "Bring a pen") == "Bring a pen"
    assert readable("video_links", ["https://a.example", "https://b.example"]) == [
        "https://a.example",
        "https://b.example",
    ]
    assert readable("metadata", {"crm": "77", "flags": ["a", "b"], "deep": {"x": 1}}) == [
        "crm: 77",
        "flags: a, b",
        'deep: {"x": 1}',
    ]


@pytest.mark.parametrize("name", ["answers", "internal_notes", "location", "metadata", "video_links"])
@pytest.mark.parametrize("nothing", [None, "", " "])
def test_nothing_is_none(name: str, nothing: object) -> None:
    """So that a template can ask whether there is one."""
    assert readable(name, nothing) is None


def test_a_long_text_is_cut() -> None:
    """A template works on no more than a message can show."""
    assert readable("internal_notes", "x" * 9999) == "x" * LONGEST
    lines = readable("video_links", ["x" * 2000] * 5)
    assert [len(line) for line in lines or ()] == [2000, LONGEST - 2000]
