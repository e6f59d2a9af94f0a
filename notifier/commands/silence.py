"""`notifier silence`: what nobody is to hear of for a while, by whose word and why."""

import getpass
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from notifier import views
from notifier.clock import utc_now
from notifier.commands.options import Command, with_config, with_json
from notifier.config.rulebook import load_rulebook
from notifier.config.settings import Settings, load_settings
from notifier.config.spelling import choices
from notifier.core.appointment import MEETING_TYPES, STATUSES
from notifier.core.change import Kind
from notifier.core.silence import KEYS, say_what
from notifier.store import silences
from notifier.store.database import Store, open_store

with_author = click.option("--author", help="Who says so; left out, the name under which you are logged in.")


@click.group()
def silence() -> None:
    """Keep messages from people for a while, on record.

    A silence swallows what rules would tell: it is stored, counted and listed
    by `notifier deliveries --silenced`, and nobody gets it, not later either.
    """


def _with_what(command: Command) -> Command:
    """Adds what a silence is about."""
    for option in (
        click.option("--all", "everything", is_flag=True, help="About all messages."),
        click.option(
            "--where",
            metavar="KEY=VALUE",
            multiple=True,
            help=f"About these; several keys must all hold, several values of one are any of: {', '.join(KEYS)}.",
        ),
        click.option("--rule", "rules", multiple=True, help="About what this rule tells; several are any of them."),
    ):
        command = option(command)
    return command


@silence.command()
@_with_what
@click.option("--until", required=True, help="Until when, like 2026-12-01T08:00, in the configured zone.")
@click.option("--why", required=True, help="For those who will ask.")
@with_author
@with_config
@with_json
def add(
    path: Path,
    rules: Sequence[str],
    where: Sequence[str],
    everything: bool,  # noqa: FBT001 - flags of the command line
    until: str,
    why: str,
    author: str | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Swallow what would be told, from now on until a time.

    It holds for events that are found from now on, and for what waits already
    and was never tried.
    """
    if not (rules or where or everything):
        raise click.UsageError("say what it is about: --rule, --where or --all")
    if everything and (rules or where):
        raise click.UsageError("--all is everything; leave it out, or the options that say less")
    settings, now = load_settings(path, os.environ), utc_now()
    wanted = _wanted(where)
    _check_known(settings, rules, wanted)
    moment = _moment(until, settings.zone, now)
    if not why.strip():
        raise click.BadParameter("say why", param_hint="--why")
    for option, text in (("--why", why), ("--author", author or ""), *(("--where", one) for one in where)):
        _check_plain(text, option)
    with open_store(settings.store.url, synchronous=settings.store.synchronous) as store, store.writing() as tx:
        made = silences.add(
            tx, rules=rules, where=wanted, author=author or _login(), why=why.strip(), until=moment, now=now
        )
    said = f"Silence {made.id} until {views.say_time_of(made.until, settings.zone)}: {say_what(made)}."
    click.echo(views.as_json(made) if as_json else views.wrap(said))


@silence.command("list")
@click.option("--all", "over", is_flag=True, help="Those that are over as well.")
@with_config
@with_json
def list_(path: Path, over: bool, as_json: bool) -> None:  # noqa: FBT001
    """List the silences that last, with how much each has swallowed."""
    settings = load_settings(path, os.environ)
    with Store.read_only(settings.store.url) as store, store.reading() as tx:
        found = silences.listing(tx, utc_now(), over=over)
    click.echo(views.as_json(found) if as_json else views.show_silences(found, settings.zone))


@silence.command()
@click.argument("number", metavar="SILENCE", type=int)
@with_author
@with_config
def end(number: int, author: str | None, path: Path) -> None:
    """End SILENCE, a number from `notifier silence list`, before its time.

    What it swallowed stays unsent.
    """
    settings = load_settings(path, os.environ)
    with _existing(settings) as store, store.writing() as tx:
        silences.end(tx, number, author or _login(), utc_now())
    click.echo(f"Silence {number} is over.")


@contextmanager
def _existing(settings: Settings) -> Iterator[Store]:
    # A store that is not there yet has no silences.
    Store.read_only(settings.store.url).close()
    with open_store(settings.store.url, synchronous=settings.store.synchronous) as store:
        yield store


def _wanted(where: Iterable[str]) -> dict[str, list[str]]:
    """Returns the values by their keys."""
    found: dict[str, list[str]] = {}
    for text in where:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not value:
            raise click.BadParameter(f"{text!r} is not like office=12", param_hint="--where")
        if key not in KEYS:
            raise click.BadParameter(f"there is no key {key!r}{choices(key, KEYS)}", param_hint="--where")
        found.setdefault(key, []).append(value)
    return found


def _check_known(settings: Settings, rules: Iterable[str], wanted: Mapping[str, Sequence[str]]) -> None:
    """Refuses names of what there is none of: a silence about them would be heard by nobody."""
    known: dict[str, Sequence[str]] = {
        "channel": tuple(settings.channels),
        "source": tuple(settings.sources),
        "kind": tuple(Kind),
        "status": STATUSES,
        "meeting_type": MEETING_TYPES,
    }
    for key in wanted.keys() & known.keys():
        for value in wanted[key]:
            _check(value, key.replace("_", " "), known[key], "--where")
    if rules:
        names = [rule.name for rule in load_rulebook(settings)]
        for rule in rules:
            _check(rule, "rule", names, "--rule")


def _check(value: str, noun: str, known: Sequence[str], option: str) -> None:
    if value not in known:
        raise click.BadParameter(f"there is no {noun} {value!r}{choices(value, known)}", param_hint=option)


def _check_plain(text: str, option: str) -> None:
    """Refuses what a terminal, or the store, would not take as it is."""
    if not text.isprintable():
        raise click.BadParameter("must be plain text on one line", param_hint=option)


def _moment(text: str, zone: ZoneInfo, now: datetime) -> datetime:
    """Returns the time that the text means; without a zone it is by the clock of the configured one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not like 2026-12-01T08:00", param_hint="--until") from error
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    if moment <= now:
        raise click.BadParameter(f"{text} is past", param_hint="--until")
    return moment


def _login() -> str:
    """Returns the name under which the user is logged in."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:
        raise click.UsageError("nobody knows who you are here; say so: --author") from error
