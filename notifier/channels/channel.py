"""Channels: where messages go. The only file that talks to Apprise; its plugins of ours are `webhook` and `console`.

Every channel is one Apprise object with one address, called in the caller's thread. Apprise retries, waits and
follows redirects by itself where it is allowed to, all of which is the outbox's to decide, so it is not allowed to.
"""

import difflib
import json
import re
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, partial
from typing import Any

from apprise import Apprise, AppriseAsset, NotificationManager, NotifyBase, NotifyFormat, OverflowMode
from apprise.utils.parse import parse_urls

from notifier.channels import address
from notifier.channels.answer import Hearing, hearing, outcome_of
from notifier.channels.console import Console
from notifier.channels.custom import Custom, custom_of
from notifier.channels.parcel import Parcel, carrying
from notifier.channels.signature import signer
from notifier.channels.webhook import Webhook
from notifier.channels.wire import overhear
from notifier.core.delivery import Outcome
from notifier.core.escape import Target
from notifier.core.message import BODY_LIMIT, TITLE_LIMIT
from notifier.errors import NotifierError

__all__ = ["Channel", "ChannelError", "Parcel", "open_channel"]


class ChannelError(NotifierError, ValueError):
    """The channel's address can't be used."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One named destination."""

    name: str
    #: The address without its secrets.
    shown: str
    target: Target
    #: What is usual for its service.
    custom: Custom
    _apprise: Apprise
    _schema: str
    _open: "Callable[[], Channel]" = field(repr=False)

    @property
    def shows_words(self) -> bool:
        """Whether a person will read title and body there; a webhook is sent the document alone."""
        return not any(isinstance(plugin, Webhook) for plugin in self._apprise)

    @property
    def room(self) -> int:
        """How many characters of a body it shows; a tenth is for what its service makes of odd ones."""
        shown = [plugin.body_maxlen - (0 if plugin.title_maxlen else TITLE_LIMIT) for plugin in self._apprise]
        return max(min([BODY_LIMIT, *(one * 9 // 10 for one in shown)]), _LEAST_ROOM)

    def reopen(self) -> "Channel":
        """Returns the same channel, opened anew."""
        return self._open()

    def send(self, parcel: Parcel, known: Hearing | None = None) -> Outcome:
        """Sends once and says what came of it; a send that fails is no exception.

        What is known of it meanwhile can be read from `known` by another thread.
        """
        title, body = self._texts(parcel)
        with carrying(parcel), hearing(known) as answers:
            delivered = self._apprise.notify(title=title, body=body, body_format=self._format())
        return outcome_of(delivered=bool(delivered), answers=answers, now=parcel.now)

    def close(self) -> None:
        """Closes what the channel keeps open."""
        for plugin in self._apprise:
            if isinstance(plugin, Webhook):
                plugin.close()

    def _texts(self, parcel: Parcel) -> tuple[str, str]:
        """Returns title and body; Apprise refuses a message that has only a title."""
        message = parcel.message
        if not message.body.strip():
            return "", message.title or parcel.delivery_id
        if self._schema in address.TEAMS:
            return message.title, _fitting(message.body.replace("\n", "\n\n"), _TEAMS_BYTES, _json_bytes)
        title = _fitting(message.title, _SUBJECT_BYTES, _utf8_bytes) if self._schema in _SMTP else message.title
        # In the plain part that Apprise makes of HTML, the line break would become a space at the begin of a line.
        return title, message.body.replace("<br>\n", "<br>")

    def _format(self) -> NotifyFormat | None:
        if self._schema in address.OWN_MARKDOWN:
            return None
        return NotifyFormat.HTML if self.target is Target.HTML else NotifyFormat.TEXT


_LEAST_ROOM = 100

_SMTP = frozenset({"mailto", "mailtos"})

_SUBJECT_BYTES = 320
"""Apprise writes a subject on one line with up to three characters a byte; mail servers refuse lines of over 998."""

_TEAMS_BYTES = 25_000
"""Teams takes cards of 28 kB; the rest is for the title and the frame."""


def _utf8_bytes(text: str) -> int:
    return len(text.encode())


def _json_bytes(text: str) -> int:
    """Returns how long a text is as Apprise writes it, with escapes for all but ASCII."""
    return len(json.dumps(text))


def _fitting(text: str, limit: int, size: Callable[[str], int]) -> str:
    """Returns as much of the text as fits; what does not would be refused as a whole."""
    if size(text) <= limit:
        return text
    kept = bisect_right(range(len(text)), limit, key=lambda count: size(text[:count] + "…")) - 1
    return text[:kept].rstrip() + "…"


SEND_SECONDS = 30
"""How long one send may take, unless told otherwise."""


def open_channel(
    name: str, url: str, signing_secrets: Sequence[str] = (), timeout: timedelta = timedelta(seconds=SEND_SECONDS)
) -> Channel:
    """Returns the channel at an address.

    An `http://` or `https://` address is a webhook of ours, unless it is one that a chat service hands out for its
    own use, like `https://hooks.slack.com/services/...`, and there is no signing secret.
    Two secrets are for the time in which one replaces the other. Silence is taken for a failure after half of the
    time-out, so that what is left is for connecting, and for services that drip.

    Raises:
        ChannelError: the address can't be used; the message holds none of its secrets.
    """
    overhear()
    register_plugins()
    read_seconds = timeout.total_seconds() / 2
    schema, plugin = _plugin(url.strip(), signing_secrets, read_seconds)
    _check_options(plugin)
    # How often to send and how long to wait is the outbox's to decide, also where the service's answer says it.
    plugin.throttle = _no_wait  # type: ignore[method-assign]
    target = address.target_of(schema)
    said = vars(plugin)
    if "overflow_mode" not in said and target is Target.CHAT and schema not in address.OWN_MARKDOWN:
        # A message that is too long would be refused, and so lost.
        plugin.overflow_mode = OverflowMode.TRUNCATE
    if "socket_read_timeout" not in said:
        # After Apprise's 4 s a slow service has often taken the message, and would get it again.
        plugin.socket_read_timeout = read_seconds
    if schema in _SMTP and "socket_connect_timeout" not in said:
        # For mail it is the only one, and holds for every wait.
        plugin.socket_connect_timeout = read_seconds
    apprise = Apprise(asset=_asset())
    apprise.add(plugin)
    again = partial(open_channel, name, url, signing_secrets, timeout)
    return Channel(name, address.mask(url), target, custom_of(schema), apprise, schema, again)


@cache
def register_plugins() -> None:
    """Makes our plugins known to Apprise."""
    with warnings.catch_warnings():
        # Apprise imports all of its plugins now; what they use that is deprecated is not ours to mend.
        warnings.simplefilter("ignore", DeprecationWarning)
        _known().load_modules()
    for plugin in (Webhook, Console):
        _known().add(plugin, force=True)


def _known() -> Any:
    """Returns Apprise's one registry of plugins, which has no types."""
    return NotificationManager()  # type: ignore[no-untyped-call]


@cache
def _asset() -> AppriseAsset:
    return AppriseAsset(
        async_mode=False,
        service_timeout=0,
        http_redirects=False,
        app_id="notifier",
        app_desc="notifier",
        app_url="",
        # Apprise's own pictures, which every reader's program would fetch from its servers.
        image_url_mask="",
        image_url_logo="",
    )


def _plugin(url: str, signing_secrets: Sequence[str], read_seconds: float) -> tuple[str, NotifyBase]:
    """Returns the plugin of an address and the schema that it is known by; some call themselves `http` once built."""
    schema = address.schema_of(url)
    if schema is None:
        raise ChannelError("an address looks like schema://..., for example https://crm.example.com/hooks")
    if len(parse_urls(url)) > 1:  # type: ignore[no-untyped-call]
        raise ChannelError("a channel has one address; write a channel for each")
    if schema in {"http", "https"}:
        return _webhook(schema, url, signing_secrets, read_seconds)
    if signing_secrets:
        raise ChannelError(f"signing_secret is for http:// and https:// channels, not for {schema}://")
    _check_schema(schema)
    plugin = Apprise.instantiate(url, asset=_asset())
    if plugin is None:
        raise ChannelError(_refusal(schema))
    return schema, plugin


def _webhook(schema: str, url: str, signing_secrets: Sequence[str], read_seconds: float) -> tuple[str, NotifyBase]:
    native = None if signing_secrets else _native(url)
    if native is not None:
        return native
    try:
        signers = [signer(secret) for secret in signing_secrets]
    except ValueError as error:
        raise ChannelError(str(error)) from None
    options = {"schema": schema, "endpoint": url, "signers": signers, "read_seconds": read_seconds}
    plugin = None if re.search(r"\s", url) else Apprise.instantiate(options, asset=_asset())
    if plugin is None:
        raise ChannelError("the address of the webhook is malformed; it needs a host, and %-escapes for odd characters")
    return schema, plugin


def _native(url: str) -> tuple[str, NotifyBase] | None:
    """Returns schema and plugin of the chat service that handed out the address; None for any other address."""
    for kind in _known().plugins(include_disabled=False):
        parts = kind.parse_native_url(url)
        if parts and parts.get("schema") in address.NATIVE:
            plugin = Apprise.instantiate(parts, asset=_asset())
            return None if plugin is None else (parts["schema"], plugin)
    return None


def _check_schema(schema: str) -> None:
    known = _known()
    if schema in address.DEAF:
        raise ChannelError(f"{schema}:// {address.DEAF[schema]}, so a channel can't use it")
    if schema not in known:
        near = address.RENAMED.get(schema) or _nearest(schema, set(known.schemas()) - address.DEAF.keys())
        hint = f"; did you mean {near}://?" if near else ""
        # What looks like no name may be a secret in the wrong place.
        called = f"called {schema}://" if schema.isalnum() else "by this name"
        raise ChannelError(f"there is no kind of channel {called}{hint}")
    if not known[schema].enabled:
        packages = known[schema].requirements.get("packages_required") or []
        needed = packages if isinstance(packages, str) else ", ".join(packages)
        raise ChannelError(f"{schema}:// needs software that is not installed here: {needed or 'see its manual'}")


def _nearest(schema: str, schemas: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(schema, schemas, n=1)), "")


def _refusal(schema: str) -> str:
    manual = _known()[schema].setup_url
    return f"this is not how an address of {schema}:// is written" + (f"; see {manual}" if manual else "")


def _check_options(plugin: NotifyBase) -> None:
    if plugin.optional:
        raise ChannelError("optional=yes would count failures as successes; leave it out")
    if plugin.retry:
        raise ChannelError("retry= would repeat a message behind the outbox's back, which retries by itself")
    if plugin.redirects:
        raise ChannelError("redirect=yes would count a redirected message as delivered; leave it out")


def _no_wait(*_: object, **__: object) -> None:
    pass
