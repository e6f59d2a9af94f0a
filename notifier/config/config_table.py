"""The tables of `config.toml`: every key that it may have, what the key takes, and its default.

`settings.py` turns them into the values that the program works with.
"""

import re
from datetime import timedelta
from typing import Annotated
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from notifier.catalogue import CODES
from notifier.config.calendar_section import CalendarTable, read_zone
from notifier.config.channel_section import ChannelTable
from notifier.config.directory_section import DirectoryTable
from notifier.config.table import (
    Duration,
    Offset,
    SecretLine,
    Table,
    Text,
    among,
    as_text,
    as_tuple,
    no_twins,
    wrong,
    wrong_value,
)
from notifier.core.appointment import MEETING_TYPES, STATUSES
from notifier.core.directory import KINDS
from notifier.core.watch import CLOCK

FARTHEST = timedelta(days=3650)
"""How far from now a sweep may reach; beyond lie only typing errors."""

STRAYS = "strays"
"""The name that enquiries about appointments in no sweep go by."""

MEMORY = ":memory:"

OWN_PARAMETERS = frozenset({"from", "to", "offset", "limit"})
"""What the API calls the parameters that every query may have."""


_NAME = "[A-Za-z0-9_-]+"


def _name(value: str) -> str:
    if not re.fullmatch(_NAME, value):
        raise wrong_value("must consist of letters, digits, - and _")
    return value


def _free(value: str) -> str:
    if value in {STRAYS, CLOCK}:
        raise wrong_value("is the name of what is found beside all sweeps; choose another")
    return value


def _near_offset(value: timedelta) -> timedelta:
    if abs(value) > FARTHEST:
        raise wrong_value("must be within ten years from now")
    return value


def _store_url(value: str) -> str:
    name = value.removeprefix("sqlite:///")
    if name in {value, "", MEMORY} or "?" in name:
        # An address of another database may hold a password.
        raise wrong("must be sqlite:/// and the name of a file; other databases are not supported yet")
    return value


def _address(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or re.search(r"\s", value):
        raise wrong("must be an address like https://api.example.com")
    if parts.username or parts.password:
        raise wrong("must not hold a user or a password")
    return parts


def _secret_address(value: SecretStr) -> SecretStr:
    _address(value.get_secret_value())
    return value


def _token_url(value: str) -> str:
    _address(value)
    return value


def _base_url(value: str) -> str:
    parts = _address(value)
    if "/enterprises" in parts.path:
        raise wrong("must end before `/enterprises`: that part is added from `enterprise`")
    if parts.query or parts.fragment:
        raise wrong("must not hold a `?` or `#`")
    return value.rstrip("/")


def _enterprise(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._~-]+", value):
        raise wrong_value("must be the enterprise's short name, as in the address of the API")
    return value


def _parameter(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]*", value):
        raise wrong_value("must be the name of a query parameter: letters, digits, -, _ and .")
    if value in OWN_PARAMETERS:
        raise wrong_value("must be a parameter of its own; notifier asks by this one for something else")
    return value


def _languages(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9*,;=. -]+", value):
        raise wrong_value('must list languages like "nl, en;q=0.8, *;q=0.5"')
    return value


def _secret_text(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise wrong("must not be empty")
    return value


Name = Annotated[str, AfterValidator(_name), as_text(pattern=f"^{_NAME}$")]
Zone = Annotated[ZoneInfo, BeforeValidator(read_zone), as_text(minLength=1)]
NearOffset = Annotated[Offset, AfterValidator(_near_offset)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(as_tuple), Field(min_length=1)]
Statuses = Annotated[
    tuple[Annotated[str, among("status", STATUSES)], ...], BeforeValidator(as_tuple), Field(min_length=1)
]
Kinds = Annotated[tuple[Annotated[str, among("kind", KINDS)], ...], BeforeValidator(as_tuple), AfterValidator(no_twins)]
MeetingTypes = Annotated[
    tuple[Annotated[str, among("meeting type", MEETING_TYPES)], ...], BeforeValidator(as_tuple), Field(min_length=1)
]


DEFAULT_RULES = ("rules/*.toml",)


class StoreTable(Table):
    """`[store]`."""

    #: A SQLite file: sqlite:/// and its name, seen from the folder of this file.
    url: Annotated[str, AfterValidator(_store_url)] = "sqlite:///notifier.db"
    #: full: a power cut repeats no message; normal: faster on slow disks.
    synchronous: Annotated[str, among("mode", ("full", "normal"))] = "full"


class OAuthTable(Table):
    """`[sources.NAME.oauth]`."""

    #: Where a token is asked for.
    token_url: Annotated[str, AfterValidator(_token_url)]
    #: As Pexip told you.
    client_id: Text
    #: As Pexip told you; write a reference, like ${file:engage.secret}.
    client_secret: Annotated[SecretStr, AfterValidator(_secret_text)]
    #: Only if Pexip told you one.
    scope: Text | None = None


class LimitsTable(Table):
    """`[sources.NAME.limits]`; the vendor's ceilings are 3000 and 4 for each address of ours."""

    #: The most requests in a minute.
    requests_per_minute: Annotated[int, Field(ge=1, le=3000)] = 1500
    #: The most requests at the same time.
    concurrency: Annotated[int, Field(ge=1, le=4)] = 2


class BrakeTable(Table):
    """`[sources.NAME.brake]`."""

    #: More than this share of the known appointments of a sweep changed: a person is asked first.
    share: Annotated[float, Field(ge=0.01, le=1)] = 0.2
    #: More than so many changes at once: a person is asked first.
    count: Annotated[int, Field(ge=1)] = 500


class SweepTable(Table):
    """`[[sources.NAME.sweeps]]`; all keys but the first four are filters of the API, under the names of our fields."""

    #: Unique in its source.
    name: Annotated[Name, AfterValidator(_free)]
    #: How often it is made.
    every: Duration
    #: The first start of an appointment, seen from now: -1d is a day ago.
    begin: NearOffset | None = Field(default=None, alias="from")
    #: The last start of an appointment, seen from now.
    end: NearOffset | None = Field(default=None, alias="to")
    #: Ids of appointments.
    id: Texts | None = None
    #: Ids that your systems gave.
    external_id: Texts | None = None
    #: Statuses.
    status: Statuses | None = None
    #: How people meet.
    meeting_type: MeetingTypes | None = None
    #: Ids of offices.
    office: Texts | None = None
    #: Ids of subjects.
    subject: Texts | None = None
    #: Ids of employees.
    employee: Texts | None = None
    #: Ids of customers.
    customer: Texts | None = None
    #: Ids of listings.
    listing: Texts | None = None
    #: Ids of lead segments.
    lead_segment: Texts | None = None
    #: Ids of callback requests.
    callback_request: Texts | None = None

    @field_validator("end")
    @classmethod
    def _in_order(cls, end: timedelta | None, info: ValidationInfo) -> timedelta | None:
        begin = info.data.get("begin")
        if begin is not None and end is not None and begin >= end:
            raise wrong_value("must be later than `from`")
        return end


class SourceTable(Table):
    """`[sources.NAME]`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["token"]}, {"required": ["oauth"]}]})

    #: The address of the API, without /enterprises/...
    base_url: Annotated[str, AfterValidator(_base_url)]
    #: The short name of your enterprise, as in the addresses of the API.
    enterprise: Annotated[str, AfterValidator(_enterprise)]
    #: A client id, in place of a token.
    oauth: OAuthTable | None = None
    #: The access token; write a reference, like ${file:engage.token}.
    token: SecretLine | None = Field(default=None, validate_default=True)
    #: The language in which the API should answer.
    accept_language: Annotated[str, AfterValidator(_languages)] = "en, *;q=0.5"
    #: How long one request may take.
    timeout: Duration = timedelta(seconds=30)
    #: How long one request is repeated in all.
    deadline: Duration = timedelta(minutes=2)
    #: How many appointments are asked for at once.
    page_size: Annotated[int, Field(ge=1, le=1000)] = 1000
    #: How far Pexip's clock may be off, or its list behind.
    overlap: Duration = timedelta(minutes=5)
    #: The parameter by which a gateway filters by the last change.
    updated_since: Annotated[str, AfterValidator(_parameter)] | None = None
    #: With updated_since: how often everything is asked for all the same.
    complete_every: Duration | None = None
    #: Of what it is asked for the names, to show them in place of ids.
    names: Kinds = ()
    #: How hard the source may be asked.
    limits: LimitsTable = LimitsTable()
    #: When so much changes at once that a person should look first.
    brake: BrakeTable = BrakeTable()
    #: How often which appointments are looked at; left out, your rules decide.
    sweeps: Annotated[tuple[SweepTable, ...], BeforeValidator(as_tuple)] = ()

    @field_validator("complete_every")
    @classmethod
    def _only_beside_updated_since(cls, every: timedelta | None, info: ValidationInfo) -> timedelta | None:
        if every is not None and info.data.get("updated_since", "has its own complaint") is None:
            raise wrong("is for sources with `updated_since` only; without it every reading is complete")
        return every

    @field_validator("token")
    @classmethod
    def _token_or_oauth(cls, token: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "oauth" not in info.data:
            # It was given, and has its own complaint.
            return token
        if token is None and info.data["oauth"] is None:
            raise wrong("is missing; there must be a `token` or a table `oauth`")
        if token is not None and info.data["oauth"] is not None:
            raise wrong("can't stand beside the table `oauth`; give one of the two")
        return token


class OperatorTable(Table):
    """`[operator]`."""

    #: An address that is fetched after every cycle in which all sources were polled.
    heartbeat_url: Annotated[SecretStr, AfterValidator(_secret_address)] | None = None
    #: Who hears of the troubles of notifier itself.
    channels: Texts | None = Field(default=None, validate_default=True)
    #: How long a trouble that may pass by itself lasts before it is told.
    after: Duration = timedelta(minutes=5)

    @field_validator("channels")
    @classmethod
    def _somebody(cls, channels: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if channels is None and info.data.get("heartbeat_url", "has its own complaint") is None:
            raise wrong("is missing; there must be `channels` or `heartbeat_url`, or both")
        return channels


class ConfigTable(Table):
    """The whole of `config.toml`."""

    model_config = ConfigDict(json_schema_extra={"required": ["sources"]})

    #: The time zone of dates and times in messages, like Europe/Brussels.
    zone: Zone = Field(default_factory=lambda: ZoneInfo("UTC"), alias="timezone")
    #: The language of messages, where neither their channel nor the office has one.
    language: Annotated[str, among("language", CODES)] = "en"
    #: The files with rules; a * stands for any name.
    rules: Texts = DEFAULT_RULES
    #: Where notifier remembers what it saw.
    store: StoreTable = StoreTable()
    #: Your enterprises in Pexip Engage, by a name of your choice.
    sources: dict[Name, SourceTable] = Field(default={}, validate_default=True, json_schema_extra={"minProperties": 1})
    #: Where messages go, by a name of your choice.
    channels: dict[Name, ChannelTable] = Field(default={})
    #: Hours with a name, for the rules.
    calendars: dict[Name, CalendarTable] = Field(default={})
    #: What people call offices, subjects and employees.
    directory: DirectoryTable = DirectoryTable()
    #: Who hears when something is wrong with notifier itself.
    operator: OperatorTable | None = None

    @field_validator("sources")
    @classmethod
    def _at_least_one(cls, sources: dict[str, SourceTable]) -> dict[str, SourceTable]:
        if not sources:
            raise wrong("is missing: write a table [sources.NAME] with base_url, enterprise and token")
        return sources
