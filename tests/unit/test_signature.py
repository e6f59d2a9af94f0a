"""Signatures of webhooks: made with every secret, and told apart."""

from datetime import UTC, datetime, timedelta

import pytest

from notifier.channels.signature import Check, SignedRequest, check, sign, signer

NEW, OLD, OTHER = (f"whsec_{letter * 40}" for letter in "ABC")
MOMENT = datetime(2026, 11, 24, 7, tzinfo=UTC)
BODY = '{"id": "1"}'


def request(*secrets: str, body: str = BODY, moment: datetime = MOMENT) -> SignedRequest:
    """Returns what a receiver gets of a channel with these secrets."""
    header = sign([signer(secret) for secret in secrets], "msg_1", moment, BODY)
    return SignedRequest("msg_1", str(int(moment.timestamp())), header, body.encode())


@pytest.mark.parametrize(("known", "secret"), [((NEW,), 0), ((OLD,), 0), ((NEW, OLD), 0), ((OTHER, OLD), 1)])
def test_each_of_two_secrets_will_do(known: tuple[str, ...], secret: int) -> None:
    """While a secret is replaced, a request is right for whoever knows the new one or the old one."""
    signers = [signer(one) for one in known]
    assert check(signers, request(NEW, OLD)) == Check(secret, MOMENT)


def test_another_secret_did_not_make_it() -> None:
    """The moment is told all the same."""
    assert check([signer(OTHER)], request(NEW, OLD)) == Check(None, MOMENT)


def test_every_byte_of_the_body_counts() -> None:
    """A body that was read and written again is another one."""
    assert check([signer(NEW)], request(NEW, body='{"id":"1"}')) == Check(None, MOMENT)


def test_age_does_not_matter_here() -> None:
    """What arrived last year can still be looked at; the library of the standard would refuse it."""
    past = MOMENT - timedelta(days=400)
    assert check([signer(NEW)], request(NEW, moment=past)) == Check(0, past)


@pytest.mark.parametrize("timestamp", ["", "soon", "1e9", "9" * 30])
def test_what_is_no_timestamp(timestamp: str) -> None:
    """Nothing can be signed at no time."""
    assert check([signer(NEW)], SignedRequest("1", timestamp, "v1,AAAA", b"")) == Check(None, None)
