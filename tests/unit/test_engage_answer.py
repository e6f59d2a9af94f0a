"""What an answer of the appointments API means."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from notifier.engage.answer import SourceBusy, check_status, http_date, page_of, retry_after
from notifier.errors import SourceRefused, SourceUnavailable
from tests.builders import record

DATE = "Tue, 24 Nov 2026 07:00:00 GMT"


def test_a_page_is_its_records_and_its_place_in_the_list() -> None:
    """The records are left as they are, whatever they are, byte for byte."""
    body = {
        "data": [record(), None, 5],
        "meta": {"offset": 50, "limit": 25, "totalCount": 53, "more": True},
        "links": {},
    }
    page = page_of(orjson.dumps(body, option=orjson.OPT_INDENT_2))
    assert [one.id for one in page.records] == ["1701", None, None]
    assert [orjson.loads(bytes(one.content)) for one in page.records] == [record(), None, 5]
    assert bytes(page.records[0].content).startswith(b'{\n      "id": "1701",\n')
    assert (page.limit, page.total) == (25, 53)


def page_with(*records: bytes) -> bytes:
    """Returns a body with these records."""
    return b'{"meta": {"offset": 0, "limit": 25, "totalCount": 25}, "data": [' + b", ".join(records) + b"]}"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b'{"id": "1701"}', "1701"),
        (b'{"x": [{"id": "1"}], "id": 1701}', "1701"),
        (b'{"id": "x-1701"}', "x-1701"),
        (b'{"\\u0069d": "\\u0031701"}', "1701"),
        (b'{"id": "1700", "id": "1701"}', "1701"),
        (b'{"id": null, "id": "1701"}', "1701"),
        (b'{"id": "1701", "id": null}', None),
        (b'{"id": "1701", "name": "\xff"}', "1701"),
        (b'{"id": "\xff"}', None),
        (b'{"id": ""}', None),
        (b'{"id": null}', None),
        (b'{"id": true}', None),
        (b'{"id": 1.5}', None),
        (b'{"id": ["1701"]}', None),
        (b'{"id": {"id": "1701"}}', None),
        (b"{}", None),
        (b'["id", "1701"]', None),
        (b'"1701"', None),
        (b"[" * 500 + b"]" * 500, None),
    ],
)
def test_an_id_is_read_where_there_is_one(content: bytes, name: str | None) -> None:
    """Text or whole number; an odd record hides no other, and no record is read for more than that."""
    page = page_of(page_with(b'{"id": "1"}', content, b'{"id": "2"}'))
    assert [one.id for one in page.records] == ["1", name, "2"]
    assert bytes(page.records[1].content) == content


@pytest.mark.parametrize("numbers", [{"limit": "25", "totalCount": "53"}, {"limit": 25.0, "totalCount": 53}])
def test_numbers_may_come_as_text(numbers: dict[str, object]) -> None:
    """What they say is clear."""
    page = page_of(orjson.dumps({"data": [], "meta": {"offset": "0"} | numbers}))
    assert (page.limit, page.total) == (25, 53)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no JSON"),
        (b"<html>", "no JSON"),
        (b'{"data": [', "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 5000, "no JSON"),
        (page_with(b"[" * 5000 + b"]" * 5000), "no JSON"),
        (page_with(b'{"id": nul}'), "no JSON"),
        (b"null", "at the top"),
        (b"[]", "at the top"),
        (b"{}", "at data"),
        (b'{"data": null, "meta": {"offset": 0, "limit": 1, "totalCount": 0}}', "at data"),
        (b'{"data": {}, "meta": {"offset": 0, "limit": 1, "totalCount": 0}}', "at data"),
        (b'{"data": []}', "at meta"),
        (b'{"data": [], "meta": {"offset": 0, "limit": 1}}', "at meta.totalCount"),
        (b'{"data": [], "meta": {"offset": 0, "limit": 0, "totalCount": 0}}', "at meta.limit"),
        (b'{"data": [], "meta": {"offset": -1, "limit": 1, "totalCount": 0}}', "at meta.offset"),
        (b'{"data": [], "meta": {"offset": 0, "limit": 1, "totalCount": -1}}', "at meta.totalCount"),
    ],
)
def test_anything_else_is_a_failure_that_may_pass(body: bytes, said: str) -> None:
    """A gateway's error page with status 200 must not be taken for an empty list."""
    with pytest.raises(SourceUnavailable, match=said):
        page_of(body)


def test_a_good_status_says_nothing() -> None:
    """The body is looked at elsewhere."""
    check_status(200, b"<html>", {})


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_busy(status: int) -> None:
    """With the wait that the other side asks for."""
    with pytest.raises(SourceBusy, match=f"^the API answered {status}$") as busy:
        check_status(status, b"", {"Retry-After": "7"})
    assert busy.value.retry_after == timedelta(seconds=7)


def test_no_wait_is_none() -> None:
    """Then ours are used."""
    with pytest.raises(SourceBusy) as busy:
        check_status(503, b"", {})
    assert busy.value.retry_after is None


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (400, "page_size"),
        (401, "token is wrong"),
        (403, "engage:appointments:readOnly"),
        (404, "enterprise"),
        (405, "not the appointments API"),
        (301, "a redirect, which is not followed"),
        (307, "a redirect, which is not followed"),
    ],
)
def test_a_refusal_names_its_likely_cause(status: int, cause: str) -> None:
    """So that the operator knows where to look."""
    with pytest.raises(SourceRefused, match=cause):
        check_status(status, b"", {"Retry-After": "7"})


@pytest.mark.parametrize("status", [204, 402, 409, 410, 422])
def test_a_refusal_of_another_kind_is_one_all_the_same(status: int) -> None:
    """Without a guess at its cause."""
    with pytest.raises(SourceRefused, match=f"^the API answered {status}$"):
        check_status(status, b"", {})


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([{"message": "No", "code": "NO", "statusCode": "403"}], " (NO: No)"),
        ([{"message": "No"}, {"code": "X"}], " (No; X)"),
        ([{"message": "two\n\nlines"}], " (two lines)"),
        ([{"message": "x" * 400}], f" ({'x' * 300})"),
        ([{}], ""),
        ([], ""),
        (None, ""),
        ("No", ""),
        ([5], ""),
    ],
)
def test_the_apis_own_explanation_is_told(errors: object, said: str) -> None:
    """On one line and not too much of it; what is no explanation is left."""
    with pytest.raises(SourceBusy) as busy:
        check_status(500, orjson.dumps({"errors": errors}), {})
    assert str(busy.value) == f"the API answered 500{said}"


def test_the_explanation_stands_before_the_cause() -> None:
    """Both help."""
    with pytest.raises(SourceRefused, match=r"answered 401 \(EXPIRED: Token expired\); the token is wrong"):
        check_status(401, b'{"errors": [{"message": "Token expired", "code": "EXPIRED"}]}', {})


@pytest.mark.parametrize(
    ("value", "date", "wait"),
    [
        (None, None, None),
        (None, DATE, None),
        ("0", None, timedelta(0)),
        ("7", None, timedelta(seconds=7)),
        (" 120 ", DATE, timedelta(seconds=120)),
        ("999999999", None, timedelta(seconds=999_999_999)),
        ("Tue, 24 Nov 2026 07:01:00 GMT", DATE, timedelta(minutes=1)),
        ("Tue, 24 Nov 2026 06:59:00 GMT", DATE, timedelta(0)),
        ("Tue, 24 Nov 2026 07:01:00 GMT", None, None),
        ("Tue, 24 Nov 2026 07:01:00 GMT", "x", None),
        ("", DATE, None),
        ("soon", DATE, None),
        ("-7", DATE, None),
        ("7.5", DATE, None),
        ("²", DATE, None),
        ("٣", DATE, None),
        ("9" * 40, DATE, None),
        ("Fri, 31 Dec 9999 23:59:59 -1400", DATE, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(value: str | None, date: str | None, wait: timedelta | None) -> None:
    """A date by the other side's own clock; nonsense asks for nothing."""
    assert retry_after(value, date) == wait


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (DATE, datetime(2026, 11, 24, 7, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 08:00:00 +0100", datetime(2026, 11, 24, 7, tzinfo=UTC)),
        (None, None),
        ("", None),
        ("x", None),
        ("Tue, 24 Nov 2026 25:00:00 GMT", None),
        ("Tue, 99999999999999999999 Nov 2026 07:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -1400", None),
    ],
)
def test_a_date_header_is_a_moment_or_nothing(value: str | None, moment: datetime | None) -> None:
    """No header of the other side can stop us."""
    assert http_date(value) == moment
