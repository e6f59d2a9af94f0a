"""`notifier rules`: looks at the rules before they go live."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from notifier import views
from notifier.commands.cases import test
from notifier.commands.options import with_config, with_json
from notifier.core.rule import Rule
from notifier.loading import load_everything
from notifier.rule_lint import Remark, known_ids
from notifier.rule_lint import lint as find_remarks


@click.group()
def rules() -> None:
    """Look at the rules before they go live."""


rules.add_command(test)


@rules.command()
@with_config
@with_json
def lint(path: Path, as_json: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """Find what rules say that can't be meant; exit with 1 if there is any.

    Prints FILE:LINE: CODE: what it is. Touches no network. Which offices and subjects there are is known from the
    snapshot, once there is one.
    """
    settings, loaded = load_everything(path, os.environ)
    known = known_ids(settings)
    if known is None:
        click.echo("There is no store yet: whether offices and subjects exist is not known.", err=True)
    remarks = find_remarks(settings, loaded, known or {})
    click.echo(views.as_json(remarks) if as_json else "\n".join(_say(remarks, loaded)))
    sys.exit(1 if remarks else 0)


def _say(remarks: Sequence[Remark], loaded: Sequence[Rule]) -> Iterator[str]:
    for one in remarks:
        about = f"{one.name}: {one.key}" if one.key else one.name
        yield f"{one.file}:{one.line}: {one.code}: {about}: {one.text}"
    yield f"{_count(len(loaded), 'rule')}, {_count(len(remarks), 'finding')}."


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
