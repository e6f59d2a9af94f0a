"""An appointments API with a life of its own: a real HTTP server over enterprises kept in memory.

`notifier demo`, the tests and the benchmarks poll it over a socket as they would poll Pexip Engage. It answers what is
documented, refuses what the documentation refuses, and keeps the documented limits. Where the documentation is silent,
it can be told to behave otherwise (`span`, `edges`, `order`, `page_cap`, `limits`, `scopes`), to stand behind a gateway
with a parameter of its own (`updated_since`), to let rows slip while they are read (`slip`), and to fail (`faults`,
`fail_next`, a script).

A request goes this way: the server reads it, `_handle` lets it past the quota, then a queued fault, the script or a
fault that is drawn may answer it, else `_route` does. What a list holds is decided in `query.select`, in which order it
comes in `order`, apart from all this.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from itertools import count
from threading import Lock, Thread
from types import TracebackType
from typing import Final, Self
from urllib.parse import unquote

from notifier.engage.simulated.broken_reply import broken, made_up
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulated.exchange import Record, Reply, SeenRequest, Sent, answer, refuse, wrong_method
from notifier.engage.simulated.faults import OFF, FaultKind, Faults, Strikes
from notifier.engage.simulated.grants import READ, WRITE, Tokens
from notifier.engage.simulated.listener import Listener
from notifier.engage.simulated.named import SCOPES, Named
from notifier.engage.simulated.order import Order, shuffle
from notifier.engage.simulated.page import Cap, capped, default_limit, write_page
from notifier.engage.simulated.query import Dialect, Edges, QueryError, Span, Wanted, parse
from notifier.engage.simulated.quota import Limits, Quota
from notifier.engage.simulated.row import Row
from notifier.engage.simulated.slip import NEVER, Slip, SlipKind, Slips

Clock = Callable[[], datetime]
Script = Callable[[SeenRequest], Reply | FaultKind | None]

API: Final = "/enterprises/"
LONGEST_CORRELATION_ID: Final = 36
POLL: Final = 0.02  # seconds that stopping may take to be noticed
PATIENCE: Final = 5.0  # seconds that a thread has to end

_LIST: Final = re.compile(r"/enterprises/([^/]+)/appointments")
_ITEM: Final = re.compile(r"/enterprises/([^/]+)/appointments/([^/]+)")
_NAMED: Final = re.compile(r"/enterprises/([^/]+)/(offices|subjects|employees)")
_TOKEN: Final = re.compile(r"/realms/([^/]+)/protocol/openid-connect/token")


@dataclass(slots=True)
class _Queued:
    """A reply that waits for the next requests to a path."""

    reply: Reply
    path: str
    times: int


class Simulator:
    """Serves one or more enterprises on a local port, between `start` and `stop` or within a `with` block.

    The fixed token and the client's secret are drawn at random unless they are given; `token` and `client_secret` tell
    them. `order_seed` is for the unstable order.

    `script` is asked before the simulator answers: its reply is sent if it gives one, and a kind of fault strikes the
    simulator's. It may wait first, which makes a slow API, or change the enterprise, which makes a list slip between
    two pages. It is not asked about requests above the limits.
    """

    def __init__(
        self,
        enterprise_name: str = "acme",
        enterprise: Enterprise | None = None,
        *,
        clock: Clock,
        others: Mapping[str, Enterprise] | None = None,
        token: str | None = None,
        client_id: str = "notifier",
        client_secret: str | None = None,
        token_lifetime: timedelta = timedelta(minutes=5),
        scopes: Iterable[str] = (READ,),
        limits: Limits | None = None,
        span: Span = "overlap",
        edges: Edges = "usual",
        updated_since: str | None = None,
        order: Order = "insertion",
        order_seed: int = 1,
        page_cap: int | None = None,
        cap: Cap = "refuse",
        slip: Slip = NEVER,
        faults: Faults = OFF,
        script: Script | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if page_cap is not None and page_cap < 1:
            raise ValueError("a page has at least one row")
        self.enterprise_name = enterprise_name
        self.enterprise = Enterprise() if enterprise is None else enterprise
        self.enterprises: dict[str, Enterprise] = {enterprise_name: self.enterprise, **(others or {})}
        self.script = script
        self.span: Span = span
        self.edges: Edges = edges
        self.updated_since = updated_since  # a gateway's parameter that filters by `updatedAt`; None: there is none
        self.order: Order = order
        self.order_seed = order_seed
        self.page_cap = page_cap  # rows on a page at most, below the documented thousand
        self.cap: Cap = cap
        self.slip = slip
        self.faults = faults
        self.named = Named()
        self._clock = clock
        self._tokens = Tokens(token, client_id, client_secret, token_lifetime, scopes)
        self._quota = Quota(limits or Limits())
        self._record = Record()
        self._numbers = count(1)
        self._strikes = Strikes()
        self._slips = Slips()
        self._queue: list[_Queued] = []
        self._queue_lock = Lock()
        self._address = (host, port)
        self._listener: Listener | None = None
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; after a stop, on the same port again."""
        if self._listener is not None:
            raise RuntimeError("the simulator has started already")
        self._listener = Listener(self._address, self._clock, self._reply_to)
        self._address = (self._address[0], self._listener.server_address[1])
        self._thread = Thread(target=self._listener.serve_forever, args=(POLL,), name="simulator", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End all connections and threads; a request under way is cut off."""
        if self._listener is None or self._thread is None:
            return
        listener, self._listener = self._listener, None
        listener.shutdown()
        self._thread.join(PATIENCE)
        listener.server_close()
        listener.hang_up(PATIENCE)

    @property
    def base_url(self) -> str:
        """The API's address, without the enterprise."""
        host, port = self._address
        if not port:
            raise RuntimeError("the simulator has no port before it starts")
        return f"http://{host}:{port}"

    @property
    def token_url(self) -> str:
        """Where the first enterprise's tokens are granted."""
        return f"{self.base_url}/realms/{self.enterprise_name}/protocol/openid-connect/token"

    @property
    def token(self) -> str:
        """The fixed bearer token."""
        return self._tokens.fixed

    @property
    def client_id(self) -> str:
        """The client that may ask for tokens."""
        return self._tokens.client_id

    @property
    def client_secret(self) -> str:
        """That client's secret."""
        return self._tokens.client_secret

    def rotate_token(self) -> str:
        """Replace the fixed token; the old one is refused from now on."""
        return self._tokens.rotate()

    def expire_tokens(self) -> None:
        """End every granted token before its time."""
        self._tokens.expire()

    @property
    def scopes(self) -> frozenset[str]:
        """What the fixed token and tokens granted from now on allow; without its scope, a list answers 403."""
        return self._tokens.scopes

    @scopes.setter
    def scopes(self, scopes: Iterable[str]) -> None:
        self._tokens.scopes = frozenset(scopes)

    @property
    def limits(self) -> Limits:
        """The ceilings in force."""
        return self._quota.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._quota.limits = limits

    @property
    def peak(self) -> int:
        """The most API requests that were ever handled at once."""
        return self._quota.peak

    @property
    def requests(self) -> tuple[SeenRequest, ...]:
        """The latest requests, oldest first, each with its status."""
        return self._record.requests()

    @property
    def counts(self) -> Counter[tuple[str, int]]:
        """How many requests there were for each path and status."""
        return self._record.counts()

    @property
    def faulted(self) -> Counter[FaultKind]:
        """How often each kind of fault struck, drawn or named by the script."""
        return self._strikes.counts

    @property
    def slipped(self) -> Counter[SlipKind]:
        """How often each kind of slip happened."""
        return self._slips.counts

    def wait_for_requests(self, count: int, timeout: float) -> bool:
        """Wait until so many requests have been answered, at most so many seconds; tells whether they have."""
        return self._record.wait(count, timeout)

    def forget_requests(self) -> None:
        """Begin the record anew."""
        self._record.clear()

    def fail_next(
        self,
        status: int,
        times: int = 1,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        path: str = API,
        sent: Sent = "all",
    ) -> None:
        """Answer the next requests whose path begins like this with a fault, by default with the error document."""
        made = refuse(status, "a fault that was asked for")
        reply = Reply(status, made.body if body is None else body, headers or {}, sent)
        with self._queue_lock:
            self._queue.append(_Queued(reply, path, times))

    def _reply_to(self, request: SeenRequest) -> Reply:
        """Answer one request and put it on record, before a byte of the answer can reach the client."""
        request = replace(request, number=next(self._numbers))
        reply = self._handle(request)
        if request.correlation_id is not None and _fits(request.correlation_id):
            reply = replace(reply, headers={"X-Correlation-Id": request.correlation_id, **reply.headers})
        self._record.add(replace(request, status=None if reply.sent == "nothing" else int(reply.status)))
        return reply

    def _handle(self, request: SeenRequest) -> Reply:
        """Answer a request to the API under the quota, which it leaves before the client can read the reply."""
        if not request.path.startswith(API):
            return self._answer(request)
        if excess := self._quota.enter(request.at):
            wait = self.limits.retry_after
            headers = {} if wait is None else {"Retry-After": str(wait)}
            return refuse(HTTPStatus.TOO_MANY_REQUESTS, excess, "RATE_LIMIT_EXCEEDED", headers)
        try:
            return self._answer(request)
        finally:
            self._quota.leave()

    def _answer(self, request: SeenRequest) -> Reply:
        """What a queued fault, the script, a fault by share or the API itself answers, whichever comes first."""
        said = self._queued(request.path) or (self.script(request) if self.script else None)
        if isinstance(said, Reply):
            return said
        kind = said or (self._drawn(request) if self.faults.share else None)
        reply = self._route(request) if kind is None else self._strike(kind, request)
        if reply.status == HTTPStatus.UNAUTHORIZED:
            self._strikes.note_refused_token(request.number)
        return reply

    def _drawn(self, request: SeenRequest) -> FaultKind | None:
        asks_token = _TOKEN.fullmatch(request.path) is not None
        renewable = self._tokens.is_granted(request.authorization)
        return self._strikes.draw(self.faults, request.number, asks_token=asks_token, renewable=renewable)

    def _strike(self, kind: FaultKind, request: SeenRequest) -> Reply:
        """Answer as a fault makes the API answer; it counts if it finds something to strike."""
        if reply := made_up(kind, request, self.faults):
            self._strikes.count(kind)
            return reply
        ended = kind is FaultKind.EXPIRED_TOKEN and self._tokens.end(request.authorization)
        own = self._route(request)
        reply = own if ended else broken(kind, own, self.faults, request.number)
        if reply is not None:
            self._strikes.count(kind)
        return reply or own

    def _queued(self, path: str) -> Reply | None:
        with self._queue_lock:
            fault = next((one for one in self._queue if path.startswith(one.path)), None)
            if fault is None:
                return None
            fault.times -= 1
            if fault.times <= 0:
                self._queue.remove(fault)
            return fault.reply

    def _route(self, request: SeenRequest) -> Reply:
        if found := _LIST.fullmatch(request.path):
            return self._read(request, found[1], lambda enterprise: self._list(request, enterprise))
        if found := _ITEM.fullmatch(request.path):
            wanted = unquote(found[2])
            return self._read(request, found[1], lambda enterprise: _item(request, enterprise, wanted))
        if found := _NAMED.fullmatch(request.path):
            kind = found[2]
            return self._read(request, found[1], lambda _: self.named.answer(kind, request.query), SCOPES[kind])
        if found := _TOKEN.fullmatch(request.path):
            return self._grant(request, unquote(found[1]))
        return refuse(HTTPStatus.NOT_FOUND, "no such path", "PATH_UNKNOWN")

    def _grant(self, request: SeenRequest, name: str) -> Reply:
        if name not in self.enterprises:
            return answer({"error": "Realm does not exist"}, HTTPStatus.NOT_FOUND)
        if request.method != "POST":
            return wrong_method("POST")
        return self._tokens.grant(request, name, request.at)

    def _read(
        self,
        request: SeenRequest,
        quoted_name: str,
        read: Callable[[Enterprise], Reply],
        needed: Collection[str] = (READ, WRITE),
    ) -> Reply:
        """Read from an enterprise, if it exists and the request is fit and allowed to."""
        enterprise = self.enterprises.get(name := unquote(quoted_name))
        if enterprise is None:
            return refuse(HTTPStatus.NOT_FOUND, f"no enterprise {name!r}", "ENTERPRISE_UNKNOWN")
        if request.method != "GET":
            return wrong_method("GET")
        refusal = self._tokens.check(request.authorization, name, request.at, needed) or _unfit(request)
        return refusal or read(enterprise)

    def _list(self, request: SeenRequest, enterprise: Enterprise) -> Reply:
        try:
            query = parse(request.query, self._dialect())
            given, told = capped(query.limit, self.page_cap, self.cap)
        except QueryError as error:
            return refuse(HTTPStatus.BAD_REQUEST, str(error), error.code)
        found = self._found(request, enterprise, query.wanted)
        if query.offset and self.slip.share:
            self._slips.before_page(self.slip, enterprise, found, query.offset, request.at)
            found = self._found(request, enterprise, query.wanted)
        return Reply(body=write_page(found, query.offset, given, told))

    def _dialect(self) -> Dialect:
        return Dialect(self.span, self.edges, default_limit(self.page_cap), self.updated_since)

    def _found(self, request: SeenRequest, enterprise: Enterprise, wanted: Wanted) -> Sequence[Row]:
        if self.order == "unstable":
            return shuffle(enterprise.select(wanted), self.order_seed, request.number)
        return enterprise.select(wanted, self.order)


def _item(request: SeenRequest, enterprise: Enterprise, appointment_id: str) -> Reply:
    if request.query:
        return refuse(HTTPStatus.BAD_REQUEST, "one appointment takes no query parameters", "QUERY_PARAMETER_UNKNOWN")
    row = enterprise.row(appointment_id)
    if row is None:
        return refuse(HTTPStatus.NOT_FOUND, f"no appointment {appointment_id!r}", "APPOINTMENT_UNKNOWN")
    return Reply(body=b'{"data":' + row.body + b"}")


def _unfit(request: SeenRequest) -> Reply | None:
    """Refuse headers that break a documented length."""
    if request.correlation_id is not None and not _fits(request.correlation_id):
        message = f"X-Correlation-Id must have 1 to {LONGEST_CORRELATION_ID} characters"
        return refuse(HTTPStatus.BAD_REQUEST, message, "HEADER_INVALID")
    if request.accept_language is not None and not request.accept_language:
        return refuse(HTTPStatus.BAD_REQUEST, "Accept-Language is empty", "HEADER_INVALID")
    return None


def _fits(correlation_id: str) -> bool:
    return 1 <= len(correlation_id) <= LONGEST_CORRELATION_ID and correlation_id.isprintable()
