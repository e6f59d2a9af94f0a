"""Signatures of webhooks, as Standard Webhooks say: made with each secret of a channel, and checked."""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import standardwebhooks

SHORTEST_KEY = 24
"""In bytes; Standard Webhooks ask for 24 to 64."""

TOLERANCE = timedelta(minutes=5)
"""How far from now the library of the standard lets a timestamp be."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a receiver got of one webhook: three headers and the body, as they came."""

    id: str
    timestamp: str
    signature: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Check:
    """What a check of a signature came to."""

    #: Which secret made it, from 0; None where none did.
    secret: int | None
    #: When it was made; None where the timestamp is none.
    signed_at: datetime | None


def signer(secret: str) -> standardwebhooks.Webhook:
    """Returns what signs with a Standard Webhooks secret.

    Raises:
        ValueError: it is none; the message does not hold it.
    """
    text = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if len(key) < SHORTEST_KEY:
        raise ValueError(
            f"signing_secret must be `whsec_` and at least {SHORTEST_KEY} bytes in base64, "
            "as `openssl rand -base64 32` prints them"
        )
    return standardwebhooks.Webhook(key)


def sign(signers: Sequence[standardwebhooks.Webhook], id_: str, moment: datetime, body: str) -> str:
    """Returns the header with a signature of each; a receiver takes the request if it knows one of the secrets."""
    # The library overwrites the zone of any other time, and so signs another moment.
    return " ".join(signer.sign(id_, moment.astimezone(UTC), body) for signer in signers)


def check(signers: Sequence[standardwebhooks.Webhook], request: SignedRequest) -> Check:
    """Says which of the secrets made one of the request's signatures, however old it is."""
    try:
        signed_at = datetime.fromtimestamp(int(request.timestamp), UTC)
        body = request.body.decode()
    except (ValueError, OverflowError, OSError):
        return Check(None, None)
    given = [one.encode() for one in request.signature.split()]
    for number, one in enumerate(signers):
        made = one.sign(request.id, signed_at, body).encode()
        if any(hmac.compare_digest(made, each) for each in given):
            return Check(number, signed_at)
    return Check(None, signed_at)
