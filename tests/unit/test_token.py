"""Where the bearer token comes from, and what happens when it is refused."""

import threading
from collections.abc import Iterable

import pytest
from pydantic import SecretStr

from notifier.engage.token import RENEW_EARLY_SECONDS, ClientCredentials, FixedToken
from notifier.errors import SourceError, SourceRefused, SourceUnavailable

SECRET = "s3cr3t-value"


def answer(token: str, seconds: float = 300) -> tuple[int, bytes]:
    """Returns the answer of a token URL."""
    return 200, f'{{"access_token": "{token}", "expires_in": {seconds}, "token_type": "Bearer"}}'.encode()


class TokenUrl:
    """Gives its answers one after the other, and keeps what was posted."""

    def __init__(self, answers: Iterable[tuple[int, bytes]]) -> None:
        self._answers = iter(answers)
        self.posted: list[dict[str, str]] = []

    def post(self, form: dict[str, str]) -> tuple[int, bytes]:
        """Returns the next answer."""
        self.posted.append(form)
        return next(self._answers)


def credentials(url: TokenUrl, scope: str | None = None) -> ClientCredentials:
    """Returns client credentials that are given to the URL."""
    return ClientCredentials("notifier", SecretStr(SECRET), scope, url.post)


def test_a_fixed_token_is_the_only_one() -> None:
    """When it is refused there is no other."""
    token = FixedToken(SecretStr("fixed"))
    assert token.current() == "fixed"
    assert token.renew("fixed") is None
    assert "fixed" not in repr(vars(token))


def test_a_token_is_fetched_once_and_kept() -> None:
    """With the form that OAuth asks for."""
    url = TokenUrl([answer("one")])
    token = credentials(url)
    assert [token.current(), token.current()] == ["one", "one"]
    assert url.posted == [{"grant_type": "client_credentials", "client_id": "notifier", "client_secret": SECRET}]


def test_a_scope_is_asked_for_where_there_is_one() -> None:
    """An empty one is none."""
    url = TokenUrl([answer("one"), answer("two")])
    credentials(url, "engage:appointments:readOnly").current()
    credentials(url, "").current()
    assert [form.get("scope") for form in url.posted] == ["engage:appointments:readOnly", None]


def test_a_token_is_not_used_until_its_very_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is renewed while a request with it could still be on its way."""
    now = 1000.0
    monkeypatch.setattr("notifier.engage.token.time.monotonic", lambda: now)
    url = TokenUrl([answer("one"), answer("two")])
    token = credentials(url)
    assert token.current() == "one"
    now = 1000 + 300 - RENEW_EARLY_SECONDS - 0.001
    assert token.current() == "one"
    now = 1000 + 300 - RENEW_EARLY_SECONDS
    assert token.current() == "two"


@pytest.mark.parametrize("seconds", [0, -5, 1, 30])
def test_a_short_lived_token_is_used_at_least_once(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a second, so that not every request fetches one."""
    now = 1000.0
    monkeypatch.setattr("notifier.engage.token.time.monotonic", lambda: now)
    token = credentials(TokenUrl([answer("one", seconds), answer("two")]))
    assert [token.current(), token.current()] == ["one", "one"]
    now = 1001.0
    assert token.current() == "two"


def test_without_an_end_a_token_lasts_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not said by every server."""
    now = 1000.0
    monkeypatch.setattr("notifier.engage.token.time.monotonic", lambda: now)
    token = credentials(TokenUrl([(200, b'{"access_token": "one"}'), answer("two")]))
    assert token.current() == "one"
    now = 1269.0
    assert token.current() == "one"
    now = 1270.0
    assert token.current() == "two"


def test_a_refused_token_is_renewed_once_for_all() -> None:
    """Of many that were refused with the same token, one fetches the next."""
    url = TokenUrl([answer("one"), answer("two")])
    token = credentials(url)
    assert token.current() == "one"
    renewed: list[str | None] = []
    threads = [threading.Thread(target=lambda: renewed.append(token.renew("one"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert renewed == ["two"] * 4
    assert len(url.posted) == 2


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, b'{"error": "invalid_client", "error_description": "s3cr3t-value is wrong"}', " (invalid_client)"),
        (401, b'{"error": 5}', ""),
        (401, b'["error"]', ""),
        (403, b"<html>", ""),
        (404, b"", ""),
        (401, b'{"error": "' + b"x" * 100 + b'"}', f" ({'x' * 60})"),
    ],
)
def test_refused_credentials_are_told_without_the_secret(status: int, body: bytes, said: str) -> None:
    """With the name of the error, since its description may repeat what was sent."""
    with pytest.raises(SourceRefused) as refused:
        credentials(TokenUrl([(status, body)])).current()
    assert str(refused.value) == f"the token URL answered {status}{said}; check [oauth] of the source"
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (503, b"x"),
        (302, b""),
        (201, b'{"access_token": "one"}'),
        (200, b""),
        (200, b"<html>"),
        (200, b"{}"),
        (200, b"[]"),
        (200, b'{"access_token": ""}'),
        (200, b'{"access_token": null}'),
        (200, b'{"access_token": "one", "expires_in": "soon"}'),
    ],
)
def test_anything_else_may_pass(status: int, body: bytes) -> None:
    """A token URL that is down or talks nonsense may work later."""
    with pytest.raises(SourceUnavailable, match="the token URL answered"):
        credentials(TokenUrl([(status, body)])).current()


def test_after_a_failure_the_next_one_asks_again() -> None:
    """Nothing of a failure is kept."""
    token = credentials(TokenUrl([(500, b""), answer("one")]))
    with pytest.raises(SourceError):
        token.current()
    assert token.current() == "one"


def test_when_renewing_fails_the_refused_one_is_not_given_out_as_new() -> None:
    """The failure is told instead."""
    token = credentials(TokenUrl([answer("one"), (503, b""), answer("two")]))
    assert token.current() == "one"
    with pytest.raises(SourceUnavailable):
        token.renew("one")
    assert token.renew("one") == "two"
