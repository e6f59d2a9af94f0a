"""`notifier channels`: how the lanes of the channels stand; and `notifier resume`, which opens one."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from notifier import views
from notifier.channels import address
from notifier.clock import utc_now
from notifier.commands.options import with_config, with_json
from notifier.config.settings import Settings, load_settings
from notifier.config.spelling import choices
from notifier.core.delivery import State
from notifier.core.standing import OPEN, Standing
from notifier.status_view import say_failures
from notifier.store import lanes, outbox
from notifier.store.database import Store, open_store


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatus:
    """One configured channel, how its lane stands, and what is owed to it."""

    channel: str
    #: The address without its secrets.
    service: str
    #: `open`, `paused` or `off`.
    state: str
    standing: Standing
    #: Deliveries that are due or will be.
    waiting: int
    #: Those that were given up, and those that may have arrived, about which a person decides.
    dead: int
    uncertain: int


@click.command()
@with_config
@with_json
def channels(path: Path, as_json: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """List the channels: which are open, paused or off, and what waits."""
    settings = load_settings(path, os.environ)
    with Store.read_only(settings.store.url) as store, store.reading() as tx:
        found = read_channels(settings, lanes.standings(tx), outbox.counts(tx))
    click.echo(views.as_json(found) if as_json else show_channels(found, settings.zone, utc_now()))


@click.command()
@click.argument("channel")
@with_config
def resume(channel: str, path: Path) -> None:
    """Send to CHANNEL again, which was paused or switched off.

    A daemon that runs begins within seconds.
    """
    settings = load_settings(path, os.environ)
    if channel not in settings.channels:
        raise click.BadParameter(f"there is no channel {channel!r} in {path}{choices(channel, settings.channels)}")
    # The store as it is: one that is not there yet has paused nothing.
    Store.read_only(settings.store.url).close()
    with open_store(settings.store.url, synchronous=settings.store.synchronous) as store:
        with store.writing() as tx:
            before, waiting = lanes.resume(tx, channel), _waiting(outbox.counts(tx).get(channel, {}))
        said = _say_resumed(channel, before, waiting, running=store.is_claimed())
    click.echo("\n".join(views.wrap(line) for line in said))


def read_channels(
    settings: Settings, standings: Mapping[str, Standing], counts: Mapping[str, Mapping[State, int]]
) -> list[ChannelStatus]:
    """Returns the configured channels, in the order of the configuration."""
    return [
        _status(name, channel.url.get_secret_value(), standings.get(name, OPEN), counts.get(name, {}))
        for name, channel in settings.channels.items()
    ]


def show_channels(found: Sequence[ChannelStatus], zone: ZoneInfo, now: datetime) -> str:
    """Returns a table of channels, and below it why some of them fail."""
    rows = (
        (one.channel, one.service, _say_state(one.standing, zone, now), str(one.waiting), str(one.dead))
        for one in found
    )
    headers = ("CHANNEL", "SERVICE", "STATE", "WAITING", "DEAD")
    failing = (
        views.wrap(f"{one.channel}: {say_failures(one.standing, zone)}", "  ") for one in found if one.standing.failures
    )
    return "\n\n".join(filter(None, (views.table(headers, rows, cut=("CHANNEL", "SERVICE")), "\n".join(failing))))


def _status(name: str, url: str, standing: Standing, counts: Mapping[State, int]) -> ChannelStatus:
    return ChannelStatus(
        channel=name,
        service=address.mask(url),
        state="off" if standing.is_off else "paused" if standing.is_paused else "open",
        standing=standing,
        waiting=_waiting(counts),
        dead=counts.get(State.DEAD, 0),
        uncertain=counts.get(State.UNCERTAIN, 0),
    )


def _waiting(counts: Mapping[State, int]) -> int:
    return counts.get(State.PENDING, 0) + counts.get(State.SENDING, 0)


def _say_state(standing: Standing, zone: ZoneInfo, now: datetime) -> str:
    if standing.is_off:
        return f"off since {views.say_minute(standing.off_at, zone)}"
    if standing.paused_until is None:
        return "open"
    if standing.paused_until <= now:
        return "paused, tries the next"
    return f"paused until {views.say_minute(standing.paused_until, zone)}"


def _say_resumed(channel: str, before: Standing, waiting: int, *, running: bool) -> Iterator[str]:
    if not before.is_off and not before.is_paused:
        yield f"{channel} is open already."
        return
    was = "switched off" if before.is_off else "paused"
    deliveries = "1 delivery waits" if waiting == 1 else f"{waiting} deliveries wait"
    yield f"{channel} was {was}, and is open again; {deliveries} for it."
    if not running:
        yield "The daemon is not running; nothing goes out before it does."
