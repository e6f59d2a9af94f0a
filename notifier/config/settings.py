"""The settings that the program works with, read from `config.toml`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from notifier.catalogue import language_of
from notifier.config.calendar_section import read_calendars
from notifier.config.channel_section import ChannelSettings, channel_of
from notifier.config.config_table import (
    DEFAULT_RULES,
    ConfigTable,
    OAuthTable,
    OperatorTable,
    SourceTable,
    StoreTable,
    SweepTable,
)
from notifier.config.directory_section import read_directory
from notifier.config.reference import expand
from notifier.config.spelling import choices
from notifier.config.table import as_tuple, read_table
from notifier.config.toml_file import Location, TomlFile, read_toml
from notifier.core.brake import Brake
from notifier.core.directory import NO_DIRECTORY, Directory
from notifier.core.grant import ALL
from notifier.core.hours import Calendar
from notifier.core.language import ENGLISH, Language
from notifier.core.sweep import Sweep
from notifier.errors import ConfigError, Problem

UTC = ZoneInfo("UTC")

DEFAULT_SWEEPS = (
    Sweep(name="near", begin=timedelta(days=-1), end=timedelta(days=7), every=timedelta(minutes=1), filters={}),
    Sweep(name="later", begin=timedelta(days=7), end=timedelta(days=60), every=timedelta(minutes=10), filters={}),
    Sweep(name="far", begin=timedelta(days=60), end=timedelta(days=400), every=timedelta(hours=1), filters={}),
    Sweep(name="past", begin=timedelta(days=-14), end=timedelta(days=-1), every=timedelta(minutes=30), filters={}),
    # A query with dates may leave out what has none.
    Sweep(
        name="undated",
        every=timedelta(minutes=5),
        filters={"status": ("OUTGOING_INVITE", "ALTERNATIVE_DATE_REQUESTED")},
    ),
)
"""What a source that names no sweeps is looked at by: the nearer a start, the sooner its changes matter.

The rules say which of them may be read more seldom, and what is asked for beside them (`core/pushdown.py`).
"""

COMPLETE_EVERY = timedelta(hours=1)
"""How often a source with `updated_since` is asked for everything all the same, unless it says otherwise."""

FILTERS = tuple(name for name in SweepTable.model_fields if name not in {"name", "every", "begin", "end"})
"""The filters that a sweep may have, under the names of our fields."""


_USUAL_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where everything is kept."""

    #: With an absolute path.
    url: str
    #: `full` survives a power cut without a repeated message; `normal` is faster.
    synchronous: Literal["full", "normal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """How to get a token by client credentials."""

    token_url: str
    client_id: str
    client_secret: SecretStr
    scope: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that a source is asked."""

    requests_per_minute: int
    #: Requests at the same time.
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One enterprise at one API address."""

    name: str
    #: Without a slash at its end.
    base_url: str
    enterprise: str
    #: Either this or `oauth` is there.
    token: SecretStr | None
    oauth: OAuth | None
    accept_language: str
    #: For one request.
    timeout: timedelta
    #: For one request with all its repetitions.
    deadline: timedelta
    page_size: int
    #: How far back a window of `updatedAt` reaches behind the newest one that was committed.
    overlap: timedelta
    #: The query parameter by which a gateway in front of the API filters by `updatedAt`; None where there is none.
    updated_since: str | None
    #: With `updated_since`: how often a sweep asks for everything all the same.
    complete_every: timedelta
    #: Of which kinds it is asked for the names.
    names: tuple[str, ...]
    limits: Limits
    brake: Brake
    #: As written, or the default ones, until the rules are known: `loading.py` plans them from these.
    sweeps: tuple[Sweep, ...]
    #: Whether the author wrote them; such sweeps are nobody else's business.
    own_sweeps: bool = field(compare=False)

    @property
    def address(self) -> str:
        """What the vendor's limits are counted by on our side: the host that is asked."""
        parts = urlsplit(self.base_url)
        host = parts.netloc.rpartition("@")[2].lower()
        return host.removesuffix(_USUAL_PORTS.get(parts.scheme, ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSettings:
    """Who hears of the troubles of notifier itself, and when."""

    #: Names of channels; none where the log is all that tells.
    channels: tuple[str, ...] = ()
    #: How long what may pass by itself lasts before it is told, and how long all is well before it is over.
    after: timedelta = timedelta(minutes=5)
    #: What is fetched after every cycle in which all sources were polled.
    heartbeat_url: SecretStr | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that `config.toml` says, with defaults filled in and references replaced."""

    #: Where the file lies; what it names is relative to this folder.
    folder: Path
    #: For people's eyes and for hours.
    zone: ZoneInfo
    #: Of messages, where neither their channel nor the office has one.
    language: Language = ENGLISH
    #: Patterns of the files with rules, relative to the folder.
    rules: tuple[str, ...]
    store: StoreSettings
    sources: Mapping[str, Source]
    channels: Mapping[str, ChannelSettings]
    #: The hours that rules may name.
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    directory: Directory = NO_DIRECTORY
    operator: OperatorSettings = OperatorSettings()
    #: What else was read: secrets, holidays.
    files: tuple[Path, ...] = field(default=(), compare=False)
    #: Tells lines; out of sight, since a careless author's secrets stand in it.
    file: TomlFile = field(repr=False, compare=False)

    @property
    def cycle(self) -> timedelta:
        """How long it takes until every source was polled once more, if all is well."""
        return max(min(sweep.every for sweep in source.sweeps) for source in self.sources.values())

    def limits_at(self, address: str) -> Limits:
        """Returns the limits of an address, which its sources share: the smallest of theirs."""
        limits = [source.limits for source in self.sources.values() if source.address == address]
        return Limits(
            requests_per_minute=min(limit.requests_per_minute for limit in limits),
            concurrency=min(limit.concurrency for limit in limits),
        )

    def problem(self, location: Location, text: str) -> Problem:
        """Returns a complaint on the line of `config.toml` where the location is, as `("channels", "team", "url")`."""
        return self.file.problem(location, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What can be told of a `config.toml` with mistakes, to find those of the rules and channels as well."""

    folder: Path
    rules: tuple[str, ...]
    #: The names of the sources.
    sources: tuple[str, ...]
    #: Every channel; None for one that has no address to speak of.
    channels: Mapping[str, ChannelSettings | None]
    #: Under the names of those that there are; their hours are anybody's.
    calendars: Mapping[str, Calendar]
    directory: Directory = NO_DIRECTORY
    #: What is read beside it and the rules.
    files: tuple[Path, ...] = ()
    file: TomlFile

    zone: ZoneInfo = UTC

    def problem(self, location: Location, text: str) -> Problem:
        """Returns a complaint on the line of `config.toml` where the location is."""
        return self.file.problem(location, text)


def read_outline(path: Path, environ: Mapping[str, str]) -> Outline:
    """Reads what there is in `config.toml`, whether or not it is right.

    Raises:
        ConfigError: the file is no TOML.
    """
    file = read_toml(path)
    expansion = expand(file.data, environ, path.absolute().parent)
    patterns = as_tuple(file.data.get("rules", ()))
    texts = patterns if isinstance(patterns, tuple) and all(isinstance(text, str) for text in patterns) else ()
    broken = {location[1] for location, _ in expansion.broken if location[0] == "channels"}
    return Outline(
        folder=path.absolute().parent,
        rules=texts or DEFAULT_RULES,
        sources=tuple(_tables(file.data.get("sources"))),
        channels={
            name: None if name in broken else _address(name, _tables(table))
            for name, table in _tables(_tables(expansion.data).get("channels")).items()
        },
        calendars={name: Calendar(name=name, zone=UTC) for name in _tables(file.data.get("calendars"))},
        files=(*expansion.files, *_files_in(path.absolute().parent, file)),
        file=file,
    )


def _files_in(folder: Path, file: TomlFile) -> list[Path]:
    """Returns the files that the tables of a configuration with mistakes seem to name."""
    calendars = _tables(file.data.get("calendars")).values()
    named = [*(_tables(one).get("ics") for one in calendars), _tables(file.data.get("directory")).get("file")]
    return [folder / name for name in named if isinstance(name, str) and name]


def _address(name: str, table: Mapping[str, object]) -> ChannelSettings | None:
    url, secrets = table.get("url"), as_tuple(table.get("signing_secret", ()))
    if not isinstance(url, str):
        return None
    texts = secrets if isinstance(secrets, tuple) and all(isinstance(text, str) for text in secrets) else ()
    return ChannelSettings(
        name=name,
        url=SecretStr(url),
        signing_secrets=tuple(SecretStr(str(text)) for text in texts),
        fields=_fields(as_tuple(table.get("fields"))),
    )


def _fields(named: object) -> tuple[str, ...] | None:
    """Returns the fields that a channel may see; all, where its author's mistake keeps us from knowing."""
    if named is None:
        return None
    known = isinstance(named, tuple) and ALL.fields.issuperset(map(str, named))
    return tuple(map(str, named)) if isinstance(named, tuple) and known else tuple(ALL.fields)


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """Reads `config.toml`.

    Raises:
        ConfigError: with everything that is wrong in the file.
    """
    file = read_toml(path)
    folder = path.absolute().parent
    expansion = expand(file.data, environ, folder)
    table, problems = read_table(ConfigTable, file, expansion)
    problems += [*_twin_sweeps(file), *_unknown_channels(file, expansion.data)]
    calendars, more = read_calendars(table.calendars, table.zone, folder, file) if table else ({}, [])
    problems += more
    directory = NO_DIRECTORY
    if table:
        directory, more = read_directory(table.directory, table.channels, folder, file)
        problems += more
    if table is None or problems:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line))
    return Settings(
        folder=folder,
        zone=table.zone,
        language=language_of(table.language),
        rules=table.rules,
        store=_store(table.store, folder),
        sources={name: _source(name, source) for name, source in table.sources.items()},
        channels={name: channel_of(name, channel) for name, channel in table.channels.items()},
        calendars=calendars,
        directory=directory,
        operator=_operator(table.operator),
        files=(*expansion.files, *_named_files(table, folder)),
        file=file,
    )


def _named_files(table: ConfigTable, folder: Path) -> list[Path]:
    named = [*(one.ics for one in table.calendars.values()), table.directory.file]
    return [folder / name for name in named if name]


def _twin_sweeps(file: TomlFile) -> list[Problem]:
    """Finds sweeps of one source with one name, whether or not the rest of them is right."""
    problems: list[Problem] = []
    for source, table in _tables(file.data.get("sources")).items():
        first: dict[str, Location] = {}
        sweeps = _tables(table).get("sweeps")
        for index, sweep in enumerate(sweeps if isinstance(sweeps, list) else ()):
            name = _tables(sweep).get("name")
            location: Location = ("sources", source, "sweeps", index, "name")
            if isinstance(name, str) and first.setdefault(name, location) != location:
                text = f"there is a sweep `{name}` in line {file.line(first[name])} already"
                problems.append(file.problem(location, text))
    return problems


def _unknown_channels(file: TomlFile, data: Mapping[str, object]) -> list[Problem]:
    """Finds what `[operator]` takes for a channel and is none, whether or not the rest of the file is right."""
    known = list(_tables(data.get("channels")))
    named = as_tuple(_tables(data.get("operator")).get("channels", ()))
    # As its author wrote it: a reference may stand for a secret.
    written = as_tuple(_tables(file.data.get("operator")).get("channels", ()))
    if not isinstance(named, tuple) or not isinstance(written, tuple):
        return []
    problems: list[Problem] = []
    for index, (name, shown) in enumerate(zip(named, written, strict=True)):
        if isinstance(name, str) and name and name not in known:
            text = f"`channels`: there is no channel `{shown}`" + (choices(name, known) if name == shown else "")
            problems.append(file.problem(("operator", "channels", index), text))
    return problems


def _operator(table: OperatorTable | None) -> OperatorSettings:
    if table is None:
        return OperatorSettings()
    channels = tuple(dict.fromkeys(table.channels or ()))
    return OperatorSettings(channels=channels, after=table.after, heartbeat_url=table.heartbeat_url)


def _tables(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _store(table: StoreTable, folder: Path) -> StoreSettings:
    path = folder / table.url.removeprefix("sqlite:///")
    return StoreSettings(
        url=f"sqlite:///{path.as_posix()}", synchronous="normal" if table.synchronous == "normal" else "full"
    )


def _source(name: str, table: SourceTable) -> Source:
    return Source(
        name=name,
        base_url=table.base_url,
        enterprise=table.enterprise,
        token=table.token,
        oauth=None if table.oauth is None else _oauth(table.oauth),
        accept_language=table.accept_language,
        timeout=table.timeout,
        deadline=table.deadline,
        page_size=table.page_size,
        overlap=table.overlap,
        updated_since=table.updated_since,
        complete_every=table.complete_every or COMPLETE_EVERY,
        names=table.names,
        limits=Limits(requests_per_minute=table.limits.requests_per_minute, concurrency=table.limits.concurrency),
        brake=Brake(share=table.brake.share, count=table.brake.count),
        sweeps=tuple(_sweep(sweep) for sweep in table.sweeps) or DEFAULT_SWEEPS,
        own_sweeps=bool(table.sweeps),
    )


def _oauth(table: OAuthTable) -> OAuth:
    return OAuth(
        token_url=table.token_url,
        client_id=table.client_id,
        client_secret=table.client_secret,
        scope=table.scope,
    )


def _sweep(table: SweepTable) -> Sweep:
    wanted = {name: getattr(table, name) for name in FILTERS}
    return Sweep(
        name=table.name,
        every=table.every,
        begin=table.begin,
        end=table.end,
        filters={name: values for name, values in wanted.items() if values is not None},
    )
