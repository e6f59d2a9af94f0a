"""The commands: each reads its arguments, calls one thing, prints what came of it.

Exit codes: 0 done, 1 failed, 2 wrong configuration or usage.
"""

import os
import secrets
import signal
import sys
import threading
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from notifier import __version__, views
from notifier.channels.channel import Parcel
from notifier.channels.patience import PatientChannel
from notifier.clock import utc_now
from notifier.commands.channels import channels, resume
from notifier.commands.deliveries import deliveries, drop, retry
from notifier.commands.explain import explain
from notifier.commands.options import SINCE, with_config, with_json, with_limit
from notifier.commands.privacy import privacy, recipients, say_personal
from notifier.commands.replay import replay_command
from notifier.commands.rules import rules as rules_group
from notifier.commands.schema import schema
from notifier.commands.silence import silence
from notifier.commands.webhook import webhook
from notifier.config.first_steps import write_first_files
from notifier.config.settings import Settings, load_settings
from notifier.config.spelling import choices
from notifier.core.brake import Decision
from notifier.core.delivery import Result, delivery_id
from notifier.core.document import document
from notifier.core.duration import write_duration
from notifier.core.grant import mask
from notifier.core.message import Renderer
from notifier.core.rule import Rule
from notifier.core.sample_facts import SAMPLE_TEXTS
from notifier.daemon import Daemon
from notifier.decision import decidable, decide, show_decided
from notifier.demo import run_demo
from notifier.drift import find_drift
from notifier.engage.budget import LAST
from notifier.errors import ConfigError, NoStore, NotifierError
from notifier.foresight import foresee, foresee_due
from notifier.leaving import leave
from notifier.loading import load_everything, load_planned
from notifier.logs import LogFormat, configure_logs
from notifier.metrics_view import show_metrics, show_refusal
from notifier.naming import directories
from notifier.preview import make_preview
from notifier.progress import open_watcher
from notifier.queries import read_queries
from notifier.query_view import show_queries
from notifier.renewal import Renewal
from notifier.sample import SAMPLE_RULE, sample_event
from notifier.status import read_status
from notifier.status_view import show_status
from notifier.store import history
from notifier.store.database import Store, open_store
from notifier.supervisor import Supervisor
from notifier.wiring import (
    grants_of,
    names_asked,
    open_channels,
    readers_of,
)

REHEARSING = frozenset({"replay", "rules"})
"""Commands that let both lines work on nothing but a store of their own."""


class _Commands(click.Group):
    """Turns errors into words for people, in one place."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            click.echo(str(error), err=True)
            ctx.exit(2)
        except NotifierError as error:
            click.echo(f"notifier: {error}", err=True)
            ctx.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, prog_name="notifier")
@click.option(
    "--log-format",
    type=click.Choice(["auto", "text", "json"]),
    default="auto",
    show_default=True,
    help="How log lines look; auto is text on a terminal, else JSON.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The least important lines that are logged.",
)
@click.pass_context
def cli(ctx: click.Context, log_format: LogFormat, log_level: str) -> None:
    """Watches appointments in Pexip Engage and tells people when they change."""
    # Commands that answer on the terminal log only what is wrong, and how far they have come.
    chatty = ctx.invoked_subcommand == "run"
    # In a rehearsal, what goes wrong is what it is for, and is told by the answer.
    least = "critical" if ctx.invoked_subcommand in REHEARSING else "error"
    configure_logs(log_format, log_level if chatty or log_level == "debug" else least, log_level)


@cli.command()
@with_config
@click.option("--once", is_flag=True, help="Poll every sweep once, send all that is due, and exit.")
def run(path: Path, once: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """Poll and tell, until SIGTERM or Ctrl-C.

    What changes in the configuration or the rules is taken up by itself, and
    at once on SIGHUP; where it is wrong, the former goes on.

    With --once the exit code is 1 if a source or a delivery failed, or something waits for a decision.
    """
    settings, rules = _load(path)
    with (
        open_store(settings.store.url, synchronous=settings.store.synchronous) as store,
        open_watcher(sys.stderr) as watcher,
    ):
        store.lock()
        if once:
            code = Daemon(settings, rules, store, watcher=watcher).run_once()
        else:
            renewal = Renewal(path, os.environ, store, watcher)
            code = Supervisor(renewal.daemon(), renewal).run()
    leave(code)


@cli.command()
@click.option("--seconds", type=click.FloatRange(min=1), help="End by itself after so long.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which life to watch; a seed repeats it exactly.")
@click.option("--faults", is_flag=True, help="Let the source misbehave: time-outs, cut answers, slipping lists.")
def demo(seconds: float | None, seed: int, faults: bool) -> None:  # noqa: FBT001
    """Watch a made-up enterprise, and the messages about it.

    Needs no account and no configuration; nothing leaves this machine.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # In a thread of its own: the handler may have interrupted whoever holds the lock of the event.
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    leave(run_demo(seconds, seed, click.echo, stop, faults=faults))


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
def init(folder: Path) -> None:
    """Write a first config.toml and rules/ into FOLDER; never overwrite."""
    for written in write_first_files(folder):
        click.echo(f"wrote {written}")
    click.echo("\nNext: fill in config.toml, then `notifier check`, `notifier plan`, `notifier run`.")


@cli.command()
@with_config
def check(path: Path) -> None:
    """Check configuration and rules; touches no network.

    Prints every problem as FILE:LINE: what is wrong, and exits with 2 if there is one.
    """
    settings, rules = _load(path)
    sweeps = sum(len(source.sweeps) for source in settings.sources.values())
    channels = f"{len(settings.channels)} channels"
    if settings.operator.channels:
        channels += f" ({len(settings.operator.channels)} for the operator)"
    if settings.operator.heartbeat_url is not None:
        channels += f", a heartbeat every {write_duration(settings.cycle)}"
    click.echo(f"{path}: {sweeps} sweeps, {len(rules)} rules, {channels}: all fine.")
    found = recipients(settings, rules)
    if any(one.personal for one in found):
        click.echo(views.wrap(say_personal(found)))


@cli.command()
@with_config
@click.option("--queries", is_flag=True, help="Show what the sweeps ask for, and why; asks nobody.")
@with_json
def plan(path: Path, queries: bool, as_json: bool) -> None:  # noqa: FBT001
    """Show what a poll would do now; commit and send nothing."""
    settings, rules = _load(path)
    with ExitStack() as stack:
        store, watcher = _store_to_compare_with(settings, stack), stack.enter_context(open_watcher(sys.stderr))
        if queries:
            asked = read_queries(settings, rules, store, utc_now())
            click.echo(views.as_json(asked) if as_json else show_queries(asked))
            return
        plans = list(foresee(settings, rules, store, watcher, _say_unread))
        plans += foresee_due(settings, rules, store, plans)
        with store.reading() as tx:
            called = directories(tx, names_asked(settings), settings.directory)
    renderers = {
        name: Renderer(readers_of(settings, name, called), one.target) for name, one in open_channels(settings).items()
    }
    preview = make_preview(plans, rules, renderers, grants_of(settings), utc_now())
    click.echo(views.as_json(preview) if as_json else views.show_preview(preview, settings.zone))


@cli.command()
@with_config
@with_json
def verify(path: Path, as_json: bool) -> None:  # noqa: FBT001
    """List everything again and compare it with the snapshot; change nothing.

    The exit code is 1 if they differ, or if a list could not be read as a whole. While a daemon runs, what changed
    since its last poll counts as well.
    """
    settings = load_settings(path, os.environ)
    unread: list[str] = []
    with Store.read_only(settings.store.url) as store, open_watcher(sys.stderr) as watcher:
        drift = find_drift(foresee(settings, (), store, watcher, unread.append, LAST))
    if drift or as_json or not unread:
        click.echo(views.as_json(drift) if as_json else views.show_drift(drift))
    for slipped in unread:
        _say_unread(slipped)
    sys.exit(1 if drift or unread else 0)


@cli.command("test-send")
@click.argument("channel")
@with_config
def test_send(channel: str, path: Path) -> None:
    """Send a made-up message to CHANNEL and tell what the other side answered."""
    settings, _ = _load(path)
    if channel not in settings.channels:
        hint = choices(channel, settings.channels)
        raise click.BadParameter(f"there is no channel {channel!r} in {path}{hint}")
    now = utc_now()
    event = sample_event(secrets.token_hex(10), next(iter(settings.sources)), now)
    opened = open_channels(settings, [channel])[channel]
    patient = PatientChannel(opened, settings.channels[channel].timeout)
    excerpt = mask(event, settings.channels[channel].grant, SAMPLE_TEXTS)
    message = Renderer(readers_of(settings, channel), opened.target).render(excerpt, SAMPLE_RULE, now)
    parcel = Parcel(
        delivery_id(event.id, SAMPLE_RULE.name, channel),
        message,
        document(excerpt, SAMPLE_RULE.name, settings.directory),
        now,
    )
    outcome = patient.send(parcel)
    patient.close()
    status = f" ({outcome.status})" if outcome.status else ""
    detail = f": {outcome.detail}" if outcome.detail else ""
    click.echo(f"{channel} ({opened.shown}): {outcome.result.value}, {outcome.reason.value}{status}{detail}")
    leave(0 if outcome.result is Result.DELIVERED else 1)


@cli.command()
@with_config
@with_limit
@click.option("--appointment", help="Only of this appointment.")
@click.option("--since", type=SINCE, help="Only of the last so long, like 2h or 7d.")
@with_json
def events(path: Path, limit: int, appointment: str | None, since: timedelta | None, as_json: bool) -> None:  # noqa: FBT001
    """List what happened, newest first."""
    settings = load_settings(path, os.environ)
    with Store.read_only(settings.store.url) as store, store.reading() as tx:
        after = utc_now() - since if since else None
        records = history.events(tx, limit, since=after, appointment=appointment)
    click.echo(views.as_json(records) if as_json else views.show_events(records, settings.zone))


@cli.command()
@with_config
@with_json
@click.option("--metrics", is_flag=True, help="Print gauges in the text format of Prometheus.")
def status(path: Path, as_json: bool, metrics: bool) -> None:  # noqa: FBT001
    """Tell how the daemon is doing; exit with 1 unless it runs and its sources answer."""
    try:
        settings = load_planned(path, os.environ)
    except ConfigError as error:
        if metrics:
            click.echo(show_refusal(), nl=False)
        click.echo(f"{error}\nA daemon that runs goes on with what it read before this was written.", err=True)
        sys.exit(2)
    with Store.read_only(settings.store.url) as store:
        found = read_status(settings, store, utc_now())
    if metrics:
        click.echo(show_metrics(found), nl=False)
    else:
        click.echo(views.as_json(found) if as_json else show_status(found, settings.zone))
    sys.exit(0 if found.healthy else 1)


@cli.command()
@click.argument("sweep", metavar="SOURCE/SWEEP")
@with_config
def release(sweep: str, path: Path) -> None:
    """Send what the brake holds of a sweep, and believe its next reading.

    What is missing from that, and is not found by its id either, has vanished.
    """
    click.echo(_decide(path, sweep, Decision.RELEASED))


@cli.command()
@click.argument("sweep", metavar="SOURCE/SWEEP")
@with_config
def discard(sweep: str, path: Path) -> None:
    """Drop what the brake holds of a sweep; nobody is told of it.

    Where the next reading misses suspiciously much again, that is forgotten.
    """
    click.echo(_decide(path, sweep, Decision.DISCARDED))


cli.add_command(channels)
cli.add_command(deliveries)
cli.add_command(drop)
cli.add_command(explain)
cli.add_command(privacy)
cli.add_command(replay_command)
cli.add_command(resume)
cli.add_command(retry)
cli.add_command(rules_group)
cli.add_command(schema)
cli.add_command(silence)
cli.add_command(webhook)


def main() -> None:
    """Runs the command that the arguments name."""
    cli()


def _load(path: Path) -> tuple[Settings, tuple[Rule, ...]]:
    """Returns settings and rules.

    Raises:
        ConfigError: with everything that is wrong in any of the files.
    """
    return load_everything(path, os.environ)


def _decide(path: Path, sweep: str, decision: Decision) -> str:
    """Decides about a sweep that is doubted, whether or not the daemon runs; returns what to say."""
    settings = load_planned(path, os.environ)
    # The store as it is: a store that is not there yet has no doubts.
    Store.read_only(settings.store.url).close()
    with open_store(settings.store.url) as store, store.writing() as tx:
        names = decidable(tx, settings)
        if sweep not in names:
            raise click.BadParameter(f"there is no sweep {sweep!r} in {path}{choices(sweep, names)}")
        return show_decided(decide(tx, settings, sweep, decision, utc_now()))


def _store_to_compare_with(settings: Settings, stack: ExitStack) -> Store:
    """Returns the store of the daemon, or an empty one that is thrown away where there is none yet."""
    try:
        return stack.enter_context(Store.read_only(settings.store.url))
    except NoStore:
        folder = stack.enter_context(TemporaryDirectory(prefix="notifier-plan-"))
        return stack.enter_context(open_store(Path(folder) / "empty.db"))


def _say_unread(slipped: str) -> None:
    click.echo(f"{slipped}. What is missing from it is not known; try again", err=True)
