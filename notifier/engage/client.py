"""The appointments API over HTTP: the only file that knows the HTTP client.

Every request carries a fresh X-Correlation-Id, which every log line about it repeats. What may pass is retried here
within a deadline; what will not is raised with its likely cause.
"""

import hashlib
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar

import httpx
import stamina
import structlog

from notifier.clock import Clock
from notifier.core.called import Called
from notifier.core.sweep import Filters, Span
from notifier.engage.answer import QueryRefused, Record, SourceBusy, check_status, http_date, page_of
from notifier.engage.budget import LAST, Budget
from notifier.engage.names import CAUSES, RESOURCES, names_in, with_any
from notifier.engage.query import Query, query_of, write_time
from notifier.engage.remembered import Listed, Recall, nothing
from notifier.engage.token import TokenSource
from notifier.errors import SourceRefused, SourceUnavailable, Stopping

log = structlog.get_logger(__name__)

_UNAUTHORIZED = 401
_TOO_MANY_REQUESTS = 429
_LONGEST_WAIT_SECONDS = 10

BODY_LIMIT = 32 << 20
"""Bytes of an answer that are taken: a page of 1,000 records has one to five million."""

TOKEN_LIMIT = 1 << 20
"""Bytes of a token endpoint's answer that are taken: a token has a few thousand."""

NAMES_SECONDS = 5.0
"""How long a request for names may take."""

PAGE_SIZES = (500, 250, 100, 25)
"""What is tried where a larger page is refused: the API's limit for this list is not documented."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how the appointments of one enterprise are listed."""

    base_url: str
    enterprise: str
    accept_language: str
    #: For each wait within a request: to connect, and for the next bytes.
    timeout: timedelta
    #: For one page with all its retries.
    deadline: timedelta
    page_size: int
    #: The parameter of a gateway that filters by `updatedAt`; the API itself has none.
    updated_since: str | None = None
    #: Before a request is tried again for the first time.
    first_wait: timedelta = timedelta(seconds=0.5)


@dataclass(frozen=True, slots=True)
class PageLook:
    """A page, and when it was asked for."""

    listed: Listed
    #: None where the page is byte for byte one that was recalled.
    records: tuple[Record, ...] | None
    #: Of the page's bytes.
    digest: bytes
    #: By our clock.
    asked_at: datetime
    #: By the source's clock, where it tells; the source's times are compared with this one.
    served_at: datetime | None
    #: Whether it begins with the record that the page before ended with: if not, the list slipped in between.
    seamless: bool = True


SEAM = 1
"""How many records of a page the next one repeats, so that a list that slips is noticed."""


@dataclass(frozen=True, slots=True)
class _Asking:
    """One list that is asked for: its query, how soon, and what of it came before."""

    query: Query
    urgency: float
    recall: Recall


Asked = TypeVar("Asked")


@dataclass(frozen=True, slots=True)
class _Request(Generic[Asked]):
    """One request: where, what, how soon, and how its answer is read, which may raise what the answer was."""

    url: str
    query: Query
    urgency: float
    read: Callable[["_Answer", datetime], Asked]
    #: How long it may take; None for as long as a page may.
    seconds: float | None = None
    #: The languages of the answer; empty for those of the endpoint.
    languages: str = ""


class SourceOverflow(SourceUnavailable):
    """An answer is larger than any page can be; it would be as large the next time."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class EngageClient:
    """Reads lists of appointments; safe to share between threads. Close it to give up the connections."""

    def __init__(
        self,
        endpoint: Endpoint,
        token: TokenSource,
        budget: Budget,
        clock: Clock,
        stopping: threading.Event,
    ) -> None:
        self._endpoint = endpoint
        self._token = token
        self._budget = budget
        self._clock = clock
        self._stopping = stopping
        #: How many records are asked for at once; smaller than configured once a larger page was refused.
        self.page_size = endpoint.page_size
        #: How many of them came at once lately.
        self.page_rows = endpoint.page_size
        self._http = http_client(endpoint.timeout, budget.concurrency)
        self._url = f"{endpoint.base_url.rstrip('/')}/enterprises/{endpoint.enterprise}"
        self._fetchers = ThreadPoolExecutor(budget.concurrency, thread_name_prefix="fetch")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives up all connections; requests that are under way fail."""
        self._http.close()
        self._fetchers.shutdown(wait=False, cancel_futures=True)

    def pages(
        self,
        span: Span,
        filters: Filters,
        urgency: float = 0.0,
        *,
        since: datetime | None = None,
        recall: Recall = nothing,
    ) -> Iterator[PageLook]:
        """Yields the pages of a list from first to last, the next ones being fetched meanwhile.

        Ends where the newest `totalCount` says that the list ends, or at an empty page. Each page begins with the
        record that the one before ended with, unless the list slipped. Of several lists, the pages of the one with
        the lower urgency come first.

        Args:
            span: start times to ask for.
            filters: what else to ask for, under the names of our fields.
            urgency: of its requests.
            since: only what was updated since; for a source with a gateway that can tell.
            recall: says what a page listed that came before.

        Raises:
            SourceUnavailable: a page did not come within its deadline.
            SourceRefused: the API refuses the query or the credentials.
        """
        asking = _Asking([*query_of(span, filters), *self._since(since)], urgency, recall)
        first, size = self._first(asking)
        yield first
        rows = self.page_rows = _rows(first.listed, size)
        # Pages of a single record have no room to repeat one.
        seam = SEAM if rows > SEAM else 0
        total, offset, last = first.listed.total, rows - seam, first.listed.ids[-1:]
        ahead: deque[Future[PageLook]] = deque()
        try:
            while ahead or offset + seam < total:
                while offset + seam < total and len(ahead) < self._budget.concurrency:
                    ahead.append(self._fetchers.submit(self._fetch, asking, offset, size))
                    offset += rows - seam
                look = ahead.popleft().result()
                total = look.listed.total if look.listed.ids else 0
                yield replace(look, seamless=not seam or look.listed.ids[:1] == last)
                last = look.listed.ids[-1:]
        finally:
            for future in ahead:
                future.cancel()

    def names(self, kind: str, ids: Sequence[str]) -> dict[str, Called]:
        """Returns what the source calls these, as many as fit an address; whoever it does not name is left out.

        All else goes first. It is asked for once and not for long, since a poll may wait for its place.

        Raises:
            NotGiven: we may not ask, or there is no such list.
            SourceError: no answer came, or one that may be another one the next time.
        """

        def read(answer: _Answer, _: datetime) -> dict[str, Called]:
            check_status(answer.status, answer.body, answer.headers, CAUSES[kind])
            return names_in(kind, answer.body)

        query = [*(("id[]", id_) for id_ in ids), ("limit", str(len(ids)))]
        url = f"{self._url}/{RESOURCES[kind]}"
        languages = with_any(self._endpoint.accept_language)
        return self._try(_Request(url, query, LAST, read, NAMES_SECONDS, languages), 1)

    def _since(self, since: datetime | None) -> Query:
        name = self._endpoint.updated_since
        return [(name, write_time(since))] if name and since else []

    def _first(self, asking: _Asking) -> tuple[PageLook, int]:
        """Returns the first page and its size, and settles on the largest one that the source takes."""
        wanted = self.page_size
        try:
            return self._fetch(asking, 0, wanted), wanted
        except QueryRefused:  # it may be the size, or anything else in the query, or something that passes
            for size in (size for size in PAGE_SIZES if size < wanted):
                with suppress(QueryRefused):
                    smaller = self._fetch(asking, 0, size)
                    with suppress(QueryRefused):
                        return self._fetch(asking, 0, wanted), wanted
                    self.page_size = min(self.page_size, size)
                    return smaller, size
            raise

    def _fetch(self, asking: _Asking, offset: int, size: int) -> PageLook:
        paged = [*asking.query, ("offset", str(offset)), ("limit", str(size))]
        url = f"{self._url}/appointments"
        return self._patiently(_Request(url, paged, asking.urgency, partial(_look, asking.recall)))

    def _patiently(self, request: _Request[Asked]) -> Asked:
        """Returns what is asked for; what may pass is tried again, with growing, jittered waits, until the deadline."""
        for attempt in stamina.retry_context(
            on=self._again,
            attempts=None,
            timeout=self._endpoint.deadline,
            wait_initial=self._endpoint.first_wait,
            wait_max=_LONGEST_WAIT_SECONDS,
        ):
            with attempt:
                return self._try(request, attempt.num)
        raise AssertionError("a retry context either returns or raises")

    def _again(self, error: Exception) -> bool | float:
        """Says whether a failed request is tried again, and after how many seconds if the source told."""
        if not isinstance(error, SourceUnavailable) or self._stopping.is_set():
            return False
        if isinstance(error, SourceOverflow):
            return False
        wait = error.retry_after if isinstance(error, SourceBusy) else None
        # Whoever says "at once", again and again, is waited for as if nothing had been said.
        if wait is None or wait < self._endpoint.first_wait:
            return True
        return wait.total_seconds() if wait <= self._endpoint.deadline else False

    def _try(self, request: _Request[Asked], attempt: int) -> Asked:
        token = self._token.current()
        status, asked = self._ask(request, token, attempt)
        if status == _UNAUTHORIZED and (renewed := self._token.renew(token)):
            status, asked = self._ask(request, renewed, attempt)
        return asked()

    def _ask(self, request: _Request[Asked], token: str, attempt: int) -> tuple[int, Callable[[], Asked]]:
        """Sends one request; returns its status, and a function that returns what was asked for or raises why not."""
        correlation = str(uuid.uuid4())
        headers = {
            "Authorization": f"Bearer {token}",
            "X-Correlation-Id": correlation,
            "Accept-Language": request.languages or self._endpoint.accept_language,
        }
        told = log.bind(correlation_id=correlation, url=request.url, attempt=attempt)
        with self._budget.request(request.urgency):
            asked_at, began = self._clock(), time.monotonic()
            try:
                answer = self._receive(request, headers)
            except SourceUnavailable as error:
                told.info("request_failed", error=str(error))
                error.args = (f"{error} (correlation id {correlation})",)
                raise
        if answer.status == _TOO_MANY_REQUESTS:
            self._budget.slow_down(began)
        told.debug("request", status=answer.status, bytes=len(answer.body))

        def asked() -> Asked:
            try:
                return request.read(answer, asked_at)
            except (SourceUnavailable, SourceRefused) as error:
                told.info("request_refused", status=answer.status, error=str(error))
                error.args = (f"{error} (correlation id {correlation})",)
                raise

        return answer.status, asked

    def _receive(self, request: _Request[Asked], headers: Mapping[str, str]) -> _Answer:
        """Returns a whole answer, of bounded size and within its time, however slowly it drips in."""
        if self._http.is_closed:
            raise Stopping
        end = time.monotonic() + (request.seconds or self._endpoint.deadline.total_seconds())
        wait, query = request.seconds or self._endpoint.timeout.total_seconds(), httpx.QueryParams(list(request.query))
        chunks: list[bytes] = []
        size = 0
        try:
            with self._http.stream("GET", request.url, params=query, headers=headers, timeout=wait) as answer:
                for chunk in answer.iter_bytes():
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > BODY_LIMIT:
                        raise SourceOverflow(f"the answer is larger than {BODY_LIMIT >> 20} MB; look at page_size")
                    if time.monotonic() > end:
                        raise SourceUnavailable("the answer did not end in time")
        except httpx.RequestError as error:
            if self._stopping.is_set():
                raise Stopping from error
            raise SourceUnavailable(_say(error)) from error
        return _Answer(answer.status_code, answer.headers, b"".join(chunks))


def http_client(timeout: timedelta, connections: int) -> httpx.Client:
    """Returns a client that follows no redirect, so that a token goes to no other address than the configured one."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx.Client(timeout=timeout.total_seconds(), limits=limits, follow_redirects=False)


def post_form(url: str, timeout: timedelta) -> Callable[[Mapping[str, str]], tuple[int, bytes]]:
    """Returns a function that posts a form to the URL and returns status and body.

    Raises, when called:
        SourceUnavailable: no answer came.
    """

    def post(form: Mapping[str, str]) -> tuple[int, bytes]:
        end = time.monotonic() + timeout.total_seconds()
        body = bytearray()
        try:
            with httpx.stream("POST", url, data=dict(form), timeout=timeout.total_seconds()) as answer:
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > TOKEN_LIMIT or time.monotonic() > end:
                        raise SourceUnavailable("the token URL: the answer is too large, or does not end")
        except httpx.RequestError as error:
            raise SourceUnavailable(f"the token URL: {_say(error)}") from error
        return answer.status_code, bytes(body)

    return post


def _look(recall: Recall, answer: _Answer, asked_at: datetime) -> PageLook:
    """Returns the page in an answer, read only if it can't be recalled."""
    check_status(answer.status, answer.body, answer.headers)
    digest = hashlib.sha256(answer.body).digest()
    served_at = http_date(answer.headers.get("Date"))
    if (listed := recall(digest)) is not None:
        return PageLook(listed, None, digest, asked_at, served_at)
    page = page_of(answer.body)
    listed = Listed(tuple(record.id for record in page.records), page.total, page.limit)
    return PageLook(listed, page.records, digest, asked_at, served_at)


def _rows(first: Listed, asked: int) -> int:
    """Returns how many records a page has: a server may give fewer than were asked for, and say so or not."""
    came, told = len(first.ids), min(first.limit, asked)
    return came if 0 < came < min(told, first.total) else told


def _say(error: httpx.RequestError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return f"no connection ({error})"
    if isinstance(error, httpx.DecodingError):
        return "the answer can't be unpacked"
    return f"the connection broke ({type(error).__name__})"
