"""`notifier webhook`: what a receiver of webhooks got, looked at from this side."""

import os
import sys
from pathlib import Path
from typing import BinaryIO

import click

from notifier.channels.signature import TOLERANCE, Check, SignedRequest, check, signer
from notifier.clock import utc_now
from notifier.commands.options import with_config
from notifier.config.settings import load_settings
from notifier.config.spelling import choices
from notifier.core.duration import say_duration

_SECRETS = ("the first secret", "the second secret")


@click.group()
def webhook() -> None:
    """Look at what a receiver of webhooks got."""


@webhook.command()
@click.argument("channel")
@click.argument("body", type=click.File("rb"), default="-")
@click.option("--id", "id_", required=True, metavar="TEXT", help="The header webhook-id.")
@click.option("--timestamp", required=True, metavar="TEXT", help="The header webhook-timestamp.")
@click.option("--signature", required=True, metavar="TEXT", help="The header webhook-signature.")
@with_config
def verify(channel: str, body: BinaryIO, id_: str, timestamp: str, signature: str, path: Path) -> None:
    """Tell whether CHANNEL signed a request; exit with 1 if it did not.

    BODY is a file with the body as it came, to the byte; else it is read from standard input.
    """
    secrets = _secrets(path, channel)
    found = check([signer(secret) for secret in secrets], SignedRequest(id_, timestamp, signature, body.read()))
    click.echo(_say(found, channel))
    sys.exit(0 if found.secret is not None else 1)


def _secrets(path: Path, channel: str) -> list[str]:
    channels = load_settings(path, os.environ).channels
    if channel not in channels:
        raise click.BadParameter(f"there is no channel {channel!r} in {path}{choices(channel, channels)}")
    secrets = [secret.get_secret_value() for secret in channels[channel].signing_secrets]
    if not secrets:
        raise click.BadParameter(f"the channel {channel!r} has no signing_secret, so it signs nothing")
    return secrets


def _say(found: Check, channel: str) -> str:
    if found.signed_at is None:
        return "wrong: the timestamp must be whole seconds since 1970, and the body text in UTF-8"
    if found.secret is None:
        return (
            f"wrong: no secret of channel {channel} made this signature for this id, timestamp and body; "
            "the body must be the same to the byte, so take it before anything reads it as JSON"
        )
    age = utc_now() - found.signed_at
    said = f"right: signed with {_SECRETS[found.secret]} of channel {channel}"
    if abs(age) <= TOLERANCE:
        return said
    when = f"{say_duration(abs(age))} {'ago' if age > TOLERANCE else 'from now'}"
    return f"{said}, but {when}; receivers refuse what is more than {say_duration(TOLERANCE)} away from their clock"
