"""`[channels.NAME]` of `config.toml`: where messages go, and on what terms."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from notifier.catalogue import CODES, language_of
from notifier.config.table import (
    Duration,
    SecretLine,
    Table,
    among,
    as_text,
    as_tuple,
    numbers_as_tuple,
    wrong,
    wrong_value,
)
from notifier.core.appointment import APPOINTMENT_FIELDS, TEXT_FIELDS
from notifier.core.grant import Grant, grant_of
from notifier.core.language import Language

Uncertain = Literal["resend", "leave"]
"""What becomes of a message that went out and was not answered."""

MOST_SECRETS = 2
"""The one that signs, and the one that it replaces."""

MOST_WAITS = 100
"""Whoever wants to be tried more often than this wants longer waits."""

_RATE = r"^([1-9][0-9]{0,5})/([smh])$"
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def _channel_url(value: SecretStr) -> SecretStr:
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", value.get_secret_value()):
        raise wrong("must begin with a service, as slack://, mailtos:// or https:// do")
    return value


def _rate(value: object) -> timedelta:
    """Returns the least time between two sends."""
    match = re.fullmatch(_RATE, value) if isinstance(value, str) else None
    if match is None:
        raise wrong('must be so many a second, minute or hour, like "1/s", "30/m" or "100/h"')
    return timedelta(seconds=_SECONDS[match[2]] / int(match[1]))


Secrets = Annotated[tuple[SecretLine, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=MOST_SECRETS)]
Fields = Annotated[
    tuple[Annotated[str, among("field", (*APPOINTMENT_FIELDS, *TEXT_FIELDS))], ...],
    BeforeValidator(as_tuple),
    Field(min_length=1),
]


class ChannelTable(Table):
    """`[channels.NAME]`."""

    #: Any address that Apprise knows, or https:// for a webhook.
    url: Annotated[SecretStr, AfterValidator(_channel_url)]
    #: What webhooks are signed with; a second one is the old one, while receivers change.
    signing_secret: Secrets | None = None
    #: What of an appointment may leave to it; left out: ids, states and times.
    fields: Fields | None = None
    #: In what language its readers read; left out, that of the office, or of the configuration.
    language: Annotated[str, among("language", CODES)] | None = None
    #: No more messages than that, like 10/s or 30/m.
    rate: Annotated[timedelta, BeforeValidator(_rate), as_text(pattern=_RATE)] | None = None
    #: How long one send may take.
    timeout: Duration = timedelta(seconds=30)
    #: The waits between the tries.
    retry: Annotated[tuple[Duration, ...], BeforeValidator(as_tuple), Field(max_length=MOST_WAITS)] | None = None
    #: A message that is older is not tried again.
    give_up_after: Duration | None = None
    #: Statuses that are tried again although they mean no.
    retry_on: Annotated[tuple[Annotated[int, Field(ge=300, le=599)], ...], BeforeValidator(numbers_as_tuple)] = ()
    #: What becomes of a message that went out and was not answered.
    uncertain: Annotated[str, among("way", ("resend", "leave"))] | None = None
    #: What waited longer is compared with what is known by then.
    recheck_after: Duration = timedelta(minutes=1)

    @field_validator("signing_secret")
    @classmethod
    def _only_for_webhooks(cls, secrets: tuple[SecretStr, ...] | None, info: ValidationInfo) -> object:
        url: SecretStr | None = info.data.get("url")
        if secrets and url is not None and not re.match("https?://", url.get_secret_value(), re.IGNORECASE):
            raise wrong("is for channels whose url begins with https:// or http:// only")
        return secrets

    @field_validator("timeout")
    @classmethod
    def _not_for_ever(cls, timeout: timedelta) -> timedelta:
        if timeout > timedelta(minutes=10):
            raise wrong_value("must be at most 10m; a send that takes longer hangs")
        return timeout


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """One destination; what its address means is for `channels/channel.py`."""

    name: str
    url: SecretStr
    #: The first one signs; a second one, which it replaces, signs beside it. None for what is not signed.
    signing_secrets: tuple[SecretStr, ...] = ()
    #: The fields that may leave to it; None for the default ones.
    fields: tuple[str, ...] | None = None
    #: Of its readers; None for that of the office, or of the configuration.
    language: Language | None = None
    #: The least time between two sends; None for the one that its service is known to take.
    interval: timedelta | None = None
    #: How long one send may take.
    timeout: timedelta = timedelta(seconds=30)
    #: The waits between the tries; None for the usual ones.
    retry: tuple[timedelta, ...] | None = None
    give_up_after: timedelta | None = None
    #: Statuses that are retried although they mean no.
    retry_on: Collection[int] = field(default=frozenset())
    #: None for what is usual for its kind.
    uncertain: Uncertain | None = None
    recheck_after: timedelta = timedelta(minutes=1)

    @property
    def grant(self) -> Grant:
        """What it may see."""
        return grant_of(self.fields)


def channel_of(name: str, table: ChannelTable) -> ChannelSettings:
    """Returns the channel that the table describes."""
    return ChannelSettings(
        name=name,
        url=table.url,
        signing_secrets=table.signing_secret or (),
        fields=table.fields,
        language=None if table.language is None else language_of(table.language),
        interval=table.rate,
        timeout=table.timeout,
        retry=table.retry,
        give_up_after=table.give_up_after,
        retry_on=frozenset(table.retry_on),
        uncertain=_uncertain(table.uncertain),
        recheck_after=table.recheck_after,
    )


def _uncertain(word: str | None) -> Uncertain | None:
    if word is None:
        return None
    return "leave" if word == "leave" else "resend"
