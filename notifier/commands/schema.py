"""`notifier schema`: what editors need to complete and check the files that people write."""

import json

import click

from notifier.config.schema import cases_schema, config_schema, rules_schema


@click.group()
def schema() -> None:
    """Print the JSON Schema of a kind of file, for editors."""


@schema.command()
def config() -> None:
    """Print that of config.toml."""
    click.echo(json.dumps(config_schema(), indent=2))


@schema.command()
def rules() -> None:
    """Print that of rules/*.toml."""
    click.echo(json.dumps(rules_schema(), indent=2))


@schema.command()
def cases() -> None:
    """Print that of rules/*.test.toml."""
    click.echo(json.dumps(cases_schema(), indent=2))
