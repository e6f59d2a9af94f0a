"""`notifier deliveries`, and what a person decides about those that were given up: `retry` and `drop`."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from notifier import views
from notifier.clock import utc_now
from notifier.commands.options import SINCE, Command, with_config, with_json, with_limit
from notifier.config.settings import Settings, load_settings
from notifier.config.spelling import choices
from notifier.core.delivery import State
from notifier.core.standing import Standing
from notifier.store import history, lanes, letters
from notifier.store.database import Store, Transaction, open_store
from notifier.store.letters import Letter, Selection


def with_dead(command: Command) -> Command:
    """Adds `--dead` and `--uncertain`."""
    for name, text in (
        ("--uncertain", "Only what went out and was not answered, and is not sent again."),
        ("--dead", "Only what was given up."),
    ):
        command = click.option(name, is_flag=True, help=text)(command)
    return command


def with_filters(command: Command) -> Command:
    """Adds `--rule`, `--channel` and `--since`."""
    for name, kind, text in (
        ("--since", SINCE, "Only what came to its end in the last so long, like 2h or 7d."),
        ("--channel", str, "Only to this channel."),
        ("--rule", str, "Only by this rule."),
    ):
        command = click.option(name, type=kind, help=text)(command)
    return command


def with_selection(command: Command) -> Command:
    """Adds what says which dead letters are meant."""
    command = click.option("--all", "everything", is_flag=True, help="All of them.")(command)
    for add in (with_dead, with_filters):
        command = add(command)
    return click.argument("delivery", nargs=-1)(command)


@click.command()
@with_config
@with_limit
@click.option(
    "--state",
    type=click.Choice([state.value for state in State]),
    metavar="STATE",
    multiple=True,
    help=f"Only in this state: {', '.join(State)}.",
)
@click.option("--silenced", is_flag=True, help="Only what a silence swallowed, or hours that say so.")
@with_dead
@with_filters
@with_json
def deliveries(
    path: Path,
    limit: int,
    state: Sequence[str],
    silenced: bool,  # noqa: FBT001 - flags of the command line
    dead: bool,  # noqa: FBT001
    uncertain: bool,  # noqa: FBT001
    rule: str | None,
    channel: str | None,
    since: timedelta | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """List what is owed, was sent or was given up, newest first."""
    settings = load_settings(path, os.environ)
    states = {State(one) for one in state} | _states(dead=dead, uncertain=uncertain)
    states |= {State.SILENCED} if silenced else set()
    with Store.read_only(settings.store.url) as store, store.reading() as tx:
        records = history.deliveries(tx, limit, states=states, channel=channel, rule=rule, since=_begin(since))
    click.echo(views.as_json(records) if as_json else views.show_deliveries(records, settings.zone))


@click.command()
@with_config
@with_selection
@with_json
def retry(path: Path, as_json: bool, **options: Any) -> None:  # noqa: FBT001
    """Send again what was given up, under the same ids.

    DELIVERY is an id from `notifier deliveries`, or its beginning. Else say
    which by --rule, --channel, --since, of which all must hold, or by --all.
    Without --uncertain only dead letters are meant. What is sent again is tried
    as often as what is new, and compared with the appointment as it is now.
    """
    _decide(path, options, _RETRIED, as_json=as_json)


@click.command()
@with_config
@with_selection
@click.option("--waiting", is_flag=True, help="What was not sent yet.")
@with_json
def drop(path: Path, as_json: bool, **options: Any) -> None:  # noqa: FBT001
    """Leave unsent what was given up, for good.

    DELIVERY is an id from `notifier deliveries`, or its beginning. Else say
    which by --rule, --channel, --since, of which all must hold, or by --all.
    Without --uncertain or --waiting only dead letters are meant. It stays on
    record.
    """
    _decide(path, options, _DROPPED, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Decision:
    #: For people, and the key in JSON.
    word: str
    make: Callable[[Transaction, Sequence[Letter], datetime], None]


_RETRIED = _Decision("retried", letters.retry)
_DROPPED = _Decision("dropped", letters.drop)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a decision is made, as far as it matters for what becomes of it."""

    settings: Settings
    standings: Mapping[str, Standing]
    running: bool


def _decide(path: Path, options: Mapping[str, Any], decision: _Decision, *, as_json: bool) -> None:
    settings = load_settings(path, os.environ)
    selection = _selection(**options)
    with _opened(settings) as store, store.writing() as tx:
        _check_channel(tx, settings, selection.channel)
        found = letters.find(tx, selection)
        decision.make(tx, found, utc_now())
        place = _Place(settings, lanes.standings(tx), store.is_claimed())
    if as_json:
        click.echo(views.as_json({decision.word: found}))
    else:
        click.echo("\n".join(views.wrap(line) for line in _say(decision, found, place)))


def _selection(
    delivery: tuple[str, ...],
    rule: str | None,
    channel: str | None,
    since: timedelta | None,
    *,
    dead: bool,
    uncertain: bool,
    everything: bool,
    waiting: bool = False,
) -> Selection:
    """Returns what is meant.

    Raises:
        UsageError: nothing says which, or what is said does not go together.
    """
    narrowed = bool(rule or channel or since)
    if not delivery and not narrowed and not everything:
        raise click.UsageError("say which: ids, --rule, --channel, --since or --all")
    if delivery and (narrowed or everything or dead or uncertain or waiting):
        raise click.UsageError("ids say which; leave out the options that say so, too")
    if everything and narrowed:
        raise click.UsageError("--all is everything; leave it out, or the options that say less")
    states = frozenset(_states(dead=dead, uncertain=uncertain) | ({State.PENDING} if waiting else set()))
    return Selection(
        ids=delivery, rule=rule, channel=channel, since=_begin(since), states=states or frozenset({State.DEAD})
    )


def _states(*, dead: bool, uncertain: bool) -> set[State]:
    return {state for state, wanted in ((State.DEAD, dead), (State.UNCERTAIN, uncertain)) if wanted}


def _begin(since: timedelta | None) -> datetime | None:
    return None if since is None else utc_now() - since


@contextmanager
def _opened(settings: Settings) -> Iterator[Store]:
    # As it is: a store that is not there yet holds nothing to decide about.
    Store.read_only(settings.store.url).close()
    with open_store(settings.store.url, synchronous=settings.store.synchronous) as store:
        yield store


def _check_channel(tx: Transaction, settings: Settings, channel: str | None) -> None:
    if channel is None:
        return
    known = sorted(letters.channels(tx) | settings.channels.keys())
    if channel not in known:
        raise click.BadParameter(f"there is no channel {channel!r}{choices(channel, known)}")


def _say(decision: _Decision, found: Sequence[Letter], place: _Place) -> Iterator[str]:
    """Yields what was decided, in whole sentences."""
    if not found:
        yield f"Nothing was {decision.word}: no such delivery waits for a decision."
        return
    by_channel = Counter(letter.channel for letter in found)
    number = "1 delivery" if len(found) == 1 else f"{len(found)} deliveries"
    each = ", ".join(f"{count} to {channel}" for channel, count in sorted(by_channel.items()))
    yield f"{decision.word.capitalize()} {number}: {each}."
    if decision is _RETRIED:
        yield from _say_waits(sorted(by_channel), place)


def _say_waits(channels: Iterable[str], place: _Place) -> Iterator[str]:
    """Yields what keeps it from going out at once."""
    for channel in channels:
        standing = place.standings.get(channel)
        if channel not in place.settings.channels:
            yield f"{channel} is not configured; what is for it waits until it is."
        elif standing is not None and standing.off_at is not None:
            yield f"{channel} is switched off; what is for it waits until: notifier resume {channel}"
        elif standing is not None and standing.paused_until is not None:
            yield f"{channel} is paused, since it fails; what is for it waits until it works again."
    if not place.running:
        yield "The daemon is not running; nothing goes out before it does."
