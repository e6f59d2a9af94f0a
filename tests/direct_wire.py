"""A client's connection straight into a simulator: what a socket would carry, in a hundredth of the time.

Requests come one after the other as long as the client asks for one at a time, so that a script meets the same
requests whenever the same is done.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime
from unittest.mock import patch

import httpx

from notifier.clock import Clock
from notifier.engage import client
from notifier.engage.simulated.exchange import Reply, SeenRequest
from notifier.engage.simulator import Simulator

ADDRESS = "http://simulated.example"


class DirectWire(httpx.BaseTransport):
    """Hands requests to a simulator that need not have been started."""

    def __init__(self, simulator: Simulator, clock: Clock) -> None:
        self._simulator = simulator
        self._clock = clock

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Returns the simulator's reply, or breaks where it breaks."""
        reply = self._simulator._reply_to(
            SeenRequest(
                at=self._clock(),
                method=request.method,
                path=request.url.raw_path.decode().partition("?")[0],
                query=request.url.query.decode(),
                correlation_id=request.headers.get("X-Correlation-Id"),
                accept_language=request.headers.get("Accept-Language"),
                authorization=request.headers.get("Authorization"),
                body=request.read(),
            )
        )
        if reply.hold or reply.sent == "nothing":
            raise httpx.ReadTimeout("no answer came", request=request)
        date = format_datetime(self._clock(), usegmt=True)
        headers = {"Date": date, "Content-Type": "application/json", **reply.headers}
        return httpx.Response(reply.status, headers=headers, stream=_Body(reply, request))


class _Body(httpx.SyncByteStream):
    def __init__(self, reply: Reply, request: httpx.Request) -> None:
        self._reply = reply
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        if self._reply.sent != "all":
            yield self._reply.body[: len(self._reply.body) // 2]
            raise httpx.ReadError("the connection was reset", request=self._request)
        yield self._reply.body
        piece = b" " * (1 << 20)
        for _ in range(self._reply.padding >> 20):
            yield piece


@contextmanager
def direct_wire(simulator: Simulator, clock: Clock) -> Iterator[None]:
    """Clients that are made meanwhile are connected with this simulator, whatever address they are given."""

    def connect(_timeout: timedelta, _connections: int) -> httpx.Client:
        return httpx.Client(transport=DirectWire(simulator, clock), follow_redirects=False)

    with patch.object(client, "http_client", connect):
        yield
