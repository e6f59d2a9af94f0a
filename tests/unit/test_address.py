"""What may be shown of an address, and what a schema is shown by."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.channels.address import mask, target_of
from notifier.core.escape import Target

MASKED = [
    ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#branch", "slack://***"),
    ("https://user:pass@crm.example.com:8443/hooks/x?token=y", "https://crm.example.com/***"),
    ("HTTPS://crm.example.com", "https://crm.example.com/***"),
    ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]/***"),
    ("mailtos://user:pass@smtp.example.com?to=desk@example.com", "mailtos://smtp.example.com/***"),
    ("mailtos://user:pa/ss@smtp.example.com?to=desk@example.com", "mailtos://***"),
    ("mailtos://user:p?ss@smtp.example.com", "mailtos://***"),
    ("tgram://123456789:token/987", "tgram://***"),
    ("console://", "console://***"),
    ("https://[broken", "https://***"),
    ("xoxb-12345-token", "***"),
    ("", "***"),
]


@pytest.mark.parametrize(("url", "shown"), MASKED)
def test_mask(url: str, shown: str) -> None:
    """Of an address only the schema is shown, and the host where it can be nothing else."""
    assert mask(url) == shown


@given(
    st.sampled_from(["https", "mailtos", "slack", "json", "mmost"]),
    st.text(st.characters(codec="utf-8"), min_size=8).map(lambda text: "SECRET" + quote(text, safe="")),
)
def test_a_secret_is_never_shown(schema: str, secret: str) -> None:
    """A secret is hidden wherever an address can hold one."""
    for url in (
        f"{schema}://{secret}:x@example.com/y",
        f"{schema}://x:{secret}@example.com",
        f"{schema}://example.com/{secret}",
        f"{schema}://example.com?key={secret}",
        f"{schema}://example.com#{secret}",
    ):
        assert "SECRET" not in mask(url)


@pytest.mark.parametrize(
    ("schema", "target"),
    [
        ("mailtos", Target.HTML),
        ("sendgrid", Target.HTML),
        ("slack", Target.CHAT),
        ("workflows", Target.CHAT),
        ("something-new", Target.CHAT),
        ("twilio", Target.TEXT),
        ("https", Target.TEXT),
        ("console", Target.TEXT),
    ],
)
def test_target(schema: str, target: Target) -> None:
    """Mail is shown as HTML, phones and programs show text as it is, and everything else is taken for chat."""
    assert target_of(schema) is target
