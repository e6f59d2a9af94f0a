"""Who may read: the simulator's fixed bearer token, and those that it grants to a client by OAuth 2.0."""

import binascii
import secrets
from base64 import b64decode
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from threading import Lock
from typing import Final
from urllib.parse import parse_qsl, unquote_plus

from notifier.engage.simulated.exchange import Reply, SeenRequest, answer, refuse

READ: Final = "engage:appointments:readOnly"
WRITE: Final = "engage:appointments:readWrite"


@dataclass(frozen=True, slots=True)
class _Grant:
    """What a granted token is good for."""

    realm: str
    scopes: frozenset[str]
    until: datetime


class Tokens:
    """The tokens of one simulator; a granted one is good for its own enterprise only, the fixed one for all."""

    def __init__(
        self, fixed: str | None, client_id: str, client_secret: str | None, lifetime: timedelta, scopes: Iterable[str]
    ) -> None:
        self.fixed = fixed or secrets.token_urlsafe(24)
        self.client_id = client_id
        self.client_secret = client_secret or secrets.token_urlsafe(24)
        self.lifetime = lifetime
        self.scopes = frozenset(scopes)  # what the client is allowed; a granted token keeps those of its grant
        self._lock = Lock()
        self._granted: dict[str, _Grant] = {}

    def rotate(self) -> str:
        """Replace the fixed token; the old one is refused from now on."""
        self.fixed = secrets.token_urlsafe(24)
        return self.fixed

    def expire(self) -> None:
        """End every granted token before its time."""
        with self._lock:
            self._granted.clear()

    def end(self, authorization: str | None) -> bool:
        """End one granted token before its time; tells whether it was one."""
        with self._lock:
            return self._granted.pop(_credential(authorization), None) is not None

    def is_granted(self, authorization: str | None) -> bool:
        """Whether a token was granted, so that a client that is refused with it can have another."""
        with self._lock:
            return _credential(authorization) in self._granted

    def check(
        self, authorization: str | None, realm: str, now: datetime, needed: Collection[str] = (READ, WRITE)
    ) -> Reply | None:
        """Why a request may not read what needs one of these scopes; None if it may."""
        scheme = (authorization or "").partition(" ")[0]
        scopes = self._scopes(_credential(authorization), realm, now) if scheme.lower() == "bearer" else None
        if scopes is None:
            message = "the bearer token is missing, unknown or expired"
            return refuse(HTTPStatus.UNAUTHORIZED, message, headers={"WWW-Authenticate": "Bearer"})
        if scopes.isdisjoint(needed):
            return refuse(HTTPStatus.FORBIDDEN, f"the token lacks the scope {next(iter(needed))}", "INSUFFICIENT_SCOPE")
        return None

    def grant(self, request: SeenRequest, realm: str, now: datetime) -> Reply:
        """Answer a request for a token by client credentials, given in the form or by Basic authentication."""
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        client, secret = _basic(request.authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
        if not (_same(client, self.client_id) and _same(secret, self.client_secret)):
            return _refuse_grant(HTTPStatus.UNAUTHORIZED, "invalid_client", "Invalid client or client credentials")
        if form.get("grant_type") != "client_credentials":
            return _refuse_grant(HTTPStatus.BAD_REQUEST, "unsupported_grant_type", "Only client_credentials is granted")
        wanted = frozenset(form.get("scope", "").split()) or self.scopes
        if not wanted <= self.scopes:
            return _refuse_grant(HTTPStatus.BAD_REQUEST, "invalid_scope", "A scope is unknown or not allowed")
        return self._issue(_Grant(realm, wanted, now + self.lifetime))

    def _issue(self, granted: _Grant) -> Reply:
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._granted[token] = granted
        document = {
            "access_token": token,
            "expires_in": int(self.lifetime.total_seconds()),
            "token_type": "Bearer",
            "scope": " ".join(sorted(granted.scopes)),
        }
        return answer(document, headers={"Cache-Control": "no-store"})

    def _scopes(self, token: str, realm: str, now: datetime) -> frozenset[str] | None:
        if _same(token, self.fixed):
            return self.scopes
        with self._lock:
            granted = self._granted.get(token)
        return granted.scopes if granted and granted.realm == realm and now < granted.until else None


def _credential(authorization: str | None) -> str:
    return (authorization or "").partition(" ")[2]


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())


def _basic(authorization: str | None) -> tuple[str, str] | None:
    """The client's id and secret in a Basic authorization, where both are form-encoded first (RFC 6749, 2.3.1)."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client, _, secret = b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(client), unquote_plus(secret)


def _refuse_grant(status: HTTPStatus, error: str, description: str) -> Reply:
    return answer({"error": error, "error_description": description}, status)
