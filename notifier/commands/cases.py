"""`notifier rules test`: runs the cases that a team wrote for its rules."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from notifier import views
from notifier.case_view import as_document, junit, show_test_run
from notifier.cases import run_cases
from notifier.commands.options import with_config, with_json
from notifier.config.case_file import case_files, load_cases
from notifier.errors import NotifierError
from notifier.loading import load_everything


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, dir_okay=False, exists=True))
@with_config
@click.option(
    "--junit",
    "report",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Also write a report there, as JUnit's XML.",
)
@with_json
def test(files: Sequence[Path], path: Path, report: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Run the cases in FILES, or in all *.test.toml beside the rules.

    Each case says what happens, and which messages come of it; any other
    message fails it. Nothing is sent, and no store is touched. The exit code
    is 1 if a case fails.
    """
    settings, rules = load_everything(path, os.environ)
    found = list(files) or case_files(settings)
    if not found:
        raise NotifierError("there are no cases: no *.test.toml lies beside the rules")
    run = run_cases(settings, rules, load_cases(settings, rules, found))
    if report:
        try:
            report.write_text(junit(run, settings.zone), encoding="utf-8")
        except OSError as error:
            raise NotifierError(f"{report} can't be written: {error.strerror}") from error
    click.echo(views.as_json(as_document(run)) if as_json else show_test_run(run, settings.zone))
    sys.exit(0 if run.passed else 1)
