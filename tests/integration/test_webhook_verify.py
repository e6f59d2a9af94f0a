"""`notifier webhook verify`: a receiver's doubt, settled from this side."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from notifier.channels.signature import sign, signer
from notifier.cli import cli
from notifier.clock import utc_now
from tests import configured

NEW, OLD = (f"whsec_{letter * 40}" for letter in "AB")
BODY = '{"id": "1"}'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    source = configured.source("http://127.0.0.1:9", 'token = "t"')
    signed = f'[channels.crm]\nurl = "https://crm.example.com"\nsigning_secret = ["{NEW}", "{OLD}"]'
    configured.settings(tmp_path, f"{source}\n{signed}", {"team": "console://"})
    return tmp_path / "config.toml"


def verify(config: Path, secret: str, moment: datetime, channel: str = "crm") -> Result:
    """Runs the command on what a channel with this secret would have sent."""
    header = sign([signer(secret)], "msg_1", moment, BODY)
    options = ["--id", "msg_1", "--timestamp", str(int(moment.timestamp())), "--signature", header]
    return CliRunner().invoke(cli, ["webhook", "verify", channel, *options, "--config", str(config)], input=BODY)


@pytest.mark.parametrize(("secret", "which"), [(NEW, "first"), (OLD, "second")])
def test_right(config: Path, secret: str, which: str) -> None:
    """It says with which of the secrets, and shows neither."""
    done = verify(config, secret, utc_now())
    assert (done.exit_code, done.output) == (0, f"right: signed with the {which} secret of channel crm\n")


def test_right_and_old(config: Path) -> None:
    """It says why receivers refuse it all the same."""
    done = verify(config, NEW, utc_now() - timedelta(hours=2, seconds=10))
    assert done.exit_code == 0
    assert "but 2 h ago; receivers refuse what is more than 5 min away from their clock" in done.output


def test_wrong(config: Path) -> None:
    """It exits with 1 and says what must be the same."""
    done = verify(config, f"whsec_{'C' * 40}", utc_now())
    assert done.exit_code == 1
    assert "wrong: no secret of channel crm made this signature" in done.output


@pytest.mark.parametrize(("channel", "complaint"), [("cm", "did you mean `crm`?"), ("team", "has no signing_secret")])
def test_channels_that_sign_nothing(config: Path, channel: str, complaint: str) -> None:
    """A name that is none is a mistake of usage, and so is a channel without a secret."""
    done = verify(config, NEW, utc_now(), channel)
    assert done.exit_code == 2
    assert complaint in " ".join(done.output.split())
