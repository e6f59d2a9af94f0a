"""The bearer token: a fixed one, or one fetched by OAuth2 client credentials and kept until shortly before it ends."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

import orjson
from pydantic import BaseModel, Field, SecretStr, ValidationError

from notifier.errors import SourceRefused, SourceUnavailable

RENEW_EARLY_SECONDS = 30
"""A token this close to its end is not used any more, as a request with it may arrive too late."""


class TokenSource(Protocol):
    """Where the bearer token comes from."""

    def current(self) -> str:
        """Returns a token that should be accepted now."""
        ...

    def renew(self, refused: str) -> str | None:
        """Returns another token than the refused one, or None where there is no other."""
        ...


class FixedToken:
    """A token from the configuration; when it is refused there is no other."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token

    def current(self) -> str:
        """Returns the configured token."""
        return self._token.get_secret_value()

    def renew(self, refused: str) -> str | None:  # noqa: ARG002 - part of the protocol
        """Returns None: a new one must be configured."""
        return None


#: Posts the form fields to the token URL and returns (HTTP status, body).
PostForm = Callable[[dict[str, str]], tuple[int, bytes]]


class ClientCredentials:
    """A token fetched with a client's id and secret; safe to share between threads."""

    def __init__(self, client_id: str, client_secret: SecretStr, scope: str | None, post: PostForm) -> None:
        self._form = {"grant_type": "client_credentials", "client_id": client_id}
        if scope:
            self._form["scope"] = scope
        self._secret = client_secret
        self._post = post
        self._lock = threading.Lock()
        self._token = ""
        self._ends_at = 0.0

    def current(self) -> str:
        """Returns the token at hand, or fetches one when there is none or it is about to end."""
        with self._lock:
            if not self._token or time.monotonic() >= self._ends_at:
                self._fetch()
            return self._token

    def renew(self, refused: str) -> str | None:
        """Returns another token than the refused one; of many threads that were refused, one fetches it."""
        with self._lock:
            if self._token == refused:
                self._fetch()
            return self._token

    def _fetch(self) -> None:
        status, body = self._post(self._form | {"client_secret": self._secret.get_secret_value()})
        if status in {400, 401, 403, 404}:
            raise SourceRefused(f"the token URL answered {status}{_oauth_error(body)}; check [oauth] of the source")
        if status != 200:  # noqa: PLR2004 - the only status that brings a token
            raise SourceUnavailable(f"the token URL answered {status}")
        try:
            answer = _TokenAnswer.model_validate_json(body)
        except ValidationError:
            raise SourceUnavailable("the token URL answered without a token") from None
        self._token = answer.access_token
        self._ends_at = time.monotonic() + max(answer.expires_in - RENEW_EARLY_SECONDS, 1)


class _TokenAnswer(BaseModel):
    access_token: str = Field(min_length=1)
    #: Seconds; RFC 6749 only recommends to send it, five minutes are a common default.
    expires_in: float = 300


def _oauth_error(body: bytes) -> str:
    """Returns the error's name from an RFC 6749 answer; its description may repeat what was sent, so it is left."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    name = answer.get("error") if isinstance(answer, dict) else None
    return f" ({name[:60]})" if isinstance(name, str) else ""
