"""An HTTP server on this machine that answers as a test tells it to, and remembers what it was sent."""

import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Thread

PATIENCE = 10
"""Seconds after which a hanging answer ends by itself."""


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    #: The client's port: the same for requests over one connection.
    port: int


RESET = "reset"
HANG = "hang"
#: A status and the first byte of a body that never ends.
DRIP = "drip"
#: An answer that comes a byte at a time, and never gets to its status.
CRAWL = "crawl"


class Receiver(ThreadingHTTPServer):
    """Gives its replies in order, and the last one for ever; has a port before it listens there."""

    daemon_threads = True

    def __init__(self, replies: Sequence[Reply | str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.server_bind()
        self.requests: list[Request] = []
        self.released = Event()
        self._replies = list(replies) or [Reply()]
        self._hear: Callable[[], object] = lambda: None
        self._came = Condition()
        self._thread: Thread | None = None

    def listen(self) -> None:
        """Answers from now on; until then, connections are refused."""
        self.server_activate()
        self._thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends, and lets go whoever hangs."""
        self.released.set()
        if self._thread is not None:
            self.shutdown()
            self._thread.join(PATIENCE)
        self.server_close()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reply_with(self, *replies: Reply | str) -> None:
        """Gives these replies from now on."""
        with self._came:
            self._replies = list(replies)

    def hear(self, hear: Callable[[], object]) -> None:
        """Calls this from now on when a request has come, before it is answered."""
        self._hear = hear

    def wait_for(self, count: int, timeout: float) -> bool:
        """Waits until so many requests have come, at most so many seconds; tells whether they have."""
        with self._came:
            return self._came.wait_for(lambda: len(self.requests) >= count, timeout)

    def take(self, request: Request) -> Reply | str:
        with self._came:
            self._hear()
            self.requests.append(request)
            self._came.notify_all()
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def handle_error(self, *_: object) -> None:
        """Stays silent: clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            # Whoever sent it died in the middle, so this is no request.
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.take(Request(self.path, headers, body, int(self.client_address[1])))
        if isinstance(reply, Reply):
            self._answer(reply)
        else:
            getattr(self, f"_{reply}")()

    def do_GET(self) -> None:
        self.do_POST()

    def _answer(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def _reset(self) -> None:
        # Linger for 0 s: the close becomes a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _hang(self) -> None:
        self.server.released.wait(PATIENCE)
        self.close_connection = True

    def _drip(self) -> None:
        self.send_response(400)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x")
        self._hang()

    def _crawl(self) -> None:
        for _ in range(PATIENCE * 50):
            self.wfile.write(b"H")
            if self.server.released.wait(0.02):
                break
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Stays silent."""


@contextmanager
def receiving(*replies: Reply | str, listening: bool = True) -> Iterator[Receiver]:
    """Runs a receiver for the length of the block."""
    receiver = Receiver(replies)
    if listening:
        receiver.listen()
    try:
        yield receiver
    finally:
        receiver.close()


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
