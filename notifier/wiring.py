"""Builds clients and channels from the settings; nothing here talks to anybody yet."""

import threading
from urllib.parse import urlsplit

from notifier.channels.channel import Channel, open_channel
from notifier.clock import Clock
from notifier.config.settings import Settings, Source
from notifier.engage.budget import Budget
from notifier.engage.client import Endpoint, EngageClient, post_form
from notifier.engage.token import ClientCredentials, FixedToken, TokenSource


def open_clients(settings: Settings, clock: Clock, stopping: threading.Event) -> dict[str, EngageClient]:
    """Returns a client for each source; sources at one address share its budget, the smallest of theirs."""
    budgets: dict[str, Budget] = {}
    for address in {_address(source) for source in settings.sources.values()}:
        limits = [source.limits for source in settings.sources.values() if _address(source) == address]
        budgets[address] = Budget(
            min(limit.requests_per_minute for limit in limits), min(limit.concurrency for limit in limits), stopping
        )
    return {
        name: EngageClient(_endpoint(source), _token(source), budgets[_address(source)], clock, stopping)
        for name, source in settings.sources.items()
    }


def open_channels(settings: Settings) -> dict[str, Channel]:
    """Returns every configured channel, ready to send.

    Raises:
        ChannelError: an address that Apprise does not take.
    """
    return {
        name: open_channel(
            name,
            channel.url.get_secret_value(),
            channel.signing_secret.get_secret_value() if channel.signing_secret else None,
        )
        for name, channel in settings.channels.items()
    }


def _address(source: Source) -> str:
    """Returns what the vendor's limits are counted by on our side: the host that is asked."""
    return urlsplit(source.base_url).netloc.lower()


def _endpoint(source: Source) -> Endpoint:
    return Endpoint(
        base_url=source.base_url,
        enterprise=source.enterprise,
        accept_language=source.accept_language,
        timeout=source.timeout,
        deadline=source.deadline,
        page_size=source.page_size,
    )


def _token(source: Source) -> TokenSource:
    if source.oauth is None:
        assert source.token is not None
        return FixedToken(source.token)
    oauth = source.oauth
    return ClientCredentials(
        oauth.client_id, oauth.client_secret, oauth.scope, post_form(oauth.token_url, source.timeout)
    )
