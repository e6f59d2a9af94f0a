"""Complaints about a configuration name the place, and never the secret that stands there."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from notifier.cli import cli
from tests.canary import SECRETS, found_in

pytestmark = pytest.mark.usefixtures("own_logs")

CONFIG = """\
timezone = "Europe/Brussels"

[operator]
channels = "team"
heartbeat_url = "http://127.0.0.1/beat"

[sources.acme]
base_url = "https://api.example.com"
enterprise = "acme"
token = "token"

[[sources.acme.sweeps]]
name = "near"
every = "1m"

[channels.team]
url = "http://127.0.0.1/hook"
"""

TOKEN = 'token = "token"'
BASE = 'base_url = "https://api.example.com"'
BEAT = 'heartbeat_url = "http://127.0.0.1/beat"'
HOOK = 'url = "http://127.0.0.1/hook"'

MISTAKES = [
    ("token", TOKEN, 'token = "{}'),
    ("token", TOKEN, "token = {}"),
    ("token", TOKEN, 'token = "{}" "more"'),
    ("token", TOKEN, 'token = ["{}"]'),
    ("token", TOKEN, 'token = {{ value = "{}" }}'),
    ("token", TOKEN, r'token = "\n{}"'),
    ("token", TOKEN, 'token = "é{}"'),
    ("token", TOKEN, 'tokn = "{}"'),
    ("token", TOKEN, 'token = "token"\ntoken = "{}"'),
    ("token", TOKEN, 'token = "token"\nmore = "{}"'),
    ("client secret", TOKEN, 'oauth = {{ token_url = "x", client_id = "x", client_secret = "{}", more = 1 }}'),
    ("client secret", TOKEN, 'oauth = {{ token_url = "https://x/{}", client_id = "x", client_secret = "" }}'),
    ("client secret", TOKEN, 'oauth = "{}"'),
    ("heartbeat", BEAT, 'heartbeat_url = "{}"'),
    ("heartbeat", BEAT, 'heartbeat_url = "ftp://{}/"'),
    ("heartbeat", BEAT, 'heartbeat_url = "http://:{}"'),
    ("heartbeat", BEAT, 'heartbeat_url = "http://[{}/"'),
    ("heartbeat", BEAT, 'heartbeat_url = ["http://{}"]'),
    ("password of a channel", BASE, 'base_url = "https://user:{}@api.example.com"'),
    ("password of a channel", BASE, 'base_url = "https://user:{}@api.example.com/enterprises/acme"'),
    ("password of a channel", BASE, 'base_url = "ftp://user:{}@api.example.com"'),
    ("password of a channel", BASE, 'base_url = "https://api.example.com?key={}"'),
    ("path of a channel", HOOK, 'url = "{}"'),
    ("path of a channel", HOOK, 'url = "slak://{}"'),
    ("path of a channel", HOOK, 'url = "{}://host"'),
    ("path of a channel", HOOK, 'url = "slack://{}"'),
    ("path of a channel", HOOK, 'url = "rsyslog://{}"'),
    ("path of a channel", HOOK, 'url = "http://a b/{}"'),
    ("path of a channel", HOOK, 'url = "http:///{}"'),
    ("path of a channel", HOOK, 'url = "http://host:port/{}"'),
    ("path of a channel", HOOK, 'url = "http://[::1/{}"'),
    ("path of a channel", HOOK, 'url = "http://host/{}\x7f"'),
    ("path of a channel", HOOK, 'url = "json://{}?optional=yes"'),
    ("path of a channel", HOOK, 'url = "json://host/{} json://other"'),
    ("path of a channel", HOOK, 'url = ["http://{}"]'),
    ("path of a channel", HOOK, 'link = "http://{}"'),
    ("path of a channel", HOOK, 'url = "http://host"\nrate = "{}"'),
    ("signing key", HOOK, HOOK + '\nsigning_secret = "whsec_!{}"'),
    ("signing key", HOOK, HOOK + '\nsigning_secret = 5 # {0}\nsigning_secret = "{0}"'),
    ("signing key", HOOK, HOOK + '\nsigning_secrets = "{}"'),
    ("signing key", HOOK, HOOK + '\nsigning_secret = ["{0}", "{0}", "{0}"]'),
    ("signing key", HOOK, 'url = "json://host"\nsigning_secret = "whsec_{}"'),
]
"""Which secret, in the place of which line, in what mistake."""


COMMANDS = ("check", "privacy", "channels", "test-send team")


@pytest.mark.parametrize(("kind", "line", "mistake"), MISTAKES)
def test_a_complaint_repeats_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, line: str, mistake: str
) -> None:
    """Whatever is wrong with a secret, it is told with file and line, and without the secret or a traceback."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOTIFIER_CONFIG", raising=False)
    text = CONFIG.replace(line, mistake.format(SECRETS[kind]), 1)
    assert kind in found_in(text.encode())
    Path("config.toml").write_text(text, encoding="utf-8")
    answers = {command: CliRunner().invoke(cli, ["--log-level", "debug", *command.split()]) for command in COMMANDS}
    for command, answer in answers.items():
        assert (found_in(answer.output.encode()), "Traceback" in answer.output) == (set(), False), command
        assert answer.exception is None or isinstance(answer.exception, SystemExit), command
    assert answers["check"].exit_code == 2
    assert answers["check"].stderr.startswith("config.toml:")
