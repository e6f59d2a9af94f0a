"""`notifier replay`: what other rules would have told of what happened."""

import glob
import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click

from notifier import views
from notifier.clock import utc_now
from notifier.commands.options import SINCE, with_config, with_json
from notifier.config.rulebook import load_rulebook, rule_files
from notifier.loading import load_everything
from notifier.progress import open_watcher
from notifier.replay import asked_statuses, compare_rules, read_recording
from notifier.replay_view import show_replay
from notifier.store.database import Store


@click.command("replay")
@with_config
@click.option(
    "--rules",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder with the other rules, *.toml.",
)
@click.option("--since", type=SINCE, default="7d", show_default=True, help="What happened in the last so long.")
@with_json
def replay_command(path: Path, folder: Path, since: timedelta, as_json: bool) -> None:  # noqa: FBT001
    """Show what other rules would have told of what happened.

    Takes the events on record through the rules as they are and through those
    in --rules, and shows which messages would be new, gone, moved or worded
    otherwise. Sends nothing and writes nothing.
    """
    settings, rules = load_everything(path, os.environ)
    others = replace(settings, rules=(f"{glob.escape(str(folder.absolute()))}/*.toml",))
    if not rule_files(others)[0]:
        raise click.BadParameter(f"there are no rules in {folder}", param_hint="--rules")
    now = utc_now()
    after = load_rulebook(others)
    with Store.read_only(settings.store.url) as store:
        recording = read_recording(store, settings.sources, now - since, now, asked_statuses((*rules, *after)))
    with open_watcher(sys.stderr) as watcher:
        found = compare_rules(settings, rules, after, recording, watcher)
    click.echo(views.as_json(found) if as_json else show_replay(found, settings.zone))
