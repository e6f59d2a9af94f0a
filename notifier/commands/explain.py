"""`notifier explain`: why somebody was told, or nobody was."""

import os
from datetime import timedelta
from pathlib import Path

import click

from notifier import views
from notifier.clock import utc_now
from notifier.commands.options import SINCE, with_config, with_json
from notifier.config.settings import load_settings
from notifier.inquiry import inquire, story_of
from notifier.store import history
from notifier.store.database import Store
from notifier.story_view import show_inquiry


@click.command()
@click.argument("event", required=False)
@with_config
@click.option("--appointment", help="Tell of all events of this appointment, and why there was none.")
@click.option("--rule", help="Only what this rule said; alone, of every event.")
@click.option("--since", type=SINCE, default="7d", show_default=True, help="Only of the last so long.")
@with_json
def explain(
    event: str | None,
    path: Path,
    appointment: str | None,
    rule: str | None,
    since: timedelta,
    as_json: bool,  # noqa: FBT001 - a flag of the command line
) -> None:
    """Tell why somebody was told, or nobody was.

    EVENT is an id from `notifier events`, or its beginning. Without one, ask
    by --appointment, also where nothing happened, or by --rule.
    """
    settings = load_settings(path, os.environ)
    if event is not None and appointment is not None:
        raise click.UsageError("an event says which appointment; leave out --appointment, or the event")
    if event is None and appointment is None and rule is None:
        raise click.UsageError("say what to explain: an event, --appointment or --rule")
    now = utc_now()
    with Store.read_only(settings.store.url) as store, store.reading() as tx:
        if event is not None:
            story = story_of(tx, history.event(tx, event), rule)
            click.echo(views.as_json(story) if as_json else views.show_story(story, settings.zone))
            return
        found = inquire(tx, settings.sources, appointment=appointment, rule=rule, since=now - since, now=now)
    click.echo(views.as_json(found) if as_json else show_inquiry(found, settings.zone))
