"""What goes in and out of the simulator: a request as it was seen, and the reply to it."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from http.client import responses
from threading import Condition
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

import orjson

REMEMBERED: Final = 10_000  # requests kept on record

# How much of a reply goes out before the connection closes; "half" and "reset" stop in the middle of the body, and
# "reset" breaks the connection off instead of closing it.
Sent = Literal["all", "half", "reset", "nothing"]

AT_ONCE: Final = timedelta()


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request that arrived; a script is shown it, and it stays on record."""

    at: datetime
    method: str
    path: str  # still percent-encoded, without the query
    query: str  # the same, without the question mark
    correlation_id: str | None = None  # X-Correlation-Id
    accept_language: str | None = None
    authorization: str | None = field(default=None, repr=False)
    body: bytes = field(default=b"", repr=False)
    status: int | None = None  # of the reply; None while there is none, and if none was sent
    number: int = 0  # among all that a simulator was asked, counted from 1

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The query's names and values, decoded."""
        return parse_qsl(self.query, keep_blank_values=True)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, made by the simulator or by a test's script."""

    status: int = HTTPStatus.OK
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)  # beside Date, Content-Type and Content-Length, or instead
    sent: Sent = "all"
    hold: timedelta = AT_ONCE  # to wait before anything is sent, unless the client gives up first
    padding: int = 0  # bytes of spaces that follow the body, streamed with no length told


def answer(document: Mapping[str, Any], status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Reply:
    """A reply with a JSON body."""
    return Reply(status, orjson.dumps(document), headers or {})


def refuse(status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
    """A reply with the API's error document, whose members are all text, the status too."""
    kind = responses.get(status, "Unknown").upper().replace(" ", "_")
    error = {"message": message, "code": code or kind, "type": kind, "statusCode": str(int(status))}
    return answer({"errors": [error]}, status, headers)


def wrong_method(allowed: str) -> Reply:
    """The reply to a method that a path does not have."""
    return refuse(HTTPStatus.METHOD_NOT_ALLOWED, f"only {allowed} is supported here", headers={"Allow": allowed})


class Record:
    """The latest requests, each with its status, and how many there were of each kind."""

    def __init__(self) -> None:
        self._requests: deque[SeenRequest] = deque(maxlen=REMEMBERED)
        self._counts: Counter[tuple[str, int]] = Counter()
        self._added = Condition()

    def add(self, request: SeenRequest) -> None:
        """Keep a request that has its status."""
        with self._added:
            self._requests.append(request)
            self._counts[request.path, request.status or 0] += 1
            self._added.notify_all()

    def requests(self) -> tuple[SeenRequest, ...]:
        """The requests, oldest first."""
        with self._added:
            return tuple(self._requests)

    def counts(self) -> Counter[tuple[str, int]]:
        """How many requests there were for each path and status."""
        with self._added:
            return self._counts.copy()

    def wait(self, count: int, timeout: float) -> bool:
        """Wait until so many requests have been answered, at most so many seconds; tells whether they have."""
        with self._added:
            return self._added.wait_for(lambda: self._counts.total() >= count, timeout)

    def clear(self) -> None:
        """Forget all of them."""
        with self._added:
            self._requests.clear()
            self._counts.clear()
