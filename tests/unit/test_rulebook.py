"""Files with rules become rules, or a complaint for every mistake in any of them."""

import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from notifier.config import condition
from notifier.config.channel_names import VALUES_LIMIT
from notifier.config.rule_table import WhereTable
from notifier.config.rulebook import RULES_LIMIT, load_rulebook
from notifier.config.settings import load_settings
from notifier.config.toml_file import SIZE_LIMIT
from notifier.core.appointment import Appointment
from notifier.core.bundle import Digest, Group, Throttle
from notifier.core.change import FieldChange, Kind
from notifier.core.event import Event
from notifier.core.rule import ID_FIELDS, WORD_FIELDS, Rule, judge
from notifier.core.watch import UNCONFIRMED, Escalation, Watch
from notifier.errors import ConfigError

CONFIG = """
[sources.acme]
base_url = "https://api.example.com"
enterprise = "acme"
token = "abc"
[channels.team]
url = "console://"
[channels.desk]
url = "console://"
"""
RULE = """[[rule]]
name = "one"
on = "updated"
channels = "team"
"""
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
EVENT = Event(
    id="e1",
    source="acme",
    sweep="near",
    kinds=(Kind.STATUS_CHANGED,),
    changes=(FieldChange("status", "ACCEPTED", "CANCELLED"),),
    before=Appointment(id="a1", status="ACCEPTED", updated_at=NOW, start=NOW),
    after=Appointment(
        id="a1", status="CANCELLED", updated_at=NOW, start=NOW + timedelta(hours=5), office="12", meeting_type="VIDEO"
    ),
    detected_at=NOW,
)


def load(folder: Path, config: str = CONFIG, **files: str) -> tuple[Rule, ...]:
    """Returns the rules of files with these texts, named like `a` for `rules/a.toml`."""
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "config.toml").write_text(config, encoding="utf-8")
    for name, text in files.items():
        (folder / "rules" / f"{name}.toml").write_text(text, encoding="utf-8")
    return load_rulebook(load_settings(folder / "config.toml", {}))


def complaints(folder: Path, config: str = CONFIG, **files: str) -> list[str]:
    """Returns what is wrong with the files, as people read it from the folder of the configuration."""
    with pytest.raises(ConfigError) as caught:
        load(folder, config, **files)
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """People run the program in the folder of the configuration."""
    monkeypatch.chdir(tmp_path)


def test_there_may_be_only_so_many_rules(tmp_path: Path) -> None:
    """The first one too many is named; so is the file that is too long, which is not even read."""
    many = {
        name: "".join(RULE.replace('"one"', f'"{name} {number}"') for number in range(RULES_LIMIT // 2))
        for name in ("a", "b")
    }
    assert len(load(tmp_path, **many)) == RULES_LIMIT
    found = complaints(tmp_path, c=RULE, **many)
    assert found == [f"rules/c.toml:1: there are {RULES_LIMIT + 1} rules, and at most {RULES_LIMIT} are allowed"]
    long = complaints(tmp_path, c="#" * (SIZE_LIMIT + 1))
    assert long == ["rules/c.toml:1: has more than 1,000,000 bytes; split it into several"]


def test_a_list_may_have_only_so_many_values(tmp_path: Path) -> None:
    """What a rule asks for stands in its verdicts."""
    values = ", ".join(f'"{number}"' for number in range(VALUES_LIMIT + 1))
    found = complaints(tmp_path, a=f"{RULE}where.office = [{values}]")
    assert found == ["rules/a.toml:5: `office` must be a list of at most 1000"]


def test_all_conditions_together_may_take_only_so_long(tmp_path: Path) -> None:
    """The condition that is too much is named, though each by itself would do."""
    pytest.importorskip("cel_expr_python")
    body = " && ".join(["one != '301'"] * 30)
    rules = [
        RULE.replace('"one"', f'"{number}"') + f'if = "appointment.other_employees.all(one, {body})"\n'
        for number in range(8)
    ]
    assert len(load(tmp_path, a="".join(rules[:5]))) == 5
    (found,) = complaints(tmp_path, a="".join(rules))
    assert re.match(r"rules/a.toml:30: `if`: all conditions up to here together take too long for one event", found)


NARROW = CONFIG + 'fields = ["start", "customer", "internal_notes"]\n'


@pytest.mark.parametrize(
    ("template", "needed"),
    [
        ("{{ appointment.office }}", "add `office`"),
        ("{{ before.office }}", "add `office`"),
        ("{{ appointment['office'] }}", "add `office`"),
        ("{% if appointment.office %}x{% endif %}", "add `office`"),
        ("{% for one in appointment.other_employees %}{{ one }}{% endfor %}", "add `other_employees`"),
        ("{{ where }}", "add one of `office`, `meeting_type`, `meeting_room`"),
        ("{{ by }}", "add one of `updated_by`, `updated_by_type`, `created_by`, `created_by_type`"),
    ],
)
def test_a_template_may_use_only_what_each_of_its_channels_may_see(tmp_path: Path, template: str, needed: str) -> None:
    """The complaint names file and line, channel and variable, and says what to do."""
    rule = f"""{RULE.replace('"team"', '["team", "desk"]')}body = \"\"\"
{{{{ who }}}}
{template}
\"\"\"
"""
    (complaint,) = complaints(tmp_path, NARROW, a=rule)
    variable = re.findall(r"(?:appointment|before)\W+\w+|where|by", template)[0].replace("['", ".")
    assert complaint == (
        f"rules/a.toml:7: `body`: the channel `desk` may not see `{variable}`: "
        f"{needed} to `fields` of [channels.desk], take it out of the template, or give this channel a rule of its own"
    )
    load(tmp_path, NARROW, a=rule.replace('["team", "desk"]', '"desk"').replace(template, ""))


def test_personal_text_is_for_channels_that_name_it(tmp_path: Path) -> None:
    """A channel that names no fields may not see it, either; one that does may."""
    said = 'title = "{{ appointment.internal_notes }}"\n'
    (complaint,) = complaints(tmp_path, NARROW, a=RULE + said)
    assert complaint.startswith("rules/a.toml:5: `title`: the channel `team` may not see `appointment.internal_notes`:")
    load(tmp_path, NARROW, a=RULE.replace("team", "desk") + said)


def test_what_a_text_was_before_is_no_variable(tmp_path: Path) -> None:
    """Nobody knows it, and the complaint says what there is."""
    (complaint,) = complaints(tmp_path, NARROW, a=RULE + 'title = "{{ before.internal_notes }}"\n')
    assert complaint.startswith("rules/a.toml:5: `title`: there is no variable `before.internal_notes`")


def test_what_a_rule_looks_at_may_be_hidden(tmp_path: Path) -> None:
    """That an event matched tells no value."""
    asked = 'where.office = "12"\nwhere.changed = ["office", "answers"]\ntitle = "{{ who }}, {{ when }}"\n'
    (found,) = load(tmp_path, NARROW, a=RULE.replace("team", "desk") + asked)
    assert len(found.requirements) == 3


def test_every_key(tmp_path: Path) -> None:
    """A rule may have every key, and each becomes a requirement under its own name."""
    (rule,) = load(
        tmp_path,
        a="""
        [[rule]]
        name = "Späte Absage 1.0_x-y"
        description = "why"
        on = ["status_changed", "created"]
        from = "ACCEPTED"
        to = ["CANCELLED", "NO_SHOW"]
        where.source = "acme"
        where.office = ["12", "13"]
        where.subject = "5"
        where.employee = "77"
        where.customer = "901"
        where.listing = "3"
        where.lead_segment = "8"
        where.callback_request = "44"
        where.meeting_type = "VIDEO"
        where.updated_by_type = "ANYTHING"
        where.changed = ["start", "internal_notes"]
        where.lead_time = ">0s <24h"
        max_age = "120m"
        channels = ["team", "desk"]
        title = "Hello {{ appointment.id }}"
        body = "{{ when }}"
        stop = true
        always = true
        """,
    )
    assert (rule.name, rule.description, rule.stop, rule.always) == ("Späte Absage 1.0_x-y", "why", True, True)
    assert rule.channels == ("team", "desk")
    assert (rule.title, rule.body) == ("Hello {{ appointment.id }}", "{{ when }}")
    assert [(requirement.key, requirement.wanted) for requirement in rule.requirements] == [
        ("on", "status_changed or created"),
        ("from", "ACCEPTED"),
        ("to", "CANCELLED or NO_SHOW"),
        ("where.source", "acme"),
        ("where.office", "12 or 13"),
        ("where.subject", "5"),
        ("where.employee", "77"),
        ("where.customer", "901"),
        ("where.listing", "3"),
        ("where.lead_segment", "8"),
        ("where.callback_request", "44"),
        ("where.meeting_type", "VIDEO"),
        ("where.updated_by_type", "ANYTHING"),
        ("where.changed", "start or internal_notes"),
        ("where.lead_time", ">0s <24h"),
        ("max_age", "2h"),
    ]


def test_where_knows_every_field() -> None:
    """`where` has a key for every field that a requirement can be made of."""
    assert set(WhereTable.model_fields) == {"source", *ID_FIELDS, *WORD_FIELDS, "changed", "lead_time"}


def test_the_least_that_a_rule_says(tmp_path: Path) -> None:
    """Name, `on` and channels are enough; the texts are then the default ones."""
    (rule,) = load(tmp_path, a=RULE)
    assert (rule.title, rule.body, rule.description) == (None, None, "")
    assert (rule.stop, rule.always) == (False, False)
    assert rule.channels == ("team",)


def test_rules_judge(tmp_path: Path) -> None:
    """A loaded rule matches what it says and names the key that fails."""
    text = 'to = "CANCELLED"\nwhere.lead_time = "<24h"\nwhere.office = "{0}"\n'
    both = load(
        tmp_path,
        a=RULE.replace("updated", "status_changed") + text.format("12"),
        b=RULE.replace("updated", "status_changed").replace("one", "two") + text.format("13"),
    )
    assert [(judge(rule, EVENT).matched, judge(rule, EVENT).key) for rule in both] == [
        (True, ""),
        (False, "where.office"),
    ]


def test_condition(tmp_path: Path) -> None:
    """`if` is compiled, and judged last."""
    pytest.importorskip("cel_expr_python")
    good, bad = load(
        tmp_path,
        a=RULE.replace("updated", "status_changed") + "if = 'status == \"CANCELLED\"'",
        b=RULE.replace("updated", "status_changed").replace("one", "two") + "if = '''\nstatus == \"NO_SHOW\"'''",
    )
    assert judge(good, EVENT).matched
    verdict = judge(bad, EVENT)
    assert (verdict.matched, verdict.key, verdict.saw) == (False, "if", 'false with status "CANCELLED"')


def test_how_old_a_change_may_be_is_asked_last(tmp_path: Path) -> None:
    """So a verdict that something was noticed too late says that all else held."""
    pytest.importorskip("cel_expr_python")
    text = 'max_age = "1h"\nif = "true"\nwhere.lead_time = "<24h"\n'
    (rule,) = load(tmp_path, a=RULE.replace("updated", "status_changed") + text)
    assert [requirement.key for requirement in rule.requirements] == ["on", "where.lead_time", "if", "max_age"]


def test_condition_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra a rule with `if` is a mistake that says what to install."""
    monkeypatch.setattr(condition, "cel", None)
    assert complaints(tmp_path, a=RULE + 'if = "true"') == [
        'rules/a.toml:5: `if`: needs the extra "cel": pip install cel-expr-python'
    ]


def test_order(tmp_path: Path) -> None:
    """Rules come in the order of the files' names, wherever these lie, then in that of the file; each file once."""
    for folder in ("x", "y", "x/deep"):
        (tmp_path / folder).mkdir()
    for path, names in [("x/2.toml", "cd"), ("y/1.toml", "ab"), ("x/deep/3.toml", "e"), ("x/.#2.toml", "z")]:
        text = "".join(RULE.replace("one", name) for name in names)
        (tmp_path / path).write_text(text, encoding="utf-8")
    config = f'rules = ["x/**/*.toml", "{tmp_path}/y/1.toml", "x/2.toml"]' + CONFIG
    assert "".join(rule.name for rule in load(tmp_path, config)) == "abcde"


def test_a_pattern_that_matches_nothing(tmp_path: Path) -> None:
    """A pattern without a file is a mistake on its line of the configuration."""
    config = "rules = [\n  'rules/*.toml',\n  'more/*.toml',\n  'rules',\n]" + CONFIG
    assert complaints(tmp_path, config, a=RULE) == [
        f"config.toml:3: `rules`: no file matches `more/*.toml` in {tmp_path}",
        f"config.toml:4: `rules`: no file matches `rules` in {tmp_path}",
    ]
    (tmp_path / "rules" / "a.toml").unlink()
    assert complaints(tmp_path) == [f"config.toml:1: `rules`: no file matches `rules/*.toml` in {tmp_path}"]


def test_every_mistake_of_every_file(tmp_path: Path) -> None:
    """One reading tells all mistakes of all files, by file and line."""
    assert complaints(
        tmp_path,
        a="""[[rule]]
name = "one"
on = "updatd"
chanels = "team"
channels = ["tem"]
[[rule]]
name = "twin"
""",
        b="[rule]\n",
        c='[[rule]]\nname = "twin\n',
        d="\n" + RULE.replace("one", "twin"),
    ) == [
        "rules/a.toml:3: `on`: there is no kind of event `updatd`; did you mean `updated`?",
        "rules/a.toml:4: unknown key `chanels`; did you mean `channels`?",
        "rules/a.toml:5: `channels`: there is no channel `tem`; did you mean `team`?",
        "rules/a.toml:6: `on` is missing; there must be `on`, or `stays`, `overdue` or `before_start`",
        "rules/a.toml:6: `channels` is missing",
        "rules/b.toml:1: `rule` must be written with two brackets: [[rule]]",
        "rules/c.toml:2: is not valid TOML (column 13): Illegal character '\\n': a quote is not closed on this line",
        "rules/d.toml:3: there is a rule `twin` in rules/a.toml:7 already",
    ]


MISTAKES = [
    ('from = "CANCELED"', "`from`: there is no status `CANCELED`; did you mean `CANCELLED`?"),
    ('to = "cancelled"', "`to`: there is no status `cancelled`; did you mean `CANCELLED`?"),
    ("to = []", "`to` must not be empty"),
    ("to = 5", "`to` must be text in quotes, or a list of such texts, not a number"),
    ('where = "x"', "`where` must be a table with keys of its own, not text"),
    ('where.offce = "12"', "unknown key `offce`; did you mean `office`?"),
    ("where.office = [12]", "`office` must be text in quotes, not a number"),
    ("where.office = [[]]", "`office` must be text in quotes, not a list"),
    ('where.source = "acm"', "`source`: there is no source `acm`; did you mean `acme`?"),
    ('where.meeting_type = "VIDIO"', "`meeting_type`: there is no meeting type `VIDIO`; did you mean `VIDEO`?"),
    ('where.changed = "strt"', "`changed`: there is no field `strt`; did you mean `start`?"),
    (
        'where.lead_time = "24h"',
        "`lead_time` must compare the time left with durations, like <24h, >2d or >0s <24h, not `24h`",
    ),
    (
        'where.lead_time = "<24x"',
        "`lead_time` must compare the time left with durations, like <24h, >2d or >0s <24h, not `<24x`",
    ),
    ('max_age = "2 hours"', "`max_age` must be a duration like 90s, 5m, 2h or 7d, not `2 hours`"),
    ('max_age = "-2h"', "`max_age` must be from 1s to 366d, not `-2h`"),
    ('max_age = "0s"', "`max_age` must be from 1s to 366d, not `0s`"),
    ("max_age = 2", "`max_age` must be a duration like 90s, 5m, 2h or 7d, not `2`"),
    ('stop = "true"', "`stop` must be true or false, not text"),
    ("always = 1", "`always` must be true or false, not a number"),
    ("description = 5", "`description` must be text in quotes, not a number"),
    ("title = ''", "`title` must not be empty"),
    ("body = ['x']", "`body` must be text in quotes, not a list"),
    ("if = true", "`if` must be text in quotes, not true or false"),
]


@pytest.mark.parametrize(("text", "complaint"), MISTAKES)
def test_mistakes(tmp_path: Path, text: str, complaint: str) -> None:
    """What is wrong in a rule is said in words, with what was probably meant."""
    assert complaints(tmp_path, a=RULE + text) == [f"rules/a.toml:5: {complaint}"]


def test_a_status_as_kind_of_event(tmp_path: Path) -> None:
    """Who writes a status behind `on` is told how to say it."""
    assert complaints(tmp_path, a=RULE.replace("updated", "cancelled")) == [
        'rules/a.toml:3: `on` must say what happened; for a status write on = "status_changed" and to = "CANCELLED"'
    ]


def test_channels(tmp_path: Path) -> None:
    """Channels exist, and each is named once, as one message is owed to it."""
    twice = RULE.replace('"team"', '["team", "desk", "team"]')
    assert complaints(tmp_path, a=twice) == ["rules/a.toml:4: `channels` names `team` twice"]
    none = CONFIG.partition("[channels")[0]
    assert complaints(tmp_path, none, a=RULE) == [
        "rules/a.toml:4: `channels`: there is no channel `team`; there is none at all"
    ]


@pytest.mark.parametrize("name", ["a/b", " a", "a\\n", "a:b", "x" * 101, ""])
def test_names(tmp_path: Path, name: str) -> None:
    """A rule's name holds nothing that a list or an address could trip over."""
    (complaint,) = complaints(tmp_path, a=RULE.replace("one", name))
    assert complaint.startswith("rules/a.toml:2: `name` must")


ASKING = """
[[rule]]
name = "one"
{}
channels = "team"
"""
STAYS = 'stays = { status = "INCOMING_REQUEST", for = "2h" }'


def test_what_is_asked_of_the_clock(tmp_path: Path) -> None:
    """Every key reaches the watch of the rule."""
    (rule,) = load(tmp_path, a=ASKING.format(STAYS + '\nremind = "4h"\nescalate = { after = "1d", channels = "desk" }'))
    assert rule.watch == Watch(
        kind=Kind.STAYS,
        statuses=frozenset({"INCOMING_REQUEST"}),
        span=timedelta(hours=2),
        remind=timedelta(hours=4),
        escalate=Escalation(timedelta(days=1), ("desk",)),
    )
    assert [(one.key, one.wanted) for one in rule.requirements] == [("stays", "INCOMING_REQUEST for 2h")]
    (rule,) = load(tmp_path, a=ASKING.format('overdue = "1h"'))
    assert rule.watch == Watch(kind=Kind.OVERDUE, statuses=frozenset({"ACCEPTED"}), span=timedelta(hours=1))
    (rule,) = load(tmp_path, a=ASKING.format('before_start = "24h"'))
    assert rule.watch == Watch(kind=Kind.BEFORE_START, statuses=UNCONFIRMED, span=timedelta(days=1))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('on = "stays"', "4: `on` must say what changed; `stays` is a key of its own, in place of `on`"),
        ('overdue = "1 h"', "4: `overdue` must be a duration like 90s, 5m, 2h or 7d, not `1 h`"),
        ("stays = 2", "4: `stays` must be a table with keys of its own, not a number"),
        ('stays = { status = "REQUEST" }', "4: `for` is missing"),
        ('stays.for = "1h"', "4: `status` is missing"),
        ('stays.status = "NO_SHW"', "4: `status`: there is no status `NO_SHW`; did you mean `NO_SHOW`?"),
        (STAYS + '\noverdue = "1h"', "5: `overdue` can't stand beside `stays`; write a rule for each"),
        (
            STAYS + '\non = "created"',
            "5: `on` can't stand beside `stays`, which tells what does not change; write a rule for each",
        ),
        (STAYS + '\nremind = "30s"', "5: `remind` must be 1m or more, not `30s`"),
        (
            'on = "created"\nremind = "4h"',
            "5: `remind` is for rules with `stays`, `overdue` or `before_start`, which ask the clock",
        ),
        (
            'on = "created"\nescalate = { after = "1h", channels = "team" }',
            "5: `escalate` is for rules with `stays`, `overdue` or `before_start`, which ask the clock",
        ),
        (
            STAYS + '\nescalate = { after = "1h", channels = "tem" }',
            "5: `channels`: there is no channel `tem`; did you mean `team`?",
        ),
        (
            STAYS + '\nescalate = { after = "1h", channels = "directory:office" }',
            "2: `otherwise` is missing: who hears of it where `directory:office` leads to no channel?",
        ),
        (
            STAYS + '\nto = "ACCEPTED"',
            "5: `to` goes with `on` only: where nothing changes there is no before and after",
        ),
        (
            STAYS + "\nstop = true",
            "5: `stop` goes with `on` only: what a rule asks the clock for is told to that rule alone",
        ),
        (
            STAYS + '\nwhere.changed = "start"',
            "5: `where` can't ask for `changed` here, which goes with `on` only: nothing has changed",
        ),
    ],
)
def test_mistakes_about_the_clock(tmp_path: Path, text: str, complaint: str) -> None:
    """What can't be asked of the clock is said in words."""
    assert complaint in [one.removeprefix("rules/a.toml:") for one in complaints(tmp_path, a=ASKING.format(text))]


def test_what_is_told_together(tmp_path: Path) -> None:
    """What is left out has a good default; the zone is that of the configuration."""
    (rule,) = load(
        tmp_path, a=RULE + 'group = { by = "office", wait = "30s" }\nthrottle = { by = "office", most = 3, per = "1h" }'
    )
    assert rule.group == Group(timedelta(seconds=30), ("office",), 50)
    assert rule.throttle == Throttle(3, timedelta(hours=1), ("office",))
    (rule,) = load(tmp_path, a=RULE + 'digest = { at = ["16:00", "08:00"] }')
    assert rule.digest == Digest((time(8), time(16)), ZoneInfo("UTC"))
    (rule,) = load(
        tmp_path, a=RULE + 'digest = { at = "08:00", days = "sat-sun", zone = "UTC", by = ["kind", "source"] }'
    )
    assert rule.digest == Digest((time(8),), ZoneInfo("UTC"), ("kind", "source"), frozenset({5, 6}))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("group = {}", "5: `wait` is missing"),
        ('group = { wait = "30s", most = 1 }', "5: `most` must be 2 or more, not `1`"),
        (
            'group = { wait = "30s", by = "ofice" }',
            "5: `by`: there is no thing to gather by `ofice`; did you mean `office`?",
        ),
        ('group = { wait = "30s", by = ["office", "office"] }', "5: `by` names `office` twice"),
        ("digest = { at = [] }", "5: `at` must not be empty"),
        ('digest = { at = "8:00" }', '5: `at` must be a time of day in quotes, like "08:00", not `8:00`'),
        ('digest = { at = ["08:00", "08:00"] }', "5: `at` names `08:00` twice"),
        (
            'digest = { at = "08:00", zone = "Brussels" }',
            "5: `zone`: there is no time zone `Brussels`; did you mean `Europe/Brussels`?",
        ),
        ("throttle = { most = 3 }", "5: `per` is missing"),
        (
            'group = { wait = "30s" }\ndigest = { at = "08:00" }',
            "6: `digest` can't stand beside `group`: what is told at its times need not be gathered before",
        ),
        (
            'digest = { at = "08:00" }\nthrottle = { most = 1, per = "1h" }',
            "6: `throttle` can't stand beside `digest`, whose times say how often there is a message",
        ),
        (
            'group = { wait = "30s", by = "office" }\nthrottle = { most = 1, per = "1h" }',
            "6: `throttle` must have the same `by` as `group`, whose messages it counts",
        ),
    ],
)
def test_mistakes_about_what_is_told_together(tmp_path: Path, text: str, complaint: str) -> None:
    """What can't be gathered is said in words."""
    found = [one.removeprefix("rules/a.toml:") for one in complaints(tmp_path, a=RULE + text)]
    assert found == [complaint]


@pytest.mark.parametrize(
    "key",
    ["hold", "silence"],
)
def test_keys_of_later_versions(tmp_path: Path, key: str) -> None:
    """What this version can't do is a mistake and not ignored."""
    (complaint,) = complaints(tmp_path, a=RULE + f'{key} = "x"')
    assert complaint.startswith(f"rules/a.toml:5: unknown key `{key}`")


def test_templates(tmp_path: Path) -> None:
    """A template that can't work is a mistake on its own line, however the text is quoted."""
    text = '''title = "{{ whn }}"
body = """
Hello
{{ appointment.offise }}
"""
'''
    first, second = complaints(tmp_path, a=RULE + text)
    assert first.startswith("rules/a.toml:5: `title`: there is no variable `whn`; did you mean")
    assert second.startswith("rules/a.toml:8: `body`: there is no variable `appointment.offise`; did you mean")
    (third,) = complaints(tmp_path, a=RULE + "body = '''Hello\n{% if appointment.id %}\n'''")
    assert third.startswith(("rules/a.toml:6: `body`: ", "rules/a.toml:7: `body`: "))


def test_mistakes_in_a_condition(tmp_path: Path) -> None:
    """A condition's mistakes are told on their own lines, beside those of the other keys."""
    pytest.importorskip("cel_expr_python")
    text = "if = '''\nstatus == 5 &&\n  statu == \"x\"\n'''\nhold = 5\n"
    found = complaints(tmp_path, a=RULE + text)
    assert found[0].startswith("rules/a.toml:6: `if`: `==` does not go with (string, int)")
    assert found[1].startswith("rules/a.toml:7: `if`: there is no `statu`; did you mean `status`?")
    assert found[2].startswith("rules/a.toml:9: unknown key `hold`")
