"""The first files of a new user: they hold, they explain every key, and they overwrite nothing."""

import re
from pathlib import Path

import pytest

from notifier.channels.channel import open_channel
from notifier.config.channel_section import ChannelTable
from notifier.config.config_table import (
    ConfigTable,
    LimitsTable,
    OAuthTable,
    OperatorTable,
    SourceTable,
    StoreTable,
    SweepTable,
)
from notifier.config.first_steps import starter_folder, write_first_files
from notifier.config.rulebook import load_rulebook
from notifier.config.settings import DEFAULT_SWEEPS, Settings, load_settings
from notifier.errors import NotifierError

FILES = [
    "config.toml",
    "rules/cancellations.test.toml",
    "rules/cancellations.toml",
    "rules/no-shows.test.toml",
    "rules/no-shows.toml",
    "rules/requests.test.toml",
    "rules/requests.toml",
    "rules/reschedules.test.toml",
    "rules/reschedules.toml",
    "config.schema.json",
    "rules.schema.json",
    "cases.schema.json",
    "engage.token",
]
ENVIRON = {
    "HEARTBEAT": "e5a5c7a0",
    "SLACK_TOKENS": "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    "TEAMS_ADDRESS": "https://prod-15.westeurope.logic.azure.com:443/workflows/0123456789abcdef0123456789abcdef"
    "/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=abcdef",
    "SMTP_USER": "notifier%40example.com",
    "SMTP_PASSWORD": "secret",
}
EXAMPLE = (starter_folder() / "config.example.toml").read_text(encoding="utf-8")
SECTIONS = re.split(r"^# ==== .*\n", EXAMPLE, flags=re.MULTILINE)


def switched_on(text: str) -> str:
    """Returns the text with every setting that is switched off switched on; notes stay notes."""
    return re.sub(r"^#(?=[^: \n])", "", text, flags=re.MULTILINE)


HOLIDAYS = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20270726\nEND:VEVENT\nEND:VCALENDAR\n"


def load(folder: Path, text: str) -> Settings:
    """Returns the settings of the example with this text, beside the files that it speaks of."""
    write_first_files(folder)
    for name in ("other.secret", "crm.secret"):
        (folder / name).write_text("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", encoding="utf-8")
    (folder / "holidays.ics").write_text(HOLIDAYS, encoding="utf-8")
    (folder / "directory.csv").write_text("kind,id,name\noffice,12,Centre\n", encoding="utf-8")
    (folder / "config.toml").write_text(text, encoding="utf-8")
    return load_settings(folder / "config.toml", ENVIRON)


def test_the_first_files_hold_as_they_are(tmp_path: Path) -> None:
    """What a new user gets is right without a change, and without anything in the environment."""
    written = write_first_files(tmp_path / "new")
    assert [path.relative_to(tmp_path / "new").as_posix() for path in written] == FILES
    settings = load_settings(tmp_path / "new" / "config.toml", {})
    assert list(settings.sources) == ["acme"]
    assert list(settings.channels) == ["team"]
    rules = load_rulebook(settings)
    assert [rule.name for rule in rules] == [
        "late-cancellation",
        "cancellation",
        "no-show",
        "request",
        "other-date-requested",
        "request-unanswered",
        "rescheduled",
    ]
    assert all(rule.description for rule in rules)


def test_the_token_is_for_its_owner(tmp_path: Path) -> None:
    """Nobody else may read the file with the token, from its first moment."""
    write_first_files(tmp_path)
    assert (tmp_path / "engage.token").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    """If one of the files is there already, even as a dangling link, it is named and nothing is written."""
    (tmp_path / "rules").mkdir()
    (tmp_path / name).symlink_to("nowhere")
    with pytest.raises(NotifierError, match=re.escape(f"{tmp_path / name} is there already; nothing was written")):
        write_first_files(tmp_path)
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == [tmp_path / name]


def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    """What the system refuses is said in words."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(NotifierError, match="can't be written: Not a directory"):
        write_first_files(tmp_path / "file")


@pytest.mark.parametrize("number", range(len(SECTIONS)))
def test_every_section_can_be_switched_on(tmp_path: Path, number: int) -> None:
    """Each section of the example holds when all its settings are switched on, the rest being as it was."""
    sections = [switched_on(text) if index == number else text for index, text in enumerate(SECTIONS)]
    load(tmp_path, "".join(sections))


def test_everything_can_be_switched_on(tmp_path: Path) -> None:
    """All examples hold together, and every channel among them is one that can be opened."""
    settings = load(tmp_path, switched_on(EXAMPLE))
    assert list(settings.sources) == ["acme", "other", "gateway"]
    assert list(settings.channels) == ["team", "slack", "teams", "desk", "crm"]
    for name, channel in settings.channels.items():
        secrets = [secret.get_secret_value() for secret in channel.signing_secrets]
        open_channel(name, channel.url.get_secret_value(), secrets).close()


def test_defaults_are_shown(tmp_path: Path) -> None:
    """Switching on everything that is no example changes nothing: what is shown is the default."""
    plain = load(tmp_path / "plain", EXAMPLE)
    examples = re.compile(r"^# ==== Example.*?(?=^# ==== |\Z)", re.MULTILINE | re.DOTALL)
    shown = load(tmp_path / "shown", switched_on(examples.sub("", EXAMPLE)))
    assert shown.sources["acme"] == plain.sources["acme"]
    assert plain.sources["acme"].sweeps == DEFAULT_SWEEPS
    assert (shown.zone, shown.rules, shown.store.synchronous) == (plain.zone, plain.rules, plain.store.synchronous)
    assert shown.store.url == f"sqlite:///{tmp_path}/shown/notifier.db"


def test_every_key_is_explained() -> None:
    """There is no key of the configuration that the example does not show."""
    for table in (
        ConfigTable,
        StoreTable,
        SourceTable,
        OAuthTable,
        LimitsTable,
        SweepTable,
        ChannelTable,
        OperatorTable,
    ):
        for name, field in table.model_fields.items():
            key = field.alias or name
            assert re.search(rf"^#?(?:{key} = |\[+(?:\w+\.)*{key}\b)", EXAMPLE, re.MULTILINE), key
