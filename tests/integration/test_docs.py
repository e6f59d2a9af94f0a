"""The README and the pages under docs/ are true: what they show is loaded, or compared with what really comes out.

Every fenced block has a mark before it, so that none is passed over by accident:

    toml      `config`: a configuration, or a part of one; `config: all defaults`: one that changes nothing
              `rules`: a file with rules, for the sources and channels of RULE_CONFIG
              `cases: pass`, `cases: fail`: a file with cases for the rules above
    text      `tested`: what `rules test` prints for the cases above
              `message: EVENT`, `verdicts: EVENT`, `route: EVENT`: what the rules above come to for one of EVENTS;
              `together: EVENT, EVENT`: the message that tells several, of appointments 1701 and on; `drawing`
              `queries: SOURCE`: what `plan --queries` prints for the rules above, before the first run
    json      `document: EVENT`: what a webhook gets; `json`, `json: lines`: anything that parses
    python    `receiver`: is sent signed webhooks
    jinja     `default title`, `default body`
    sh, console, ini, and text with `demo`: see `test_docs_commands`
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import UnionType
from typing import Any, Union, get_args
from zoneinfo import ZoneInfo

import pytest
from jsonschema import Draft7Validator
from msgspec import structs

from notifier.case_view import show_test_run
from notifier.cases import run_cases
from notifier.catalogue import language_of
from notifier.channels.answer import _HTTP, _SMTP_CREDENTIALS, Answer, outcome_of
from notifier.channels.channel import Parcel, open_channel
from notifier.channels.console import frame
from notifier.clock import utc_now
from notifier.config.case_file import case_files, load_cases
from notifier.config.case_table import AppointmentTable, CaseFileTable
from notifier.config.channel_names import VALUES_LIMIT
from notifier.config.condition_cost import CONDITION_LIMIT, CROWD, LONGEST, PATTERN_LIMIT, REPEAT_LIMIT
from notifier.config.config_table import ConfigTable
from notifier.config.rule_table import RuleTable
from notifier.config.rulebook import RULES_LIMIT, load_rulebook
from notifier.config.schema import config_schema, rules_schema
from notifier.config.settings import Settings, load_settings
from notifier.config.table import Table
from notifier.core.appointment import WATCHED_FIELDS
from notifier.core.bundle import bundle_of
from notifier.core.change import Kind
from notifier.core.delivery import Reason, Result
from notifier.core.digest import digest, gathered
from notifier.core.document import document
from notifier.core.duration import parse_duration
from notifier.core.escape import Target
from notifier.core.event import Event
from notifier.core.grant import USUAL
from notifier.core.message import BODY_LIMIT, DEFAULT_BODY, DEFAULT_TITLE, TITLE_LIMIT, Message, Renderer
from notifier.core.notice import _WORDS
from notifier.core.plan import Plan, Recorded
from notifier.core.policy import JITTER, RETRY_DELAYS
from notifier.core.readers import Readers
from notifier.core.route import Context, route
from notifier.core.rule import Rule
from notifier.core.sample_facts import sample_facts
from notifier.core.template import FILTERS, FUEL
from notifier.core.template_check import JOIN_LIMIT, TAG_LIMIT, TAGS, TEMPLATE_LIMIT
from notifier.core.walk import walk
from notifier.core.work import CALL, WORK
from notifier.loading import load_everything
from notifier.preview import make_preview
from notifier.queries import read_queries
from notifier.query_view import show_queries
from notifier.store.database import open_store
from notifier.views import show_preview, show_verdicts
from notifier.wiring import grants_of, recipients_of
from tests.builders import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    START,
    appointment,
    created,
    discovered,
    event,
    seen,
    stay,
    undated,
    watch,
)
from tests.markdown import (
    BLOCKS,
    DOCS,
    PAGES,
    README,
    ROOT,
    Block,
    anchors_of,
    links_of,
    marked,
    prose_of,
    rows_of,
    spans_of,
)

MARKS: Mapping[str, frozenset[str]] = {
    "toml": frozenset({"config", "rules", "cases"}),
    "sh": frozenset({"run", "not run"}),
    "console": frozenset({"run", "not run"}),
    "ini": frozenset({"not run"}),
    "text": frozenset(
        {"message", "verdicts", "route", "together", "in language", "tested", "queries", "drawing", "demo"}
    ),
    "json": frozenset({"document", "json"}),
    "python": frozenset({"receiver"}),
    "jinja": frozenset({"default title", "default body"}),
}

SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENVIRON = {
    "CRM_SECRET": SECRET,
    "ENGAGE_TOKEN": "t",
    "HEARTBEAT": "e5a5c7a0",
    "SLACK_TOKENS": "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    "SMTP_USER": "notifier%40example.com",
    "SMTP_PASSWORD": "secret",
}
SOURCE = '[sources.{}]\nbase_url = "https://api.example.com"\nenterprise = "acme"\n'
RULE_CONFIG = "".join(SOURCE.format(name) + 'token = "t"\n' for name in ("acme", "other")) + "".join(
    f'[channels.{name}]\nurl = "console://"\n' for name in ("team", "desk", "crm", "branch", "office-12", "301", "302")
)
RULE_CONFIG = f"""timezone = "Europe/Brussels"
{RULE_CONFIG}
[calendars.team]
from = "09:00"
to = "17:00"
"""

EVENTS: Mapping[str, Event] = {
    "cancelled": event(status="CANCELLED", updated_by="201", updated_by_type="CUSTOMER"),
    "no-show": event(appointment(start=NOW - HOUR, end=NOW), status="NO_SHOW"),
    "moved": event(start=START + DAY, end=START + DAY + HOUR),
    "reassigned": event(employee="302"),
    "relocated": event(office="13"),
    "noted": event(fingerprints=(("internal_notes", "7f1c7b2f6ad5f3a1"),)),
    "requested": created(
        appointment(status="INCOMING_REQUEST", created_at=NOW - MINUTE, created_by="201", created_by_type="CUSTOMER")
    ),
    "discovered": discovered(appointment(status="CANCELLED")),
    "invitation withdrawn": event(undated(), status="CANCELLED"),
    "unanswered": stay(watch(), rule="unanswered"),
    "reminded": stay(watch(), lasted=6 * HOUR, number=1, rule="still unanswered"),
    "overdue": stay(
        watch(kind=Kind.OVERDUE, span=HOUR),
        appointment(start=NOW - 2 * HOUR, end=NOW - HOUR),
        rule="not closed",
    ),
    "not confirmed": stay(
        watch(kind=Kind.BEFORE_START, span=DAY),
        appointment(
            status="INCOMING_REQUEST",
            start=NOW + DAY,
            end=NOW + DAY + HOUR,
            updated_by="201",
            updated_by_type="CUSTOMER",
        ),
        rule="tomorrow perhaps",
    ),
    "cancelled hours ago": event(
        appointment(updated_at=NOW - DAY), status="CANCELLED", updated_at=NOW - 3 * HOUR - 20 * MINUTE
    ),
}


# ---- nothing is passed over


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_is_marked(block: Block) -> None:
    """A block without a mark that its language allows would show something that nobody checks."""
    assert block.mark in MARKS.get(block.language, frozenset()), f"{block}: {block.language} with mark {block.mark!r}"
    assert block.detail or block.mark != "not run", f"{block}: say why it is not run"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_is_fenced(page: Path) -> None:
    """Code that is only indented would escape all these tests."""
    assert not re.search(r"^\s*\n {4,}(?![-*\d])\S", prose_of(page), re.MULTILINE)


def test_the_readme_is_short() -> None:
    """One screen says what it does, the rest is under docs/."""
    assert len(README.read_text(encoding="utf-8").splitlines()) < 250


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a page, a file or a heading of this repository finds it."""
    for link in links_of(page):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors_of(target), f"{page.name}: {link}"


# ---- configuration and rules

CONFIG_SCHEMA = Draft7Validator(config_schema())
RULES_SCHEMA = Draft7Validator(rules_schema())


def load(folder: Path, text: str) -> tuple[Settings, tuple[Rule, ...]]:
    """Returns what the real loader makes of a configuration that may leave out what it is not about."""
    (folder / "rules").mkdir(parents=True)
    (folder / "rules" / "none.toml").touch()
    for name in re.findall(r"\$\{file:([^{}]+)\}", text):
        (folder / name).write_text(f"{SECRET}\n", encoding="utf-8")
    (folder / "config.toml").write_text(completed(text), encoding="utf-8")
    return load_everything(folder / "config.toml", ENVIRON)


def completed(text: str) -> str:
    """Returns the configuration with an address for every source, and with a source."""
    for name, source in (tomllib.loads(text).get("sources") or {"acme": {}}).items():
        if "base_url" not in source:
            text += f"\n{SOURCE.format(name)}" + ("" if "oauth" in source else 'token = "t"\n')
    return text


@pytest.mark.parametrize("block", marked("config"), ids=str)
def test_a_configuration_loads(block: Block, tmp_path: Path) -> None:
    """What the real loader refuses, no page shows; what is called a default is one."""
    settings, _ = load(tmp_path / "shown", block.text)
    assert [error.message for error in CONFIG_SCHEMA.iter_errors(tomllib.loads(completed(block.text)))] == []
    if "all defaults" in block.options:
        plain, _ = load(tmp_path / "plain", "")
        assert settings.sources == plain.sources
        assert (settings.zone, settings.rules) == (plain.zone, plain.rules)
        assert settings.store.synchronous == plain.store.synchronous
        assert settings.store.url == plain.store.url.replace("plain", "shown")


def rules_of(block: Block, folder: Path) -> tuple[Rule, ...]:
    """Returns what the rulebook makes of a block with rules."""
    if re.search(r"^if = ", block.text, re.MULTILINE):
        pytest.importorskip("cel_expr_python")
    (folder / "rules").mkdir()
    (folder / "config.toml").write_text(RULE_CONFIG, encoding="utf-8")
    (folder / "rules" / "shown.toml").write_text(block.text, encoding="utf-8")
    return load_rulebook(load_settings(folder / "config.toml", {}))


@pytest.mark.parametrize("block", marked("rules"), ids=str)
def test_rules_load(block: Block, tmp_path: Path) -> None:
    """What the rulebook refuses, no page shows."""
    assert rules_of(block, tmp_path)
    assert [error.message for error in RULES_SCHEMA.iter_errors(tomllib.loads(block.text))] == []


@pytest.mark.parametrize("block", marked("message", "verdicts"), ids=str)
def test_what_rules_come_to(block: Block, tmp_path: Path) -> None:
    """The message or the verdicts below a rule are those that it really gives."""
    rules = rules_of([one for one in marked("rules") if one.page == block.page and one.line < block.line][-1], tmp_path)
    happened = EVENTS[block.detail]
    verdicts = walk(rules, happened)
    if block.mark == "verdicts":
        shown = show_verdicts(verdicts)
    else:
        names = {verdict.rule for verdict in verdicts if verdict.matched}
        matched = next(rule for rule in rules if rule.name in names)
        message = Renderer(Readers(ZoneInfo("Europe/Brussels")), Target.TEXT).render(seen(happened), matched, NOW)
        shown = frame(message.title, message.body)
    # How long lines are broken is of no account.
    assert " ".join(block.text.split()) == " ".join(shown.split())


@pytest.mark.parametrize("block", marked("in language"), ids=str)
def test_what_is_said_in_another_language(block: Block) -> None:
    """The default message of an event is the one that is shown, in that language."""
    event, _, code = block.detail.partition(", ")
    readers = Readers(ZoneInfo("Europe/Brussels"), language=language_of(code))
    usual = Rule(name="any", description="", requirements=(), channels=("team",))
    message = Renderer(readers, Target.TEXT).render(seen(EVENTS[event]), usual, NOW)
    assert block.text.rstrip() == frame(message.title, message.body).rstrip()


@pytest.mark.parametrize("block", marked("route"), ids=str)
def test_where_an_event_goes(block: Block, tmp_path: Path) -> None:
    """Below a rule stand the channels that it tells, when, and why, as `notifier plan` says it."""
    rules = rules_of([one for one in marked("rules") if one.page == block.page and one.line < block.line][-1], tmp_path)
    settings, happened = load_settings(tmp_path / "config.toml", {}), EVENTS[block.detail]
    verdicts, context = walk(rules, happened), Context(now=NOW, recipients=recipients_of(settings))
    deliveries = tuple(route({rule.name: rule for rule in rules}, happened, verdicts, context))
    foreseen = Plan("acme", "near", (), (Recorded(happened, verdicts),), deliveries, ())
    renderers = dict.fromkeys(settings.channels, Renderer(Readers(settings.zone), Target.TEXT))
    shown = show_preview(make_preview([foreseen], rules, renderers, grants_of(settings), NOW), settings.zone)
    said = [line for line in shown[shown.index("\nTo ") :].splitlines() if not line.startswith("  |")]
    assert " ".join(block.text.split()) == " ".join(" ".join(said).split())


def above(block: Block, mark: str) -> Block:
    """Returns the last block with this mark before a block on its page."""
    return [one for one in marked(mark) if one.page == block.page and one.line < block.line][-1]


def result_of(cases: Block, folder: Path) -> tuple[bool, str]:
    """Returns whether cases pass with the first rules of their page, and what is printed of that."""
    rules = rules_of(next(one for one in marked("rules") if one.page == cases.page), folder)
    settings = load_settings(folder / "config.toml", {})
    settings = replace(settings, zone=ZoneInfo("Europe/Brussels"))
    (folder / "rules" / "shown.test.toml").write_text(cases.text, encoding="utf-8")
    run = run_cases(settings, rules, load_cases(settings, rules, case_files(settings)))
    return run.passed, show_test_run(run, settings.zone)


@pytest.mark.parametrize("block", marked("cases"), ids=str)
def test_cases_pass_as_they_say(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases on a page pass with the rules of that page, or fail where the page says so."""
    monkeypatch.chdir(tmp_path)
    passed, shown = result_of(block, tmp_path)
    assert passed is (block.detail == "pass"), shown


@pytest.mark.parametrize("block", marked("tested"), ids=str)
def test_what_cases_come_to(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown below cases is what is really printed."""
    monkeypatch.chdir(tmp_path)
    _, shown = result_of(above(block, "cases"), tmp_path)
    assert block.text.split() == shown.split(), shown


@pytest.mark.parametrize("block", marked("together"), ids=str)
def test_what_is_told_together(block: Block, tmp_path: Path) -> None:
    """Below a rule stands the one message that tells several changes, as it really comes."""
    rules = rules_of([one for one in marked("rules") if one.page == block.page and one.line < block.line][-1], tmp_path)
    told = [renumbered(EVENTS[name], str(1701 + number)) for number, name in enumerate(block.detail.split(", "))]
    (rule,) = rules
    assert all(verdict.matched for happened in told for verdict in walk(rules, happened))
    bundles = {bundle_of(rule.name, happened, rule.group, rule.digest, rule.throttle) for happened in told}
    (bundle,) = bundles
    assert bundle is not None
    about = gathered(bundle, [seen(happened) for happened in told], USUAL)
    message = digest(about, Readers(ZoneInfo("Europe/Brussels")), Target.TEXT)
    assert block.text.rstrip() == frame(message.title, message.body).rstrip()


def renumbered(happened: Event, id_: str) -> Event:
    """Returns the same of another appointment."""
    assert happened.before is not None
    before, after = (structs.replace(state, id=id_) for state in (happened.before, happened.after))
    return replace(happened, before=before, after=after)


@pytest.mark.parametrize("block", marked("queries"), ids=str)
def test_what_is_asked_for(block: Block, tmp_path: Path) -> None:
    """The queries below rules are those that are made for them at a source without sweeps of its own."""
    shown = [one for one in marked("rules") if one.page == block.page and one.line < block.line][-1]
    rules_of(shown, tmp_path)
    settings, rules = load_everything(tmp_path / "config.toml", {})
    with open_store(tmp_path / "notifier.db", synchronous="normal") as store:
        queries = [one for one in read_queries(settings, rules, store, NOW) if one.source == block.detail]
    # How lines are broken, and how wide columns are, is of no account.
    assert block.text.split() == show_queries(queries).split(), show_queries(queries)


# ---- webhooks and templates


@pytest.mark.parametrize("block", marked("document", "json"), ids=str)
def test_json_is_json(block: Block) -> None:
    """JSON parses; a document is the one that a webhook gets."""
    shown = (
        [json.loads(line) for line in block.text.splitlines()] if block.detail == "lines" else [json.loads(block.text)]
    )
    if block.mark == "document":
        assert shown == [document(seen(EVENTS[block.detail]), shown[0]["data"]["rule"])]


@pytest.mark.parametrize("block", marked("receiver"), ids=str)
def test_the_receiver_receives(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It takes what is signed, once for each delivery, and refuses what is signed with another secret."""
    (tmp_path / "crm.secret").write_text(SECRET, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(block.text, names)  # noqa: S102 - to run it is the point
    results = []
    with ThreadingHTTPServer(("127.0.0.1", 0), names["Receiver"]) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        for delivery, secret in (("one", SECRET), ("one", SECRET), ("two", SECRET), ("three", SECRET[::-1])):
            channel = open_channel("crm", f"http://127.0.0.1:{server.server_address[1]}/", [secret])
            told = document(seen(EVENTS["cancelled"]), "late")
            results.append(channel.send(Parcel(delivery, Message("", "-", Target.TEXT), told, utc_now())).result)
            channel.close()
        server.shutdown()
    assert results == [Result.DELIVERED, Result.DELIVERED, Result.DELIVERED, Result.DEAD]
    assert capsys.readouterr().out.count("1701") == 2


def test_default_templates() -> None:
    """The default title and body are shown as they are."""
    shown = {block.mark: block.text.strip("\n") for block in marked("default title", "default body")}
    assert shown == {"default title": DEFAULT_TITLE, "default body": DEFAULT_BODY}


# ---- nothing is left out


def keys_of(table: type[Table]) -> Iterator[str]:
    """Yields every key that a table and the tables in it may have."""
    for name, field in table.model_fields.items():
        yield field.alias or name
        for inner in tables_in(field.annotation):
            yield from keys_of(inner)


def tables_in(annotation: Any) -> Iterator[type[Table]]:
    """Yields the tables that the type of a field speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation
    elif get_args(annotation) or isinstance(annotation, UnionType | type(Union)):
        for part in get_args(annotation):
            yield from tables_in(part)


def missing(page: str, names: Iterable[str]) -> list[str]:
    """Returns the names that a page does not show as code, alone or with something around them."""
    spans = " ".join(spans_of(DOCS / page))
    return sorted({name for name in names if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", spans)})


def test_every_key_is_explained() -> None:
    """There is no key of the configuration or of a rule that its page does not explain."""
    assert not missing("configuration.md", keys_of(ConfigTable))
    example = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    assert not missing("configuration.md", re.findall(r"^#?([a-z_]+) = ", example, re.MULTILINE))
    assert not missing("rules.md", keys_of(RuleTable))
    assert not missing("testing-rules.md", set(keys_of(CaseFileTable)) - set(AppointmentTable.model_fields))
    assert not missing("templates.md", AppointmentTable.model_fields.keys())
    assert not missing("rules.md", [*(kind.value for kind in Kind), *WATCHED_FIELDS])


def test_everything_a_template_may_use_is_explained() -> None:
    """There is no variable, filter, tag or limit that the page of templates does not name."""
    facts = sample_facts()[0][1]
    inner = [f"{name}.{key}" for name, value in facts.items() if isinstance(value, dict) for key in value]
    wanted = [name for name in inner if not name.startswith(("appointment.", "before."))]
    assert not missing("templates.md", [*facts, *wanted, *sorted(FILTERS), *sorted(TAGS)])
    fields = [name.partition(".")[2] for name in inner if name.startswith("appointment.")]
    assert not missing("templates.md", fields)
    prose = prose_of(DOCS / "templates.md").replace(" ", "")
    for limit in (TITLE_LIMIT, BODY_LIMIT, FUEL, TAG_LIMIT, TEMPLATE_LIMIT, JOIN_LIMIT, WORK, CALL):
        assert str(limit) in prose


def test_every_limit_of_rules_is_named() -> None:
    """There is no limit of rules or conditions that their page does not name."""
    prose = prose_of(DOCS / "rules.md")
    for limit in (CONDITION_LIMIT, PATTERN_LIMIT, REPEAT_LIMIT, CROWD, LONGEST, RULES_LIMIT, VALUES_LIMIT):
        assert re.search(rf"\b{limit}\b", prose), limit


def test_every_log_line_is_explained() -> None:
    """Whoever finds an action in the logs finds it on the page, too."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "notifier").rglob("*.py"))
    calls = r"\b(?:log|_log|told|level)(?:\.(?:debug|info|warning|error))?\(\s*\"([a-z_]+)\""
    actions = [*re.findall(calls, code), *re.findall(r"_tell_once\([^\n]*?, \"([a-z_]+)\"", code)]
    assert len(set(actions)) > 15
    assert not missing("operating.md", actions)


def test_every_trouble_is_explained() -> None:
    """The table of what the operator hears has each trouble that there are words for, and no other."""
    rows = rows_of(DOCS / "operating.md", "## What the operator hears")
    told = [(trouble.strip("`").partition(" ")[0], kind.strip("`")) for trouble, kind, *_ in rows]
    assert sorted(told) == sorted((sort, kind.value) for sort, kind in _WORDS)


def test_the_schedule_is_the_one_that_is_kept() -> None:
    """The table of tries says when each is made, and how far that may differ."""
    rows = rows_of(DOCS / "guarantees.md", "## When a delivery is tried again")
    waits = [wait.replace(" ", "").replace("min", "m") for _, wait, *_ in rows]
    assert waits[0] == "atonce"
    assert tuple(parse_duration(wait) for wait in waits[1:]) == RETRY_DELAYS
    assert f"{JITTER:.0%}" in prose_of(DOCS / "guarantees.md").replace(" %", "%")


def test_answers_mean_what_the_table_says() -> None:
    """Every answer in the table has the result and the reason that it has in the code, and none is left out."""
    named: set[int] = set()
    for answer, result, reason, *_ in rows_of(DOCS / "guarantees.md", "## What an answer means"):
        for code in map(int, re.findall(r"`(\d{3})`", answer)):
            heard = Answer(code, smtp="SMTP" in answer)
            good = "delivered" in result
            outcome = outcome_of(delivered=good, answers=[heard], now=NOW)
            assert (outcome.result.value, f"`{outcome.reason.value}`") == (result, reason), answer
            named.add(code)
    assert named >= _HTTP.keys() | _SMTP_CREDENTIALS
    used = set(re.findall(r"Reason\.([A-Z_]+)", "".join(map(Path.read_text, (ROOT / "notifier").rglob("*.py")))))
    assert not missing("guarantees.md", [Reason[name].value for name in used])
