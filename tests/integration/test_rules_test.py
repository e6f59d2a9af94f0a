"""`notifier rules test`: cases beside the rules, run through both lines; what it prints, and how it exits."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from notifier.cli import cli
from notifier.config.first_steps import starter_folder, write_first_files

pytestmark = pytest.mark.usefixtures("own_logs")

CONFIG = """\
timezone = "Europe/Brussels"
[sources.acme]
base_url = "https://api.example.com"
enterprise = "acme"
token = "t"
[channels.team]
url = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#branch"
[channels.notes]
url = "console://"
fields = ["internal_notes"]
[channels.crm]
url = "https://crm.example.com/hook"
"""
RULES = """\
[[rule]]
name = "off"
on = "status_changed"
to = "CANCELLED"
channels = "team"

[[rule]]
name = "gone"
on = "vanished"
channels = ["team", "crm"]

[[rule]]
name = "noted"
on = "updated"
where.changed = "internal_notes"
channels = "notes"
body = "{{ appointment.internal_notes }}"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a configuration and rules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOTIFIER_CONFIG", raising=False)
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "own.toml").write_text(RULES, encoding="utf-8")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["rules", "test", *arguments])


def run_cases(place: Path, cases: str, *arguments: str) -> Result:
    """Runs the command on one file with these cases."""
    (place / "rules" / "own.test.toml").write_text(cases, encoding="utf-8")
    return run(*arguments)


def passes(place: Path, cases: str) -> None:
    result = run_cases(place, cases)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("folder", ["the repository", "what init writes"])
def test_the_starter_rules_have_a_case_for_each(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every starter rule is met by some case, and each of its keys turns something away."""
    write_first_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOTIFIER_CONFIG", raising=False)
    if folder == "the repository":
        config = (tmp_path / "config.toml").read_text(encoding="utf-8")
        rules = f'rules = "{(starter_folder() / "rules").as_posix()}/*.toml"\n'
        (tmp_path / "config.toml").write_text(rules + config, encoding="utf-8")
    result = run("--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["coverage"]["uncovered"] == []
    assert {Path(case["file"]).name for case in document["cases"]} == {
        f"{name}.test.toml" for name in ("cancellations", "no-shows", "requests", "reschedules")
    }


def test_cases_pass(place: Path) -> None:
    """What comes as expected passes, and what no rule asks for needs no word."""
    result = run_cases(
        place,
        """
[[case]]
name = "cancelled"
at = 2026-11-24T09:30:00
before = { start = 2026-11-24T11:00:00, office = "7" }
change = { status = "CANCELLED" }
[[case.sent]]
channel = "team"
rule = "off"
at = 09:30:00
title = "Cancelled: Tue 24 Nov 2026, 11:00–12:00, office 7"
text = ["Status: confirmed → cancelled", "Appointment: 1701"]

[[case]]
name = "moved"
change = { start = "3h" }
before = {}
""",
    )
    assert result.exit_code == 0, result.output
    assert result.output == (
        "rules/own.test.toml\n"
        "  ok    cancelled\n"
        "  ok    moved\n"
        "\n"
        "2 cases: all passed.\n"
        "\n"
        "Covered: 1 of 3 rules, which some event met; 3 of their 5 keys, which turned one\n"
        "away.\n"
        "  off: nothing was turned away by to\n"
        "  gone: no event met it\n"
        "  noted: no event met it; nothing was turned away by where.changed\n"
    )


def test_what_differs_is_shown(place: Path) -> None:
    """A case that fails says in which line, with what was expected and what came, and what each rule said."""
    result = run_cases(
        place,
        """
[[case]]
name = "cancelled"
before = {}
change = { status = "CANCELLED" }
sent = [
    { channel = "team", title = "Moved" },
    { channel = "crm", rule = "gone" },
]
""",
    )
    assert result.exit_code == 1
    assert "  FAIL  cancelled (rules/own.test.toml:3)\n" in result.output
    assert (
        "        line 7: not as expected: to team, by off, at 2026-11-24 08:00:00\n"
        "          title\n"
        "          - Moved\n"
        "          + Cancelled: Tue 24 Nov 2026, 10:00–11:00, office 12\n"
        "        line 8: not sent: to crm, by gone\n"
        "        Cancelled, appointment 1701:\n"
        "            off    matched\n"
        "            gone   no: on wants vanished, saw status_changed\n"
    ) in result.output
    assert "\n1 case: 1 failed.\n" in result.output


def test_nothing_else_may_come(place: Path) -> None:
    """A message that the case does not name fails it, however many are as expected."""
    result = run_cases(place, '[[case]]\nname = "off"\nbefore = {}\nchange = { status = "CANCELLED" }\n')
    assert result.exit_code == 1
    assert "not expected: to team, by off, at 2026-11-24 08:00:00\n          + Cancelled: " in result.output


def test_the_clock_moves_from_step_to_step(place: Path) -> None:
    """What happens later is noticed later, and on top of what happened before."""
    passes(
        place,
        """
[[case]]
name = "off, on again, off and gone"
before = { start = "2d" }
change = { status = "CANCELLED", employee = "302" }
sent = { channel = "team", text = "302" }

[[case.then]]
after = "2h"
change = { status = "ACCEPTED" }

[[case.then]]
after = "1d"
change = { status = "CANCELLED" }
sent = { channel = "team", at = 2026-11-25T10:00:00, text = "302" }

[[case.then]]
after = "1m"
vanish = "1701"
sent = [
    { channel = "team", rule = "gone", title = "No longer listed: Thu 26 Nov 2026, 08:00–09:00, office 12" },
    { channel = "crm", title = "notifier.appointment.vanished", text = '"subject": "1701"' },
]
""",
    )


def test_personal_texts(place: Path) -> None:
    """A channel that may see a text is told it; in chats and in the expectation, it stands in plain words."""
    passes(
        place,
        """
[[case]]
name = "a note"
before = { internal_notes = "old" }
change = { internal_notes = "a *new* one" }
sent = { channel = "notes", body = "a *new* one" }
""",
    )


TIMED = """\
[[rule]]
name = "off"
on = "status_changed"
to = "CANCELLED"
channels = "team"
hours = { days = "mon-fri", from = "08:00", to = "18:00" }

[[rule]]
name = "at once"
on = "status_changed"
where.office = "7"
channels = "notes"

[[rule]]
name = "rest"
on = ["status_changed", "rescheduled"]
fallback = true
channels = "crm"
"""


def test_hours_silences_and_fallbacks(place: Path) -> None:
    """What waits for its hours comes when they begin, re-checked; what a silence swallows never does."""
    (place / "rules" / "own.toml").write_text(TIMED, encoding="utf-8")
    result = run_cases(
        place,
        """
[[case]]
name = "at night, until the morning"
at = 2026-11-24T20:00:00
before = { start = "2d" }
change = { status = "CANCELLED" }

[[case.then]]
after = "12h"
sent = { channel = "team", at = 08:00:00, text = "Status: confirmed → cancelled" }

[[case]]
name = "at night, and undone before the morning"
at = 2026-11-24T20:00:00
before = { start = "2d" }
change = { status = "CANCELLED" }

[[case.then]]
after = "1h"
change = { status = "ACCEPTED" }
sent = { channel = "crm", text = "ACCEPTED" }

[[case.then]]
after = "2d"

[[case]]
name = "the time of an expectation is waited for"
at = 2026-11-27T20:00:00
before = { start = "9d" }
change = { status = "CANCELLED" }
sent = { channel = "team", at = 2026-11-30T08:00:00 }

[[case]]
name = "somebody silences an office"
before = { office = "7" }
silence = { where.office = "7", rule = "off", until = "1h", why = "it moves" }
change = { status = "CANCELLED" }
sent = { channel = "notes", rule = "at once" }

[[case.then]]
after = "2h"
change = { status = "ACCEPTED" }
sent = { channel = "notes" }

[[case]]
name = "moved"
before = {}
change = { start = "1d" }
sent = { channel = "crm", rule = "rest" }
""",
        "--json",
    )
    assert result.exit_code == 0, run().output
    uncovered = {one["rule"]: one["keys"] for one in json.loads(result.stdout)["coverage"]["uncovered"]}
    assert uncovered == {"rest": ["on"]}
    failing = run_cases(
        place,
        '[[case]]\nname = "night"\nat = 2026-11-24T20:00:00\nbefore = {}\nchange = { status = "CANCELLED" }\n'
        'sent = { channel = "team" }\n',
    )
    assert (
        "        to team, by off: waits until 2026-11-25 08:00:00\n"
        "          hours: outside mon-fri 08:00-18:00 Europe/Brussels; waits until 2026-11-25 08:00\n"
    ) in failing.output


def test_the_directory_of_the_configuration(place: Path) -> None:
    """Names and channels come from the directory, as they will when the rules are in use."""
    directory = '[directory.offices.7]\nname = "Ghent"\nchannels = ["crm"]\n'
    (place / "config.toml").write_text(CONFIG + directory, encoding="utf-8")
    (place / "rules" / "own.toml").write_text(
        '[[rule]]\nname = "off"\non = "status_changed"\nchannels = ["team", "directory:office"]\notherwise = "notes"\n',
        encoding="utf-8",
    )
    passes(
        place,
        """
[[case]]
name = "an office that is known"
before = { office = "7" }
change = { status = "CANCELLED" }
sent = [{ channel = "team", text = "Ghent" }, { channel = "crm" }]

[[case]]
name = "an office that is not"
before = { office = "8" }
change = { status = "CANCELLED" }
sent = [{ channel = "team", text = "office 8" }, { channel = "notes" }]
""",
    )


def test_a_case_has_a_directory_of_its_own(place: Path) -> None:
    """It goes before that of the configuration, for this case alone; what it names has to be there."""
    (place / "config.toml").write_text(CONFIG + '[directory.offices.7]\nname = "Ghent"\n', encoding="utf-8")
    rule = RULES.split("[[rule]]")[1].replace('"team"', '["team", "directory:office"]\notherwise = "notes"')
    (place / "rules" / "own.toml").write_text("[[rule]]" + rule, encoding="utf-8")
    known = """
[[case]]
name = "an office with a channel"
before = { office = "7" }
change = { status = "CANCELLED" }
directory.offices.7 = { name = "Gand", language = "fr", channels = "crm" }
sent = [{ channel = "team", text = ["Annulé", "Gand"] }, { channel = "crm" }]

[[case]]
name = "the same without"
before = { office = "7" }
change = { status = "CANCELLED" }
sent = [{ channel = "team", text = ["Cancelled", "Ghent"] }, { channel = "notes" }]
"""
    passes(place, known)
    (place / "rules" / "own.test.toml").write_text(known.replace('channels = "crm" }', 'channels = "crn" }'))
    result = CliRunner().invoke(cli, ["rules", "test"])
    assert result.exit_code == 2
    assert "own.test.toml:6: `channels`: there is no channel `crn`; did you mean `crm`?" in result.output


CLOCK = """\
[[rule]]
name = "open"
stays = { status = "INCOMING_REQUEST", for = "2h" }
remind = "4h"
escalate = { after = "1h", channels = ["crm"] }
channels = "team"

[[rule]]
name = "due"
overdue = "1h"
channels = "notes"

[[rule]]
name = "near"
before_start = "24h"
channels = "notes"
"""


def test_what_the_clock_makes(place: Path) -> None:
    """Stays, reminders and escalations are told at their moments, once, and not after the state was left."""
    (place / "rules" / "own.toml").write_text(CLOCK, encoding="utf-8")
    passes(
        place,
        """
[[case]]
name = "nobody answers, and then somebody does"
change = { status = "INCOMING_REQUEST", start = "9d" }
sent = [
    { channel = "team", rule = "open", at = 10:00:00, text = "unanswered for 2 h" },
    { channel = "crm", rule = "open", at = 11:00:00 },
    { channel = "team", rule = "open", at = 14:00:00, text = "reminder 1" },
]

[[case.then]]
after = "7h"
change = { status = "ACCEPTED" }

[[case.then]]
after = "2d"

[[case]]
name = "past its end, and nobody has closed it"
before = { start = "-30m" }
sent = { channel = "notes", rule = "due", at = 09:30:00 }

[[case.then]]
after = "3h"

[[case]]
name = "near, and nobody has confirmed it"
before = { status = "OUTGOING_INVITE", start = "26h" }
sent = { channel = "notes", rule = "near", at = 10:00:00 }

[[case]]
name = "near at once"
change = { status = "OUTGOING_INVITE", start = "3h" }
sent = { channel = "notes", rule = "near", at = 08:01:00 }
""",
    )


def test_a_new_one_and_a_discovered_one(place: Path) -> None:
    """What nobody knew was made just now, or at the time that the case gives."""
    rules = '[[rule]]\nname = "{0}"\non = "{0}"\nchannels = "team"\n'
    (place / "rules" / "own.toml").write_text(rules.format("created") + rules.format("discovered"), encoding="utf-8")
    passes(
        place,
        """
[[case]]
name = "both"
change = [{ id = "1" }, { id = "2", created_at = "-1d" }]
sent = [{ channel = "team", rule = "created" }, { channel = "team", rule = "discovered" }]
""",
    )


def test_a_template_that_fails(place: Path) -> None:
    """A case fails with the words of a template that can't be made, and is expected by nothing."""
    rule = RULES.partition("\n\n")[0] + '\ntitle = "{{ 1 // (appointment.id|int - 77) }}"\n'
    (place / "rules" / "own.toml").write_text(rule, encoding="utf-8")
    case = '[[case]]\nname = "off"\nbefore = { id = "77" }\nchange = { status = "CANCELLED" }\n'
    for more, said in (
        ("", "not expected: to team"),
        ('sent = { channel = "team" }', "line 5: not as expected: to team"),
    ):
        result = run_cases(place, case + more)
        assert result.exit_code == 1
        assert said in result.output
        assert "the template fails: line 1: " in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("cases", "line", "text"),
    [
        ('[[case]]\nname = "a"\nsent = { chanel = "team" }', 3, "unknown key `chanel`; did you mean `channel`?"),
        (
            '[[case]]\nname = "a"\n[case.sent]\nchannel = "team"\nrule = "of"',
            5,
            "`rule`: there is no rule `of`; did you mean `off`?",
        ),
        (
            '[[case]]\nname = "a"\n[[case.then]]\nafter = "1h"\n[case.then.sent]\nchannel = "taem"',
            6,
            "`channel`: there is no channel `taem`; did you mean `team`?",
        ),
        (
            '[[case]]\nname = "a"\n[case.then]\nafter = "1h"\n[case.then.sent]\nchannel = "taem"',
            6,
            "`channel`: there is no channel `taem`; did you mean `team`?",
        ),
        (
            '[[case]]\nname = "a"\n[case.change]\nid = "1"\nstatus = "CANCELED"',
            5,
            "`status`: there is no status `CANCELED`; did you mean `CANCELLED`?",
        ),
        ('[[case]]\nname = "a"\nbefore = { start = "soon" }', 3, "`start` must be a time without quotes like "),
        ('[[case]]\nname = "a"\nbefore = { start = 2026-11-24 }', 3, "not a date without a time"),
        ('[[case]]\nname = "a"\n[[case]]\nname = "a"', 4, "there is a case `a` in line 2 already"),
        ('[[case]]\nname = "a"\nvanish = "9"', 3, "`vanish`: no appointment `9` is there before"),
        ('[[case]]\nname = "a"\nbefore = [{}, {}]', 3, "give each an `id` of its own"),
        (
            '[[case]]\nname = "a"\nat = 2026-11-24T08:00:00\n[case.sent]\nchannel = "team"\nat = 2026-11-20T08:00:00',
            6,
            "`at` is before the step that it stands in",
        ),
        ('[[case]]\nname = "a"\nbefore = "x"', 3, "`before` must be a table with keys of its own, not text"),
        ("[[case]]\nname = 1", 2, "`name` must be text in quotes, not a number"),
        ('[[case]]\nname = "a"\n[[case.then]]\nsent = []', 3, "`after` is missing"),
        (
            '[[case]]\nname = "a"\nsilence = { where.ofice = "7", until = "1h" }',
            3,
            "the name `ofice` is nothing that a silence can ask for; did you mean `office`?",
        ),
        ('[[case]]\nname = "a"\nsilence = { until = "-1h" }', 3, "`until` is not after the step that it stands in"),
        ("[[case]\n", 1, "is not valid TOML"),
    ],
)
def test_complaints(place: Path, cases: str, line: int, text: str) -> None:
    """What is wrong in a file with cases is named with file and line and the nearest valid name; the exit code is 2."""
    result = run_cases(place, cases)
    assert result.exit_code == 2
    assert re.match(rf"rules/own\.test\.toml:{line}: ", result.stderr), result.stderr
    assert text in result.stderr


def test_wrong_rules_are_complained_about(place: Path) -> None:
    """Rules that don't load are not tested; the complaint is that of `check`."""
    (place / "rules" / "own.toml").write_text("[[rule]]\n", encoding="utf-8")
    result = run_cases(place, "")
    assert result.exit_code == 2
    assert result.stderr.startswith("rules/own.toml:1: `name` is missing")


def test_without_cases(place: Path) -> None:
    """Where there is nothing to run, nothing has passed."""
    assert place
    result = run()
    assert (result.exit_code, result.stderr) == (
        1,
        "notifier: there are no cases: no *.test.toml lies beside the rules\n",
    )


def test_files_that_are_named(place: Path) -> None:
    """Only the files that are named are run, wherever they lie."""
    (place / "rules" / "own.test.toml").write_text('[[case]]\nname = "a"\n', encoding="utf-8")
    (place / "else.toml").write_text('[[case]]\nname = "b"\n', encoding="utf-8")
    assert run("else.toml").output.startswith("else.toml\n  ok    b\n\n1 case: all passed.\n")


def test_junit(place: Path) -> None:
    """The report has a case for each, with what is wrong with those that failed, and parses whatever was told."""
    cases = (
        '[[case]]\nname = "fine"\n[[case]]\nname = "<off>"\nbefore = { office = "\\u0007&" }\n'
        'change = { status = "CANCELLED" }\n'
    )
    result = run_cases(place, cases, "--junit", "report.xml")
    assert result.exit_code == 1
    root = ET.fromstring((place / "report.xml").read_bytes())  # noqa: S314 - our own
    assert root.attrib == {"name": "notifier rules", "tests": "2", "failures": "1"}
    fine, off = root.iter("testcase")
    assert (fine.attrib["name"], off.attrib["name"], off.attrib["line"]) == ("fine", "<off>", "4")
    assert fine.find("failure") is None
    failure = off.find("failure")
    assert failure is not None
    assert failure.attrib["message"] == "not expected: to team, by off, at 2026-11-24 08:00:00"
    assert "office &" in (failure.text or "")


def test_json(place: Path) -> None:
    """The document has all that was told and expected."""
    result = run_cases(place, '[[case]]\nname = "off"\nbefore = {}\nchange = { status = "CANCELLED" }\n', "--json")
    (case,) = json.loads(result.stdout)["cases"]
    assert (case["name"], case["passed"], case["line"]) == ("off", False, 2)
    assert case["steps"][0]["unexpected"][0]["channel"] == "team"
    assert case["events"][0]["verdicts"][0] == {
        "rule": "off",
        "matched": True,
        "key": "",
        "wanted": "",
        "saw": "",
    }
