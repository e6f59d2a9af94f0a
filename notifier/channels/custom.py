"""What is usual for the services behind the channels: how fast they are sent to, and whether a repeat is welcome."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Custom:
    """What is usual for one service."""

    #: The least time between two messages that it is known to take for long.
    interval: timedelta = timedelta(0)
    #: Whether it gets again what it may have got: it can tell by the id.
    resend: bool = False


_INTERVALS = {
    # One message a second: docs.slack.dev, "Rate limits".
    "slack": timedelta(seconds=1),
    # Five in two seconds for a webhook; the answers' headers say so, the documentation tells to heed those.
    "discord": timedelta(seconds=0.4),
    # Four a second: learn.microsoft.com, "Rate limiting for connectors"; workflows take no more.
    "msteams": timedelta(seconds=0.25),
    "workflows": timedelta(seconds=0.25),
    # One a second for a space: developers.google.com, "Usage limits".
    "gchat": timedelta(seconds=1),
    # One a second for a chat: core.telegram.org, "Broadcasting to users".
    "tgram": timedelta(seconds=1),
}


def custom_of(schema: str) -> Custom:
    """Returns what is usual for a service, by the schema of its addresses."""
    return Custom(_INTERVALS.get(schema, timedelta(0)), resend=schema in {"http", "https"})
