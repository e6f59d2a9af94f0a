"""`notifier privacy`: who gets what."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from notifier import views
from notifier.channels.address import mask
from notifier.commands.options import with_config, with_json
from notifier.config.settings import Settings
from notifier.core.appointment import APPOINTMENT_FIELDS, TEXT_FIELDS
from notifier.core.directory import KINDS
from notifier.core.recipients import possible_channels
from notifier.core.rule import Rule
from notifier.loading import load_everything
from notifier.wiring import names_asked, recipients_of

BEARERS: Mapping[str, Collection[str]] = {
    "office": {"office"},
    "subject": {"subject"},
    "employee": {"employee", "other_employees", "created_by", "updated_by"},
}
"""The fields that may hold the id of one of a kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A channel, and what leaves to it."""

    channel: str
    #: Its address without its secrets.
    service: str
    #: What it may see of an appointment, in the order of the record.
    fields: tuple[str, ...]
    #: The personal texts that it may see.
    personal: tuple[str, ...]
    #: The kinds of names that some source is asked for, and that it may see.
    names: tuple[str, ...]
    #: The rules that send there.
    rules: tuple[str, ...]
    #: Whether the operator hears there of troubles of notifier itself.
    operator: bool


@click.command()
@with_config
@with_json
def privacy(path: Path, as_json: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """Tell who gets what: of each channel the fields that may leave to it.

    Touches no network; what a channel may see is said by `fields` in the configuration.
    """
    settings, rules = load_everything(path, os.environ)
    found = recipients(settings, rules)
    click.echo(views.as_json(found) if as_json else show_recipients(found, say_names(settings)))


def recipients(settings: Settings, rules: Sequence[Rule]) -> list[Recipient]:
    """Returns every channel with what leaves to it, in the order of the configuration."""
    book, asked = recipients_of(settings), {kind for kinds in names_asked(settings).values() for kind in kinds}
    return [
        Recipient(
            channel=name,
            service=mask(channel.url.get_secret_value()),
            fields=tuple(field for field in APPOINTMENT_FIELDS if field in channel.grant.fields),
            personal=tuple(field for field in TEXT_FIELDS if field in channel.grant.fields),
            names=tuple(kind for kind in KINDS if kind in asked and not channel.grant.fields.isdisjoint(BEARERS[kind])),
            rules=tuple(rule.name for rule in rules if name in possible_channels(rule, book)),
            operator=name in settings.operator.channels,
        )
        for name, channel in settings.channels.items()
    ]


def show_recipients(found: Sequence[Recipient], more: str = "") -> str:
    """Returns who gets what, for people."""
    said = [views.wrap(text) for text in (say_personal(found), more) if text]
    return "\n\n".join(["\n".join(_lines(one)) for one in found] + said)


def say_personal(found: Sequence[Recipient]) -> str:
    """Says to whom personal text leaves."""
    granted = [f"{one.channel} ({', '.join(one.personal)})" for one in found if one.personal]
    return f"Personal text may leave to {', '.join(granted)}." if granted else "No personal text leaves to anybody."


def say_names(settings: Settings) -> str:
    """Says whose names are kept that are personal; empty where there are none."""
    sources = [name for name, kinds in names_asked(settings).items() if "employee" in kinds]
    if not sources:
        return ""
    return f"Names of employees are looked up at {', '.join(sources)}, and kept while an appointment refers to them."


def _lines(one: Recipient) -> Iterator[str]:
    yield f"{one.channel}: {one.service}"
    yield views.wrap(f"  rules     {', '.join(one.rules) or 'none: it gets nothing of any appointment'}", " " * 12)
    yield views.wrap(f"  fields    {', '.join(one.fields)}", " " * 12)
    yield views.wrap(f"  personal  {', '.join(one.personal) or 'none'}", " " * 12)
    if one.names:
        yield views.wrap(f"  names     of each {', '.join(one.names)}", " " * 12)
    if one.operator:
        yield "  operator  troubles of notifier itself"
