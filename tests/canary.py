"""Marked values in the place of secrets and of personal text, and the search for them where they must not be.

A value is found in whatever case and encoding it is likely to be written. What was searched is counted, so that a
search of nothing is no proof.
"""

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from notifier.engage.simulated.enterprise import Enterprise

SIGNING_KEY = b"canary-signing-0b7e-of-24-bytes!"

SECRETS: Mapping[str, str] = {
    "token": "canary-token-5f1c",
    "client secret": "canary-client-c0de",
    "password of a channel": "canary-password-81d2",
    "path of a channel": "canary-path-77aa",
    "query of a channel": "canary-query-3e90",
    "header of a channel": "canary-header-d2c4",
    "heartbeat": "canary-heartbeat-6b0f",
    "signing key": b64encode(SIGNING_KEY).decode(),
    "signing key, raw": SIGNING_KEY.decode(),
}
"""What nobody may read, but for the configuration and for whom it opens the door."""

PERSONAL: Mapping[str, str] = {
    "internal notes": "canary-notes-19be",
    "message for the customer": "canary-message-a4d7",
    "answer": "canary-answer-e611",
    "file of an answer": "canary-file-52c9",
    "metadata": "canary-metadata-f03b",
    "address": "canary-address-8c1d",
    "video link": "canary-video-b95e",
}
"""What a channel may read only to which it was granted."""

MARKS = {**SECRETS, **PERSONAL}

SIGNING_SECRET = f"whsec_{SECRETS['signing key']}"


@dataclass
class Search:
    """What was searched so far, and what was found that should not be there."""

    #: How often something was searched, by what it was.
    looked_at: Counter[str] = field(default_factory=Counter)
    #: How many bytes that was.
    size: int = 0
    #: Where which kind of value was found; never the value.
    leaks: list[str] = field(default_factory=list)

    def look(self, what: str, where: str, content: bytes, allowed: Iterable[str] = ()) -> None:
        """Searches one thing; what is allowed are kinds of values."""
        self.looked_at[what] += 1
        self.size += len(content)
        shown = f"{what} with one in its name" if found_in(where.encode()) else where
        self.leaks += [f"{shown}: {kind}" for kind in sorted(found_in(content) - set(allowed))]

    def look_into(self, folder: Path, besides: Iterable[str]) -> None:
        """Searches every file of a folder, whatever it is, besides those of these names."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in besides:
                self.look("file", f"the file {path.relative_to(folder)}", path.read_bytes())

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {what}s" for what, count in sorted(self.looked_at.items()))
        return f"{len(MARKS)} marked values, searched for in {counts or 'nothing'} ({self.size} bytes)"


def found_in(content: bytes) -> set[str]:
    """Returns the kinds of the marked values that stand in this, however they are written."""
    return {kind for kind, pattern in _patterns().items() if pattern.search(content)}


@cache
def _patterns() -> Mapping[str, re.Pattern[bytes]]:
    return {kind: re.compile(b"|".join(map(re.escape, _forms(mark))), re.IGNORECASE) for kind, mark in MARKS.items()}


def _forms(mark: str) -> Iterable[bytes]:
    """Yields the value as it is, in hexadecimal, in UTF-16, and in base64 from each of its three beginnings."""
    raw = mark.encode()
    yield raw
    yield raw.hex().encode()
    yield mark.encode("utf-16-le")
    for ahead in range(3):
        coded = b64encode(b"x" * ahead + raw)
        # The first and the last letters depend on what stands beside it.
        yield coded[4 if ahead else 0 : -4]


class MarkedEnterprise(Enterprise):
    """An enterprise whose appointments have a marked value wherever they have none of their own."""

    def _keep(self, raw: Mapping[str, Any], key: str) -> str:
        return super()._keep(marked(raw), key)


def marked(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the record with a marked value in every personal field that is empty."""
    full = dict(raw)
    for name, value in _TEXTS.items():
        if not full.get(name):
            full[name] = value
    full["appointmentParticipants"] = [_with_links(one) for one in full.get("appointmentParticipants") or ()]
    return full


def _with_links(participant: MutableMapping[str, Any]) -> dict[str, Any]:
    link = f"https://video.example.com/{PERSONAL['video link']}"
    return {
        **participant,
        "videoUrl": participant.get("videoUrl") or link,
        "videoTestUrl": participant.get("videoTestUrl") or f"{link}/test",
    }


_TEXTS: Mapping[str, Any] = {
    "internalNotes": PERSONAL["internal notes"],
    "messageForCustomer": PERSONAL["message for the customer"],
    "metadata": {PERSONAL["metadata"]: PERSONAL["metadata"]},
    "location": {
        "street1": {"language": "en", "value": PERSONAL["address"]},
        "formattedAddress": PERSONAL["address"],
    },
    "answers": [
        {
            "id": "1",
            "value": PERSONAL["answer"],
            "selectedAnswerOptions": [],
            "files": [{"id": PERSONAL["file of an answer"], "name": PERSONAL["file of an answer"]}],
            "form": {"id": "71"},
            "question": {"id": "81"},
            "answerType": "SUBJECT_QUESTIONNAIRE",
        }
    ],
}


def with_secrets(url: str) -> str:
    """Returns the address of a channel with marked secrets in it, where it has a place for them and none of its own."""
    schema, _, rest = url.partition("://")
    if schema in {"http", "https"} and "@" not in rest and "?" not in rest:
        path = "" if "/" in rest else f"/{SECRETS['path of a channel']}"
        secret = f"?key={SECRETS['query of a channel']}"
        return f"{schema}://user:{SECRETS['password of a channel']}@{rest}{path}{secret}"
    if schema in {"mailto", "json"} and "+X-" not in rest:
        return f"{url}{'&' if '?' in rest else '?'}+X-Key={SECRETS['header of a channel']}"
    return url
