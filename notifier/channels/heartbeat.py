"""The monitor outside: an address that is fetched to say that all goes on, and that is missed when it is not."""

import ssl
from functools import cache
from queue import Empty, SimpleQueue
from threading import Thread

import httpx

from notifier import __version__
from notifier.channels.answer import cause

DEADLINE_SECONDS = 10.0
"""How long one heartbeat may take in all."""


class Monitor:
    """Whoever listens for heartbeats; the address is all secret, as in hc-ping.com/UUID."""

    def __init__(self, url: str, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._url = url
        self._deadline_seconds = deadline_seconds

    def fetch(self) -> str:
        """Fetches the address once; returns why it was not heard, and nothing where it was."""
        # That of the socket is longer, so that it is always ours that decides.
        headers, timeout = {"User-Agent": f"notifier/{__version__}"}, 2 * self._deadline_seconds
        client = httpx.Client(verify=_trust(), timeout=timeout, headers=headers)
        said: SimpleQueue[str] = SimpleQueue()
        # A time-out of a socket counts anew with every byte. What takes longer is left to itself, without its socket.
        Thread(target=lambda: said.put(_ask(client, self._url)), name="heartbeat", daemon=True).start()
        try:
            return said.get(timeout=self._deadline_seconds)
        except Empty:
            return f"no answer within {self._deadline_seconds:g} s"
        finally:
            client.close()


@cache
def _trust() -> ssl.SSLContext:
    # Takes 50 ms to build.
    return httpx.create_ssl_context()


def _ask(client: httpx.Client, url: str) -> str:
    try:
        with client.stream("GET", url) as response:
            return _verdict(response.status_code)
    except (httpx.HTTPError, httpx.InvalidURL, RuntimeError, ValueError) as error:
        # The last two: its socket was taken away, or the address has a name that no host can have.
        return cause(error)


def _verdict(status: int) -> str:
    # Too many of them were heard all the same.
    if httpx.codes.is_success(status) or status == httpx.codes.TOO_MANY_REQUESTS:
        return ""
    return f"HTTP {status}" + (", and redirects are not followed" if httpx.codes.is_redirect(status) else "")
