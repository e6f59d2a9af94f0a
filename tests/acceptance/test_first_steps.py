"""What a new user does: `init`, `check`, `plan`, `test-send`; nothing of it sends or stores by accident."""

import hashlib
import re
from pathlib import Path

from notifier.clock import utc_now
from notifier.engage.simulated.document import Booking
from notifier.engage.simulator import Simulator
from tests.acceptance.command import run
from tests.acceptance.workplace import Workplace
from tests.fake_receiver import Reply, free_port, receiving


def content(folder: Path) -> dict[str, str]:
    """Returns a digest of every file in the folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_first_files(tmp_path: Path) -> None:
    """`init` writes files that `check` accepts as they are; it never overwrites one."""
    made = run(tmp_path, "init", environ={})
    assert made.code == 0
    written = [line.removeprefix("wrote ") for line in made.lines if line.startswith("wrote ")]
    assert sorted(written) == sorted(content(tmp_path))
    assert {"config.toml", "engage.token", "rules/cancellations.toml"} < set(written)
    checked = run(tmp_path, "check", environ={})
    assert (checked.code, checked.err) == (0, "")
    assert re.fullmatch(r"config.toml: 6 sweeps, \d+ rules, 1 channels: all fine.\n", checked.out)

    (tmp_path / "config.toml").write_text("# mine\n", encoding="utf-8")
    before = content(tmp_path)
    again = run(tmp_path, "init", environ={})
    assert (again.code, again.err) == (1, "notifier: config.toml is there already; nothing was written\n")
    assert content(tmp_path) == before


MISTAKES = """\
timezone = "Europe/Brusels"
rules = ["rules/*.toml"]
[sources.acme]
base_url = "https://api.example.com/enterprises/acme"
enterprise = "acme"
token = "${NO_SUCH_VARIABLE}"
[[sources.acme.sweeps]]
name = "near"
every = "1 minute"
form = "-1d"
[channels.team]
url = "slak://a/b/c"
[channels.desk]
url = "${file:no-such-file}"
"""

BAD_RULES = """\
[[rule]]
name = "late"
on = "status_change"
to = "CANCELED"
where.lead_time = "soon"
channels = ["team", "crm"]
title = "{{ appointment.ofice }}"
"""

COMPLAINTS = {
    "config.toml:1:": "there is no time zone `Europe/Brusels`; did you mean `Europe/Brussels`?",
    "config.toml:4:": "must end before `/enterprises`",
    "config.toml:6:": "there is no environment variable `NO_SUCH_VARIABLE`",
    "config.toml:9:": "must be a duration like 90s, 5m, 2h or 7d, not `1 minute`",
    "config.toml:10:": "unknown key `form`; did you mean `from`?",
    "config.toml:12:": "there is no kind of channel called slak://; did you mean slack://?",
    "config.toml:14:": "there is no file `no-such-file`",
    "rules/rules.toml:3:": "did you mean `status_changed`?",
    "rules/rules.toml:4:": "did you mean `CANCELLED`?",
    "rules/rules.toml:5:": "`lead_time` must compare the time left with durations",
    "rules/rules.toml:6:": "there is no channel `crm`; known here: team, desk",
    "rules/rules.toml:7:": "there is no variable `appointment.ofice`",
}


def test_every_mistake_is_told(workplace: Workplace) -> None:
    """`check` tells each mistake in configuration and rules with its file and line, and ends with 2."""
    (workplace.folder / "config.toml").write_text(MISTAKES, encoding="utf-8")
    (workplace.folder / "rules").mkdir()
    workplace.write_rules("rules.toml", BAD_RULES)
    checked = workplace.notifier("check")
    told = checked.err.splitlines()
    assert (checked.code, checked.out) == (2, "")
    assert all(re.match(r"[\w./]+:\d+: \S", line) for line in told), told
    missing = {place: text for place, text in COMPLAINTS.items() if not any(_says(line, place, text) for line in told)}
    assert missing == {}, told
    assert len(told) == len(COMPLAINTS), told


def _says(line: str, place: str, text: str) -> bool:
    return line.startswith(place) and text in line


def test_plan_commits_nothing(workplace: Workplace, engage: Simulator) -> None:
    """`plan` makes no store and leaves one as it is; what it foretells is then recorded and told, to the word."""
    made = [engage.enterprise.create(utc_now(), Booking(start=utc_now())) for _ in range(3)]
    workplace.configure({"team": "console://"})
    first = workplace.notifier("plan")
    assert first.code == 0
    assert first.out.startswith("A poll now would store 3 appointments in silence at first sight, record 0 events")
    assert not workplace.store.exists()

    looked = workplace.notifier("run", "--once")
    assert (looked.code, looked.out) == (0, "")
    engage.enterprise.cancel(made[0], utc_now())
    engage.enterprise.no_show(made[1], utc_now())
    before = content(workplace.folder)
    plan = workplace.notifier("plan", "--json")
    assert (plan.code, content(workplace.folder)) == (0, before)

    sent = workplace.notifier("run", "--once")
    assert (sent.code, len(sent.logged("delivered"))) == (0, 2)
    foreseen = plan.document()["foreseen"]
    told = {record["event_id"] for record in sent.logged("delivered")}
    assert {one["recorded"]["event"]["id"] for one in foreseen} == told
    for one in foreseen:
        (draft,) = one["drafts"]
        assert draft["channel"] == "team"
        assert f"┌ {draft['message']['title']}\n" in sent.out


def test_test_send(workplace: Workplace) -> None:
    """`test-send` tells what the other side answered; what it sends says that it is a test, and nothing is stored."""
    with receiving() as fine, receiving(Reply(410)) as gone:
        down = f"http://127.0.0.1:{free_port()}"
        workplace.configure({"fine": f"{fine.url}/hooks/secret-path", "gone": gone.url, "down": down})
        answers = workplace.notifiers("test-send fine", "test-send gone", "test-send down")
        assert [answer.err for answer in answers] == ["", "", ""]
        assert [(answer.code, answer.out) for answer in answers] == [
            (0, "fine (http://127.0.0.1/***): delivered, ok (200)\n"),
            (1, "gone (http://127.0.0.1/***): dead, gone (410): HTTP 410 Gone\n"),
            (1, "down (http://127.0.0.1/***): retry, unreachable: Connection refused\n"),
        ]
        (request,) = fine.requests
    assert b'"rule":"test-send"' in request.body
    assert not workplace.store.exists()
