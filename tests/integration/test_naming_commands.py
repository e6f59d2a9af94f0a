"""What the commands tell of names that are looked up: `plan`, `status`, `privacy`, and `replay`, which uses none."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from notifier.cli import cli
from notifier.clock import utc_now
from notifier.daemon import Daemon
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.grants import READ
from notifier.engage.simulated.named import SCOPES
from notifier.engage.simulator import Simulator
from notifier.loading import load_everything
from notifier.store.database import open_store

pytestmark = pytest.mark.usefixtures("own_logs")

RULES = """
[[rule]]
name = "cancelled"
on = "status_changed"
to = "CANCELLED"
channels = ["team"]
"""


@pytest.fixture
def engage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """An enterprise with one appointment, of which one round has seen all but the names of employees."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOTIFIER_CONFIG", raising=False)
    Path("rules").mkdir()
    Path("rules/rules.toml").write_text(RULES, encoding="utf-8")
    with Simulator(clock=utc_now, scopes=(READ, *SCOPES["offices"], *SCOPES["subjects"])) as simulator:
        start = utc_now() + timedelta(hours=3)
        simulator.enterprise.create(utc_now(), Booking(start=start, office="11", subject="51", employee="301"))
        write(simulator, '["office", "employee", "subject"]')
        a_round()
        yield simulator


def a_round() -> None:
    """Does what `run --once` does, and stays."""
    settings, rules = load_everything(Path("config.toml"), {})
    with open_store(settings.store.url, synchronous="normal") as store:
        assert Daemon(settings, rules, store).run_once() == 0


def write(simulator: Simulator, kinds: str) -> None:
    Path("config.toml").write_text(
        f"""
[sources.acme]
base_url = "{simulator.base_url}"
enterprise = "acme"
token = "{simulator.token}"
names = {kinds}
[[sources.acme.sweeps]]
name = "all"
every = "1m"

[channels.team]
url = "console://"
[channels.blind]
url = "console://"
fields = ["start", "created_by"]
""",
        encoding="utf-8",
    )


def notifier(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def cancel(simulator: Simulator) -> None:
    (row,) = simulator.enterprise.rows()
    simulator.enterprise.cancel(row.id, utc_now())


def test_a_preview_shows_names(engage: Simulator) -> None:
    """As the message would; and ids where the source gives no names."""
    cancel(engage)
    shown = notifier("plan").output
    assert "Antwerp" in shown
    assert "Subject: Mortgage" in shown
    assert "employee 301" in shown


def test_a_replay_shows_no_difference(engage: Simulator) -> None:
    """Both sides of it call things by the same names, whatever was looked up."""
    cancel(engage)
    a_round()
    said = notifier("replay", "--rules", "rules", "--since", "1h")
    assert said.exit_code == 0
    assert "Antwerp" not in said.output
    assert "no difference" in said.output.lower()


def test_the_status_tells_what_was_refused(engage: Simulator) -> None:
    """With what is known of each kind; it is no trouble of anybody."""
    assert engage.counts["/enterprises/acme/employees", 403] == 1
    said = " ".join(notifier("status").output.split())
    assert "Names of acme: office, 1 known Names of acme: employee, 0 known; refused" in said
    assert "needs the scope engage:employees:readOnly" in said
    assert "Names of acme: subject, 1 known" in said
    told = json.loads(notifier("status", "--json").output)
    assert [(one["kind"], one["known"], one["refused"] is None) for one in told["names"]] == [
        ("office", 1, True),
        ("employee", 0, False),
        ("subject", 1, True),
    ]
    assert not any("name" in trouble.lower() for trouble in told["troubles"])


def test_who_may_read_names_is_told(engage: Simulator) -> None:
    """For each channel the kinds that it may see; and that those of employees are kept."""
    said = notifier("privacy").output
    assert "  names     of each office, subject, employee\n" in said
    assert "  names     of each employee\n" in said
    last = " ".join(said.split())
    assert "Names of employees are looked up at acme, and kept while an appointment refers to them." in last
    assert [one["names"] for one in json.loads(notifier("privacy", "--json").output)] == [
        ["office", "subject", "employee"],
        ["employee"],
    ]
    write(engage, "[]")
    assert "names" not in notifier("privacy").output.lower()


@pytest.mark.parametrize(
    ("kinds", "complaint"),
    [
        ('["offices"]', "there is no kind `offices`; did you mean `office`?"),
        ('["office", "office"]', "names `office` twice"),
        ("true", "must be"),
    ],
)
def test_a_wrong_kind_is_a_mistake(engage: Simulator, kinds: str, complaint: str) -> None:
    """With its line, and the nearest right one."""
    write(engage, kinds)
    said = notifier("check")
    assert said.exit_code == 2
    assert "config.toml:6: `names`" in said.output
    assert complaint in said.output
