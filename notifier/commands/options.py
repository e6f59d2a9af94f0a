"""What the commands share: the options that most of them take."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from notifier.core.duration import parse_duration

Command = TypeVar("Command", bound=Callable[..., Any])


def with_config(command: Command) -> Command:
    """Adds `--config`, as `path`."""
    return click.option(
        "--config",
        "path",
        type=click.Path(path_type=Path, dir_okay=False),
        default="config.toml",
        show_default=True,
        envvar="NOTIFIER_CONFIG",
        help="The configuration file.",
    )(command)


with_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
with_limit = click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")


class _Since(click.ParamType[timedelta]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        try:
            return value if isinstance(value, timedelta) else parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


SINCE = _Since()
"""A duration back from now."""
