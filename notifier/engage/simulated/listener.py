"""The simulator's socket: HTTP/1.1 with connections kept alive, each reply but a padded one sent in one write."""

import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from selectors import EVENT_READ, DefaultSelector
from socket import SHUT_RDWR, SO_LINGER, SOL_SOCKET, socket
from socketserver import TCPServer
from struct import pack
from threading import Lock, Thread
from typing import Any, Final

from notifier.engage.simulated.exchange import Reply, SeenRequest, refuse

LONGEST_LINE: Final = 65_536
LARGEST_BODY: Final = 1_048_576
PIECE: Final = b" " * 65_536  # of padding
LAST_CHUNK: Final = b"0\r\n\r\n"
# On, with no time to linger: closing resets the connection.
NO_LINGER: Final = pack("hh" if sys.platform == "win32" else "ii", 1, 0)
BODILESS: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class Listener(ThreadingHTTPServer):
    """Listens on one address and asks a function for every reply."""

    daemon_threads = True  # a forgotten simulator must not keep its process alive
    block_on_close = False  # threads are joined here, with a time-out
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], clock: Callable[[], datetime], reply_to: Callable[[SeenRequest], Reply]
    ) -> None:
        self.clock = clock
        self.reply_to = reply_to
        self._connections: dict[socket, Thread] = {}
        self._connections_lock = Lock()
        super().__init__(address, _Conversation)

    def server_bind(self) -> None:
        """Bind without looking up the host's name, which `HTTPServer` does and which may take seconds."""
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        thread = Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        with self._connections_lock:
            self._connections[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        super().shutdown_request(request)
        with self._connections_lock:
            self._connections.pop(request, None)

    def hang_up(self, timeout: float) -> None:
        """End all connections and wait for their threads, each at most so many seconds."""
        with self._connections_lock:
            connections = dict(self._connections)
        for connection in connections:
            with suppress(OSError):  # it may have ended by itself
                connection.shutdown(SHUT_RDWR)
        for thread in connections.values():
            thread.join(timeout)
        if any(thread.is_alive() for thread in connections.values()):
            raise TimeoutError("a request is still being answered: does a script wait for something?")


class _Conversation(BaseHTTPRequestHandler):
    """One connection and the requests that come over it."""

    server: Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    _resets = False  # whether the connection ends without a goodbye

    def finish(self) -> None:
        """End the conversation."""
        super().finish()
        if self._resets:
            with suppress(OSError):  # the client may have been quicker
                self.connection.setsockopt(SOL_SOCKET, SO_LINGER, NO_LINGER)
            self.connection.close()  # before the server closes it properly

    def handle_one_request(self) -> None:
        """Read one request, whatever its method, and answer it."""
        try:
            self.raw_requestline = self.rfile.readline(LONGEST_LINE + 1)
            if not self.raw_requestline:
                self.close_connection = True
            elif len(self.raw_requestline) > LONGEST_LINE:
                self.command, self.requestline = "", ""
                self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
            elif self.parse_request():
                self._converse()
        except ConnectionError:
            self.close_connection = True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is not HTTP with the API's error document, and hang up, since the rest cannot be read."""
        self.close_connection = True
        self._send(refuse(code, message or explain or responses[code]))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """Say nothing: the simulator keeps a record of its own."""

    def _converse(self) -> None:
        if (body := self._body()) is None:
            return
        path, _, query = self.path.partition("?")
        request = SeenRequest(
            at=self.server.clock(),
            method=self.command,
            path=path,
            query=query,
            correlation_id=self.headers.get("X-Correlation-Id"),
            accept_language=self.headers.get("Accept-Language"),
            authorization=self.headers.get("Authorization"),
            body=body,
        )
        self._send(self.server.reply_to(request))

    def _body(self) -> bytes | None:
        """The request's body; None if it was refused."""
        length: str = self.headers.get("Content-Length", "0")
        if fault := _length_fault(length, chunked="Transfer-Encoding" in self.headers):
            self.send_error(fault)
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("the client hung up")
        return body

    def _send(self, reply: Reply) -> None:
        given_up = bool(reply.hold) and self._hangs_up_within(reply.hold)
        if given_up or reply.sent != "all":
            self.close_connection = True
        if given_up or reply.sent == "nothing":
            return
        self._resets = reply.sent == "reset"
        body = b"" if self.command == "HEAD" or reply.status in BODILESS else reply.body
        if reply.sent != "all":
            self.wfile.write(self._head(reply) + body[: len(body) // 2])
        elif reply.padding and body:
            self._stream(reply, body)
        else:
            self.wfile.write(self._head(reply) + body)

    def _hangs_up_within(self, hold: timedelta) -> bool:
        """Wait; the client, or whoever stops the server, may end the connection meanwhile, which tells at once."""
        with DefaultSelector() as selector:
            selector.register(self.connection, EVENT_READ)
            return bool(selector.select(hold.total_seconds()))

    def _stream(self, reply: Reply, body: bytes) -> None:
        """Send a padded reply in chunks, as long as the client takes them."""
        self.wfile.write(self._head(reply) + _chunk(body))
        for _ in range(reply.padding // len(PIECE)):
            self.wfile.write(_chunk(PIECE))
        self.wfile.write(_chunk(PIECE[: reply.padding % len(PIECE)]) + LAST_CHUNK)

    def _head(self, reply: Reply) -> bytes:
        now = self.server.clock().astimezone(UTC)
        headers = {"Date": format_datetime(now, usegmt=True), "Content-Type": "application/json"}
        if reply.padding:
            headers["Transfer-Encoding"] = "chunked"
        elif reply.status not in BODILESS:
            headers["Content-Length"] = str(len(reply.body))
        if self.close_connection and reply.sent == "all":
            headers["Connection"] = "close"
        headers |= reply.headers
        lines = [f"HTTP/1.1 {reply.status:d} {responses.get(reply.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def _length_fault(length: str, *, chunked: bool) -> HTTPStatus | None:
    if chunked:
        return HTTPStatus.LENGTH_REQUIRED
    if not (length.isascii() and length.isdigit()):
        return HTTPStatus.BAD_REQUEST
    too_long = len(length) > len(str(LARGEST_BODY)) or int(length) > LARGEST_BODY
    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if too_long else None
