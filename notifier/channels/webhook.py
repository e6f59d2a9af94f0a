"""The plugin behind `http://` and `https://` channels: posts the event as JSON, signed as Standard Webhooks say.

Apprise has no such thing: its `json://` sends a title and a body, unsigned. The plugin is known to Apprise, so that
a webhook is a channel like any other.
"""

import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx
import orjson
import standardwebhooks
from apprise import NotifyBase, NotifyType

from notifier import __version__
from notifier.channels.answer import Answer, cause, note, note_asked
from notifier.channels.parcel import Parcel, carried
from notifier.channels.signature import sign
from notifier.core.delivery import Reason

CONNECT_SECONDS = 5

BODY_LIMIT = 4096
"""As much of an answer is read."""

WORDS_LIMIT = 120


class Webhook(NotifyBase):  # type: ignore[no-untyped-call]
    """One webhook, with the connection that it keeps."""

    service_name = "Webhook"  # type: ignore[assignment]
    protocol = "http"  # type: ignore[assignment]
    secure_protocol = "https"  # type: ignore[assignment]
    request_rate_per_sec = 0

    def __init__(
        self,
        endpoint: str,
        signers: Sequence[standardwebhooks.Webhook] = (),
        read_seconds: float = 15,
        **options: Any,
    ) -> None:
        """Raises ValueError for an address without a host."""
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._endpoint = httpx.URL(endpoint)
        if not self._endpoint.host:
            raise ValueError("the address has no host")
        self._signers = signers
        self._read_seconds = read_seconds
        timeout = httpx.Timeout(read_seconds, connect=CONNECT_SECONDS)
        self._client = httpx.Client(verify=_trust(), timeout=timeout)
        # A request that is made whole takes half as long as one that the client puts together.
        self._extensions = {"trace": _follow, "timeout": timeout.as_dict()}

    @staticmethod
    def parse_url(url: str, *_: Any, **__: Any) -> dict[str, Any]:
        """Takes the address as it is: all of it, the query too, belongs to the receiver."""
        return {"schema": url.partition(":")[0].lower(), "endpoint": url}

    def url(self, *_: Any, **__: Any) -> str:
        """Returns what may be shown of the address."""
        return f"{self._endpoint.scheme}://{self._endpoint.host}/***"

    def close(self) -> None:
        """Closes the kept connection."""
        self._client.close()

    def send(self, body: str, title: str = "", notify_type: NotifyType = NotifyType.INFO, **_: Any) -> bool:  # noqa: ARG002
        """Posts the document of the carried parcel; the title and body are for people."""
        parcel = carried()
        document = orjson.dumps(parcel.document)
        headers = self._headers(parcel, document)
        request = httpx.Request("POST", self._endpoint, headers=headers, content=document, extensions=self._extensions)
        note_asked(asked=False)
        try:
            with closing(self._client.send(request, stream=True)) as response:
                answer = self._answer(response, parcel)
        except httpx.HTTPError as error:
            answer = Answer(failure=_failure(error), words=cause(error))
        note(answer)
        return answer.status is not None and httpx.codes.is_success(answer.status)

    def _headers(self, parcel: Parcel, document: bytes) -> dict[str, str]:
        headers = {
            "User-Agent": f"notifier/{__version__}",
            "Accept": "*/*",
            # What is read of an answer is cut; a packed one could be small and yet huge.
            "Accept-Encoding": "identity",
            "Content-Type": "application/cloudevents+json",
            "webhook-id": parcel.delivery_id,
            "webhook-timestamp": str(int(parcel.now.timestamp())),
        }
        if self._signers:
            headers["webhook-signature"] = sign(self._signers, parcel.delivery_id, parcel.now, document.decode())
        return headers

    def _answer(self, response: httpx.Response, parcel: Parcel) -> Answer:
        # A good answer is read as well: only then can the connection be used again.
        text = _read(response, self._read_seconds)
        words = "" if response.is_success else self._words(text, parcel)
        return Answer(response.status_code, retry_after=response.headers.get("Retry-After"), words=words)

    def _words(self, text: str, parcel: Parcel) -> str:
        """Returns the first words of a refusal, or none where they repeat what was sent or parts of the address."""
        if text.startswith("<") or any(part in text for part in self._unspeakable(parcel)):
            return ""
        return text[:WORDS_LIMIT]

    def _unspeakable(self, parcel: Parcel) -> Iterator[str]:
        address = self._endpoint
        parts = [*address.userinfo.decode().split(":"), *address.path.split("/")]
        parts += [value for _, value in parse_qsl(address.query.decode())]
        for part in [*parts, *_leaves(parcel.document.get("data"))]:
            # Shorter ones are found in any text.
            if len(part) >= 4:  # noqa: PLR2004
                yield part
                yield unquote(part)


@cache
def _trust() -> ssl.SSLContext:
    # Takes 50 ms to build, so all webhooks share it.
    return httpx.create_ssl_context()


_OUT_BEFORE_ANSWER = (httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError)


def _failure(error: httpx.HTTPError) -> Reason:
    if isinstance(error, _OUT_BEFORE_ANSWER):
        return Reason.UNCERTAIN
    return Reason.TIMEOUT if isinstance(error, httpx.TimeoutException) else Reason.UNREACHABLE


def _follow(step: str, _: object) -> None:
    if step == "http11.receive_response_headers.started":
        note_asked(asked=True)


def _read(response: httpx.Response, seconds: float) -> str:
    """Returns the first part of an answer's body on one line; a slow or broken one does not change the status."""
    body = b""
    end = time.monotonic() + seconds
    try:
        for chunk in response.iter_raw():
            body += chunk
            if len(body) >= BODY_LIMIT or time.monotonic() > end:
                break
    except httpx.HTTPError:
        pass
    text = body[:BODY_LIMIT].decode(errors="replace")
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, str):
        yield value
