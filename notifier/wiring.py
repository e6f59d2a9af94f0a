"""Builds clients and channels from the settings; nothing here talks to anybody yet."""

import threading
from collections.abc import Collection, Mapping, Sequence

from notifier.channels.channel import Channel, open_channel
from notifier.channels.custom import Custom
from notifier.clock import Clock
from notifier.config.channel_section import ChannelSettings
from notifier.config.settings import Settings, Source
from notifier.core.directory import Directory
from notifier.core.grant import Grant
from notifier.core.manner import Manner
from notifier.core.policy import RETRY_DELAYS, Policy
from notifier.core.readers import Readers
from notifier.core.recipients import Recipients
from notifier.core.rule import Rule
from notifier.core.sweep import Sweep
from notifier.core.walk import Rules
from notifier.engage.budget import Budget
from notifier.engage.client import Endpoint, EngageClient, post_form
from notifier.engage.token import ClientCredentials, FixedToken, TokenSource
from notifier.naming import Naming
from notifier.planner import Planner
from notifier.sender import Sender
from notifier.store import lanes
from notifier.store.database import Store
from notifier.timekeeper import Timekeeper

NO_DIRECTORIES: Mapping[str, Directory] = {}

GENTLE = 4
"""By how much slower a check of everything asks, that nobody waits for."""


def open_clients(
    settings: Settings, clock: Clock, stopping: threading.Event, *, gently: bool = False
) -> dict[str, EngageClient]:
    """Returns a client for each source; sources at one address share its budget, the smallest of theirs.

    Gently is for what may take its time: at `GENTLE` of the pace, one request after the other, since a daemon may be
    asking the same address at the full one.
    """
    budgets: dict[str, Budget] = {}
    for address in {source.address for source in settings.sources.values()}:
        limits = settings.limits_at(address)
        pace, at_once = limits.requests_per_minute, limits.concurrency
        budgets[address] = Budget(max(1, pace // GENTLE), 1, stopping) if gently else Budget(pace, at_once, stopping)
    return {
        name: EngageClient(_endpoint(source), _token(source), budgets[source.address], clock, stopping)
        for name, source in settings.sources.items()
    }


def open_channels(settings: Settings, names: Collection[str] | None = None) -> dict[str, Channel]:
    """Returns every configured channel, or those with these names, ready to send.

    Raises:
        ChannelError: an address that Apprise does not take.
    """
    return {
        name: open_channel(
            name,
            channel.url.get_secret_value(),
            [secret.get_secret_value() for secret in channel.signing_secrets],
            channel.timeout,
        )
        for name, channel in settings.channels.items()
        if names is None or name in names
    }


def addresses_of(settings: Settings, key: bytes) -> dict[str, bytes]:
    """Returns by what the store knows the address of each channel."""
    return {
        name: lanes.hash_address(channel.url.get_secret_value(), key) for name, channel in settings.channels.items()
    }


def policies_of(settings: Settings, channels: Mapping[str, Channel]) -> dict[str, Policy]:
    """Returns on what terms each of the open channels is sent to: as its settings say, or as is usual for its kind."""
    return {name: _policy(settings.channels[name], channel.custom) for name, channel in channels.items()}


def grants_of(settings: Settings) -> dict[str, Grant]:
    """Returns what each channel may see."""
    return {name: channel.grant for name, channel in settings.channels.items()}


def recipients_of(settings: Settings) -> Recipients:
    """Returns the channels that there are, and who they belong to."""
    return Recipients(frozenset(settings.channels), settings.directory)


def planner_of(settings: Settings, rules: Sequence[Rule]) -> Planner:
    """Returns what decides who is told of what."""
    return Planner(Rules(rules), grants_of(settings), recipients_of(settings))


def open_timekeeper(
    settings: Settings, rules: Sequence[Rule], sweeps: Mapping[str, Sequence[Sweep]], store: Store, clock: Clock
) -> Timekeeper:
    """Returns what looks for what the rules ask the clock for."""
    return Timekeeper(store, rules, sweeps, clock, recipients_of(settings))


def open_senders(
    settings: Settings,
    rules: Sequence[Rule],
    channels: Mapping[str, Channel],
    policies: Mapping[str, Policy],
    store: Store,
    clock: Clock,
) -> dict[str, Sender]:
    """Returns the send line of each open channel."""
    by_name, grants, recipients = {rule.name: rule for rule in rules}, grants_of(settings), recipients_of(settings)
    return {
        name: Sender(
            channel, store, by_name, readers_of(settings, name), clock, policies[name], grants[name], recipients
        )
        for name, channel in channels.items()
    }


def readers_of(settings: Settings, channel: str, directories: Mapping[str, Directory] = NO_DIRECTORIES) -> Readers:
    """Returns who reads what a channel shows; `directories` are what the sources are known to call things."""
    own = settings.channels[channel].language
    return Readers(
        settings.zone,
        settings.directory,
        own or settings.language,
        of_one_language=own is not None,
        directories=directories,
    )


def names_asked(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Returns of what the sources are asked for the names."""
    return {name: source.names for name, source in settings.sources.items() if source.names}


def open_naming(
    settings: Settings, clients: Mapping[str, EngageClient], senders: Mapping[str, Sender], store: Store, clock: Clock
) -> Naming:
    """Returns what asks the sources for names, and tells the senders."""

    def tell(directories: Mapping[str, Directory]) -> None:
        for sender in senders.values():
            sender.rename(directories)

    return Naming(store, clients, names_asked(settings), settings.directory, clock, tell)


def _policy(channel: ChannelSettings, custom: Custom) -> Policy:
    return Policy(
        delays=RETRY_DELAYS if channel.retry is None else channel.retry,
        give_up_after=channel.give_up_after,
        resend=custom.resend if channel.uncertain is None else channel.uncertain == "resend",
        retry_on=frozenset(channel.retry_on),
        interval=custom.interval if channel.interval is None else channel.interval,
        timeout=channel.timeout,
        recheck_after=channel.recheck_after,
    )


def rehearsed(channel: ChannelSettings) -> Policy:
    """Returns on what terms a channel is sent to that takes everything at once: what waits there waits for its rule."""
    return Policy(timeout=channel.timeout, recheck_after=channel.recheck_after)


def manner_of(source: Source) -> Manner:
    """Returns how a source is polled."""
    complete_every = source.complete_every if source.updated_since else None
    return Manner(brake=source.brake, overlap=source.overlap, complete_every=complete_every)


def _endpoint(source: Source) -> Endpoint:
    return Endpoint(
        base_url=source.base_url,
        enterprise=source.enterprise,
        accept_language=source.accept_language,
        timeout=source.timeout,
        deadline=source.deadline,
        page_size=source.page_size,
        updated_since=source.updated_since,
    )


def _token(source: Source) -> TokenSource:
    if source.oauth is None:
        assert source.token is not None
        return FixedToken(source.token)
    oauth = source.oauth
    return ClientCredentials(
        oauth.client_id, oauth.client_secret, oauth.scope, post_form(oauth.token_url, source.timeout)
    )
