"""`config.toml` becomes settings, or a complaint for every mistake in it."""

from dataclasses import FrozenInstanceError
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from notifier.config.settings import DEFAULT_SWEEPS, FILTERS, OperatorSettings, Settings, load_settings
from notifier.core.brake import Brake
from notifier.core.sweep import Sweep
from notifier.engage.query import PARAMETERS
from notifier.errors import ConfigError

SECRET = "hunter2"
SOURCE = """
[sources.acme]
base_url = "https://api.example.com"
enterprise = "acme"
token = "abc"
"""


def load(folder: Path, text: str, **environ: str) -> Settings:
    """Returns the settings of a `config.toml` with this text."""
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environ)


def complaints(folder: Path, text: str, **environ: str) -> list[tuple[int, str]]:
    """Returns what is wrong with the text, with lines; no secret of these tests may be in it."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text, **environ)
    found = [(problem.line, problem.text) for problem in caught.value.problems]
    assert SECRET not in str(found)
    return found


def of_source(folder: Path, text: str, **environ: str) -> list[str]:
    """Returns the complaints about some lines of the table of a source that is fine otherwise."""
    return [complaint for _, complaint in complaints(folder, SOURCE + text, **environ)]


def test_defaults(tmp_path: Path) -> None:
    """A source with its address, enterprise and token is a whole configuration."""
    settings = load(tmp_path, SOURCE)
    assert settings.folder == tmp_path
    assert settings.zone == ZoneInfo("UTC")
    assert settings.rules == ("rules/*.toml",)
    assert settings.store.url == f"sqlite:///{tmp_path}/notifier.db"
    assert settings.store.synchronous == "full"
    assert settings.channels == {}
    source = settings.sources["acme"]
    assert (source.name, source.base_url, source.enterprise) == ("acme", "https://api.example.com", "acme")
    assert source.token is not None
    assert source.token.get_secret_value() == "abc"
    assert source.oauth is None
    assert source.accept_language == "en, *;q=0.5"
    assert (source.timeout, source.deadline) == (timedelta(seconds=30), timedelta(minutes=2))
    assert source.page_size == 1000
    assert (source.limits.requests_per_minute, source.limits.concurrency) == (1500, 2)
    assert source.brake == Brake(share=0.2, count=500)
    assert source.sweeps == DEFAULT_SWEEPS


def test_every_key(tmp_path: Path) -> None:
    """Every key is taken, and settings can't be changed."""
    (tmp_path / "secret").write_text("s3cret\n", encoding="utf-8")
    settings = load(
        tmp_path,
        """
        timezone = "Europe/Brussels"
        rules = "*.toml"
        [store]
        url = "sqlite:////var/lib/notifier/x.db"
        synchronous = "normal"
        [sources.acme]
        base_url = "http://127.0.0.1:8080/"
        enterprise = "acme"
        accept_language = "nl"
        timeout = "5s"
        deadline = "1m"
        page_size = 1000
        [sources.acme.oauth]
        token_url = "https://auth.example.com/token"
        client_id = "me"
        client_secret = "${file:secret}"
        scope = "read"
        [sources.acme.limits]
        requests_per_minute = 3000
        concurrency = 4
        [sources.acme.brake]
        share = 1
        count = 2000
        [[sources.acme.sweeps]]
        name = "mine"
        from = "-1d"
        to = "2h"
        every = "90s"
        office = "12"
        status = ["ACCEPTED", "CANCELLED"]
        [channels.crm_1-x]
        url = "https://crm.example.com/hook"
        signing_secret = "whsec_${KEY}"
        retry = ["5s", "1m"]
        give_up_after = "2h"
        retry_on = [403, 404]
        uncertain = "leave"
        """,
        KEY="abc",
    )
    assert settings.zone == ZoneInfo("Europe/Brussels")
    assert settings.rules == ("*.toml",)
    assert (settings.store.url, settings.store.synchronous) == ("sqlite:////var/lib/notifier/x.db", "normal")
    source = settings.sources["acme"]
    assert source.base_url == "http://127.0.0.1:8080"
    assert source.token is None
    assert source.oauth is not None
    assert source.oauth.client_secret.get_secret_value() == "s3cret"
    assert source.oauth.scope == "read"
    assert (source.limits.requests_per_minute, source.limits.concurrency) == (3000, 4)
    assert source.brake == Brake(share=1, count=2000)
    assert source.sweeps == (
        Sweep(
            name="mine",
            begin=timedelta(days=-1),
            end=timedelta(hours=2),
            every=timedelta(seconds=90),
            filters={"status": ("ACCEPTED", "CANCELLED"), "office": ("12",)},
        ),
    )
    channel = settings.channels["crm_1-x"]
    assert channel.name == "crm_1-x"
    assert [secret.get_secret_value() for secret in channel.signing_secrets] == ["whsec_abc"]
    assert channel.retry == (timedelta(seconds=5), timedelta(minutes=1))
    assert (channel.give_up_after, channel.retry_on) == (timedelta(hours=2), {403, 404})
    assert channel.uncertain == "leave"
    with pytest.raises(FrozenInstanceError):
        settings.zone = ZoneInfo("UTC")  # type: ignore[misc]


def test_secrets_are_out_of_sight(tmp_path: Path) -> None:
    """The text of the settings shows no secret, not even one that stands in the file itself."""
    text = (
        SOURCE.replace("abc", SECRET)
        + f"""
    [channels.team]
    url = "https://{SECRET}@example.com"
    signing_secret = "{SECRET}"
    """
    )
    assert SECRET not in repr(load(tmp_path, text))


def test_filters_are_those_of_the_api() -> None:
    """A sweep takes every filter that the client can send, and no other."""
    assert set(FILTERS) == set(PARAMETERS)


def test_every_mistake_is_told(tmp_path: Path) -> None:
    """One reading tells all mistakes, each on its line, in the order of the lines."""
    found = complaints(
        tmp_path,
        """timezone = "Europe/Brusels"
storee = 1
[sources.acme]
base_url = "https://x"
enterprise = "a b"
pagesize = 5
page_size = 5000
timeout = "5 minutes"
[[sources.acme.sweeps]]
name = "near"
status = ["ACCEPTED", "CANCELED"]
[channels.team]
url = 5
""",
    )
    assert found == [
        (1, "`timezone`: there is no time zone `Europe/Brusels`; did you mean `Europe/Brussels`?"),
        (2, "unknown key `storee`; did you mean `store`?"),
        (3, "`token` is missing; there must be a `token` or a table `oauth`"),
        (5, "`enterprise` must be the enterprise's short name, as in the address of the API, not `a b`"),
        (6, "unknown key `pagesize`; did you mean `page_size`?"),
        (7, "`page_size` must be 1000 or less, not `5000`"),
        (8, "`timeout` must be a duration like 90s, 5m, 2h or 7d, not `5 minutes`"),
        (9, "`every` is missing"),
        (11, "`status`: there is no status `CANCELED`; did you mean `CANCELLED`?"),
        (13, "`url` must be text in quotes, not a number"),
    ]


SOURCE_MISTAKES = [
    ('acept_language = "en"', "unknown key `acept_language`; did you mean `accept_language`?"),
    ("accept_language = 5", "`accept_language` must be text in quotes, not a number"),
    ('accept_language = "en\\n"', '`accept_language` must list languages like "nl, en;q=0.8, *;q=0.5", not `en`'),
    ('timeout = "0s"', "`timeout` must be from 1s to 366d, not `0s`"),
    ('timeout = "-5s"', "`timeout` must be from 1s to 366d, not `-5s`"),
    ("timeout = 30", "`timeout` must be a duration like 90s, 5m, 2h or 7d, not `30`"),
    ("page_size = 0", "`page_size` must be 1 or more, not `0`"),
    ("page_size = 1.5", "`page_size` must be a whole number, not a number with a point"),
    ("page_size = true", "`page_size` must be a whole number, not true or false"),
    ('page_size = "10"', "`page_size` must be a whole number, not text"),
    ('overlap = "0s"', "`overlap` must be from 1s to 366d, not `0s`"),
    (
        'updated_since = "updated from"',
        "`updated_since` must be the name of a query parameter: letters, digits, -, _ and ., not `updated from`",
    ),
    (
        'updated_since = ""',
        "`updated_since` must be the name of a query parameter: letters, digits, -, _ and ., not ``",
    ),
    (
        'updated_since = "from"',
        "`updated_since` must be a parameter of its own; notifier asks by this one for something else, not `from`",
    ),
    ("updated_since = true", "`updated_since` must be text in quotes, not true or false"),
    (
        'complete_every = "1h"',
        "`complete_every` is for sources with `updated_since` only; without it every reading is complete",
    ),
    ('updated_since = "x y"\ncomplete_every = "1h"', "`updated_since` must be the name of a query parameter"),
    (
        'updated_since = "since"\ncomplete_every = "1 h"',
        "`complete_every` must be a duration like 90s, 5m, 2h or 7d, not `1 h`",
    ),
    ("limits = 5", "`limits` must be a table with keys of its own, not a number"),
    ("limits = { concurrency = 5 }", "`concurrency` must be 4 or less, not `5`"),
    ("limits = { requests_per_minute = 3001 }", "`requests_per_minute` must be 3000 or less, not `3001`"),
    ('[sources.acme.sweeps]\nname = "x"', "`sweeps` must be written with two brackets: [[sources.acme.sweeps]]"),
    ("brake = 0.2", "`brake` must be a table with keys of its own, not a number with a point"),
    ("brake = { share = 20 }", "`share` must be 1 or less, not `20`"),
    ("brake = { share = 0 }", "`share` must be 0.01 or more, not `0`"),
    ("brake = { share = nan }", "`share` must be 1 or less, not `nan`"),
    ('brake = { share = "20 %" }', "`share` must be a number, not text"),
    ("brake = { share = true }", "`share` must be a number, not true or false"),
    ("brake = { count = 0 }", "`count` must be 1 or more, not `0`"),
    ("brake = { count = 0.5 }", "`count` must be a whole number, not a number with a point"),
    ("brake = { floor = 5 }", "unknown key `floor`; known here: share, count"),
]


@pytest.mark.parametrize(("text", "complaint"), SOURCE_MISTAKES)
def test_mistakes_in_a_source(tmp_path: Path, text: str, complaint: str) -> None:
    """What is wrong in a source is said in words, with the name or the value that was probably meant."""
    (found,) = of_source(tmp_path, text)
    assert found.startswith(complaint)


SWEEP_MISTAKES = [
    ('to = "-2d"', "`to` must be later than `from`, not `-2d`"),
    ('to = "-1d"', "`to` must be later than `from`, not `-1d`"),
    ('to = "tomorrow"', "`to` must be a duration like 90s, 5m, 2h or 7d, not `tomorrow`"),
    ('to = "5000d"', "`to` must be within ten years from now, not `5000d`"),
    ('offices = ["12"]', "unknown key `offices`; did you mean `office`?"),
    ("office = 12", "`office` must be text in quotes, or a list of such texts, not a number"),
    ("office = [12]", "`office` must be text in quotes, not a number"),
    ("office = []", "`office` must not be empty"),
    ('office = ""', "`office` must not be empty"),
    ('meeting_type = "VIDIO"', "`meeting_type`: there is no meeting type `VIDIO`; did you mean `VIDEO`?"),
    (
        'meeting_type = ["x"]',
        "`meeting_type`: there is no meeting type `x`; known here: OFFICE, ON_LOCATION, PHONE, VIDEO",
    ),
    ('status = "accepted"', "`status`: there is no status `accepted`; did you mean `ACCEPTED`?"),
]


@pytest.mark.parametrize(("text", "complaint"), SWEEP_MISTAKES)
def test_mistakes_in_a_sweep(tmp_path: Path, text: str, complaint: str) -> None:
    """What is wrong in a sweep is said in words."""
    sweep = f'[[sources.acme.sweeps]]\nname = "x"\nevery = "1m"\nfrom = "-1d"\n{text}'
    assert of_source(tmp_path, sweep) == [complaint]


def test_two_sweeps_of_one_name(tmp_path: Path) -> None:
    """Sweeps of a source have different names, whatever else is wrong with them; those of two sources need not."""
    sweeps = '[[sources.{0}.sweeps]]\nname = "x"\nevery = "1m"\n[[sources.{0}.sweeps]]\nname = "{1}"\n'
    other = SOURCE.replace("acme", "other") + sweeps.format("other", "y") + 'every = "1m"\n'
    assert complaints(tmp_path, SOURCE + sweeps.format("acme", "x") + other) == [
        (9, "`every` is missing"),
        (10, "there is a sweep `x` in line 7 already"),
    ]


def test_a_gateway_that_filters(tmp_path: Path) -> None:
    """A source may name the parameter by which it can be asked for its latest changes, and how often for everything."""
    plain = load(tmp_path, SOURCE).sources["acme"]
    assert (plain.updated_since, plain.overlap) == (None, timedelta(minutes=5))
    gateway = load(tmp_path, f'{SOURCE}overlap = "2m"\nupdated_since = "updated-from"\n').sources["acme"]
    assert (gateway.updated_since, gateway.overlap) == ("updated-from", timedelta(minutes=2))
    assert gateway.complete_every == timedelta(hours=1)
    often = load(tmp_path, f'{SOURCE}updated_since = "since"\ncomplete_every = "10m"\n').sources["acme"]
    assert often.complete_every == timedelta(minutes=10)


ADDRESSES = [
    ("ftp://example.com", "must be an address like https://api.example.com"),
    ("example.com", "must be an address like https://api.example.com"),
    ("https://", "must be an address like https://api.example.com"),
    ("https://[::1", "must be an address like https://api.example.com"),
    ("https://example.com:99999", "must be an address like https://api.example.com"),
    ("https://exam ple.com", "must be an address like https://api.example.com"),
    (f"https://me:{SECRET}@example.com", "must not hold a user or a password"),
    ("https://example.com/enterprises/acme", "must end before `/enterprises`: that part is added from `enterprise`"),
    ("https://example.com?x=1", "must not hold a `?` or `#`"),
]


@pytest.mark.parametrize(("url", "complaint"), ADDRESSES)
def test_base_url(tmp_path: Path, url: str, complaint: str) -> None:
    """The address of a source is that of an API, without what belongs elsewhere."""
    text = SOURCE.replace("https://api.example.com", url)
    assert complaints(tmp_path, text) == [(3, f"`base_url` {complaint}")]


OAUTH = """
[sources.acme.oauth]
token_url = "https://auth.example.com"
client_id = "me"
client_secret = "x"
"""


def test_token_or_oauth(tmp_path: Path) -> None:
    """A source has exactly one of the two kinds of credentials."""
    assert complaints(tmp_path, SOURCE + OAUTH) == [
        (5, "`token` can't stand beside the table `oauth`; give one of the two")
    ]
    assert load(tmp_path, SOURCE.replace('token = "abc"', "") + OAUTH).sources["acme"].oauth is not None
    broken = SOURCE.replace('token = "abc"', "") + OAUTH.replace("client_id", "client")
    assert [text.split(";")[0] for _, text in complaints(tmp_path, broken)] == [
        "`client_id` is missing",
        "unknown key `client`",
    ]


@pytest.mark.parametrize("token", [f"Bearer {SECRET}", f"{SECRET}\\nx", f"{SECRET}é", ""])
def test_token(tmp_path: Path, token: str) -> None:
    """A token that no header can carry is refused before it breaks a request."""
    assert complaints(tmp_path, SOURCE.replace("abc", token)) == [
        (5, "`token` must be one word without spaces; for a token, without `Bearer` in front of it")
    ]


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg://me:hunter2@db/x", "sqlite://x.db", "sqlite:///", "sqlite:///:memory:", "sqlite:///x?y", "x"],
)
def test_store_url(tmp_path: Path, url: str) -> None:
    """A store is a SQLite file; what else is written may hold a password and is not repeated."""
    assert complaints(tmp_path, f'[store]\nurl = "{url}"\n{SOURCE}') == [
        (2, "`url` must be sqlite:/// and the name of a file; other databases are not supported yet")
    ]


CHANNEL_MISTAKES = [
    (f'url = "{SECRET}"', "`url` must begin with a service, as slack://, mailtos:// or https:// do"),
    (f'urll = "{SECRET}"\nurl = "x://"', "unknown key `urll`; did you mean `url`?"),
    (f'url = ["slack://{SECRET}"]', "`url` must be text in quotes, not a list"),
    (
        f'url = "slack://x"\nsigning_secret = "{SECRET}"',
        "`signing_secret` is for channels whose url begins with https:// or http:// only",
    ),
    (
        'url = "console://"\ntimezone = "UTC"',
        "unknown key `timezone`: it belongs to the top of the file, above the first [table]",
    ),
]


TERMS_MISTAKES = [
    ("retri = []", "unknown key `retri`; did you mean `retry`?"),
    ("give_up = '1d'", "unknown key `give_up`; did you mean `give_up_after`?"),
    ("retry = 5", "`retry` must be text in quotes, or a list of such texts, not a number"),
    ("retry = [5]", "`retry` must be a duration like 90s, 5m, 2h or 7d, not `5`"),
    ("retry = ['0s']", "`retry` must be from 1s to 366d, not `0s`"),
    (f"retry = {['1s'] * 101}", "`retry` must be a list of at most 100"),
    ("give_up_after = '400d'", "`give_up_after` must be from 1s to 366d, not `400d`"),
    ("retry_on = '404'", "`retry_on` must be a whole number, or a list of such numbers, not text"),
    ("retry_on = ['404']", "`retry_on` must be a whole number, not text"),
    ("retry_on = 200", "`retry_on` must be 300 or more, not `200`"),
    ("retry_on = [404, 600]", "`retry_on` must be 599 or less, not `600`"),
    ("uncertain = 'resent'", "`uncertain`: there is no way `resent`; did you mean `resend`?"),
    ("uncertain = true", "`uncertain` must be text in quotes, not true or false"),
    ("signing_secret = ['a', 'b', 'c']", "`signing_secret` must be a list of at most 2"),
]


@pytest.mark.parametrize(("text", "complaint"), TERMS_MISTAKES)
def test_mistakes_in_the_terms_of_a_channel(tmp_path: Path, text: str, complaint: str) -> None:
    """What is wrong in how a channel is sent to is said with its line, and with what may have been meant."""
    channel = SOURCE + '[channels.crm]\nurl = "https://crm.example.com"\n'
    assert complaints(tmp_path, channel + text) == [(8, complaint)]


def test_few_terms(tmp_path: Path) -> None:
    """One wait and one status need no list; no waits at all mean one try; left out, it is what is usual."""
    text = '[channels.a]\nurl = "x://"\nretry = "1h"\nretry_on = 404\n[channels.b]\nurl = "x://"\nretry = []\n'
    settings = load(tmp_path, SOURCE + text + '[channels.c]\nurl = "x://"\n').channels
    assert [settings[name].retry for name in "abc"] == [(timedelta(hours=1),), (), None]
    assert [settings[name].retry_on for name in "abc"] == [{404}, frozenset(), frozenset()]
    assert (settings["c"].give_up_after, settings["c"].uncertain) == (None, None)


@pytest.mark.parametrize(("text", "complaint"), CHANNEL_MISTAKES)
def test_mistakes_in_a_channel(tmp_path: Path, text: str, complaint: str) -> None:
    """What is wrong in a channel is said without a word of its address."""
    assert of_source(tmp_path, f"[channels.team]\n{text}") == [complaint]


def test_names(tmp_path: Path) -> None:
    """Sources and channels have names of letters, digits, - and _."""
    text = SOURCE.replace("acme]", '"a b"]') + '[channels."té"]\nurl = "console://"\n'
    assert complaints(tmp_path, text) == [
        (2, "the name `a b` must consist of letters, digits, - and _"),
        (6, "the name `té` must consist of letters, digits, - and _"),
    ]


@pytest.mark.parametrize("text", ["", "[sources]", 'timezone = "UTC"'])
def test_at_least_one_source(tmp_path: Path, text: str) -> None:
    """Without a source there is nothing to do, and it is said how to write one."""
    complaint = "`sources` is missing: write a table [sources.NAME] with base_url, enterprise and token"
    assert complaints(tmp_path, text) == [(1, complaint)]


@pytest.mark.parametrize("zone", ["Europe", "", "../etc/passwd", "Mars/Olympus"])
def test_strange_time_zones(tmp_path: Path, zone: str) -> None:
    """What is no time zone is a complaint and nothing worse."""
    ((line, text),) = complaints(tmp_path, f'timezone = "{zone}"\n{SOURCE}')
    assert line == 1
    assert text.startswith(f"`timezone`: there is no time zone `{zone}`")


@pytest.mark.parametrize("table", ["web", "brake"])
def test_tables_of_later_versions(tmp_path: Path, table: str) -> None:
    """What this version does not know is a mistake and not ignored."""
    ((_, text),) = complaints(tmp_path, f"{SOURCE}[{table}]")
    known = "timezone, language, rules, store, sources, channels, calendars, directory, operator"
    assert text == f"unknown key `{table}`; known here: {known}"


def test_references(tmp_path: Path) -> None:
    """Environment variables and files stand in any text, more than once; what they hold is not looked into."""
    (tmp_path / "token").write_text("a${HOME}b\r\n", encoding="utf-8")
    text = SOURCE.replace("abc", "${A}-${file:token}-$${A}-$${file:x}").replace('acme"', '${E}"')
    settings = load(tmp_path, text, A="$${x}", E="acme")
    token = settings.sources["acme"].token
    assert token is not None
    assert token.get_secret_value() == "$${x}-a${HOME}b-${A}-${file:x}"
    assert settings.sources["acme"].enterprise == "acme"


def test_references_that_lead_nowhere(tmp_path: Path) -> None:
    """A missing variable or file is named on its line, and what its value would break is not held against it."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    found = complaints(
        tmp_path,
        """[sources.acme]
base_url = "${BASE}"
enterprise = "${file:none}"
token = "${file:.}"
timeout = "${file:binary}"
[channels.a]
url = "slack://${not a name}"
[channels.b]
url = "slack://hunter2${"
""",
    )
    assert found == [
        (2, "there is no environment variable `BASE`"),
        (3, "there is no file `none`"),
        (4, "the file `.` can't be read: Is a directory"),
        (5, "the file `binary` is not UTF-8 text"),
        (7, "`${` begins a reference: write `${NAME}`, `${file:PATH}`, or `$${` for a plain `${`"),
        (9, "`${` begins a reference: write `${NAME}`, `${file:PATH}`, or `$${` for a plain `${`"),
    ]


def test_a_value_from_a_reference_is_never_shown(tmp_path: Path) -> None:
    """A complaint about a value that a reference brought in shows the reference, and proposes nothing."""
    text = (
        SOURCE.replace('"acme"', '"${X} y"')
        + """
    timeout = "${X}"
    [[sources.acme.sweeps]]
    name = "${X}!"
    every = "${X}"
    status = ["${X}"]
    meeting_type = "${X}"
    """
    )
    assert [text for _, text in complaints(tmp_path, text, X=SECRET)] == [
        "`enterprise` must be the enterprise's short name, as in the address of the API, not `${X} y`",
        "`timeout` must be a duration like 90s, 5m, 2h or 7d, not `${X}`",
        "`name` must consist of letters, digits, - and _, not `${X}!`",
        "`every` must be a duration like 90s, 5m, 2h or 7d, not `${X}`",
        "`status`: there is no status `${X}`",
        "`meeting_type`: there is no meeting type `${X}`",
    ]


def test_long_values_are_cut(tmp_path: Path) -> None:
    """A complaint stays on one line of bearable length."""
    ((_, text),) = complaints(tmp_path, SOURCE.replace('"acme"', '"""a\n b""" # ').replace("acme", "x" * 200))
    assert text.endswith("not `a b`")
    ((_, text),) = complaints(tmp_path, SOURCE.replace('"acme"', f'"{"x " * 100}"'))
    assert len(text) < 160
    assert text.endswith("…`")


def test_problems_found_elsewhere(tmp_path: Path) -> None:
    """Who finds a mistake later, like a channel that Apprise refuses, can still name its line."""
    settings = load(tmp_path, SOURCE + '[channels.team]\nurl = "nope://"\n')
    problem = settings.problem(("channels", "team", "url"), "is odd")
    assert (problem.line, problem.file.name) == (7, "config.toml")


OPS = '[channels.ops]\nurl = "console://"\n[channels.desk]\nurl = "console://"\n'


def test_the_operator(tmp_path: Path) -> None:
    """There is none unless one is named; one text is a channel, several are a list, and each counts once."""
    assert load(tmp_path, SOURCE + OPS).operator == OperatorSettings(channels=(), after=timedelta(minutes=5))
    one = load(tmp_path, SOURCE + OPS + '[operator]\nchannels = "ops"\n')
    assert one.operator == OperatorSettings(channels=("ops",), after=timedelta(minutes=5))
    two = load(tmp_path, SOURCE + OPS + '[operator]\nchannels = ["ops", "desk", "ops"]\nafter = "90s"\n')
    assert two.operator == OperatorSettings(channels=("ops", "desk"), after=timedelta(seconds=90))


def test_the_heartbeat(tmp_path: Path) -> None:
    """It may stand alone, and is a secret."""
    operator = load(tmp_path, SOURCE + '[operator]\nheartbeat_url = "${PASSWORD}"\n', PASSWORD=HEARTBEAT).operator
    assert operator == OperatorSettings(heartbeat_url=SecretStr(HEARTBEAT))
    assert HEARTBEAT not in repr(operator)


HEARTBEAT = "https://hc.example.com/e5a5c7a0"


def test_a_cycle_is_as_long_as_its_slowest_source_takes(tmp_path: Path) -> None:
    """Of each source the quickest sweep counts, since one answer is enough."""
    sweep = '[[sources.{}.sweeps]]\nname = "s{}"\nevery = "{}"\n'
    other = SOURCE.replace("sources.acme", "sources.other")
    sweeps = [sweep.format(source, every, every) for source, every in (("acme", "1m"), ("acme", "9m"), ("other", "5m"))]
    assert load(tmp_path, "".join([SOURCE, *sweeps[:2], other, sweeps[2]])).cycle == timedelta(minutes=5)
    assert load(tmp_path, SOURCE).cycle == timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ('channels = ["ops",\n"opps"]', 12, "`channels`: there is no channel `opps`; did you mean `ops`?"),
        ('channels = "zzz"', 11, "`channels`: there is no channel `zzz`; known here: ops, desk"),
        ('channels = "${PASSWORD}"', 11, "`channels`: there is no channel `${PASSWORD}`"),
        ('after = "5m"', 10, "`channels` is missing; there must be `channels` or `heartbeat_url`, or both"),
        ("channels = []", 11, "`channels` must not be empty"),
        ("channels = 3", 11, "`channels` must be text in quotes, or a list of such texts, not a number"),
        ('channels = "ops"\nafter = "0s"', 12, "`after` must be from 1s to 366d, not `0s`"),
        ('channels = "ops"\nbeat = "x"', 12, "unknown key `beat`; known here: heartbeat_url, channels, after"),
        ('heartbeat_url = "${PASSWORD}"', 11, "`heartbeat_url` must be an address like https://api.example.com"),
        (
            'heartbeat_url = "ftp://hc.example.com"',
            11,
            "`heartbeat_url` must be an address like https://api.example.com",
        ),
        ('heartbeat_url = "https://u:p@hc.example.com"', 11, "`heartbeat_url` must not hold a user or a password"),
    ],
)
def test_mistakes_about_the_operator(tmp_path: Path, text: str, line: int, complaint: str) -> None:
    """A channel that is not there is told with the nearest one, and so is everything else; no secret is shown."""
    text = SOURCE + OPS + "[operator]\n" + text
    assert complaints(tmp_path, text, PASSWORD=SECRET) == [(line, complaint)]


@pytest.mark.parametrize(
    "url", ["https://api.example.com", "https://API.example.com:443", "https://api.example.com:443/some/path"]
)
def test_one_host_is_one_address(tmp_path: Path, url: str) -> None:
    """However it is written, sources at one host share its budget; another port is another host."""
    (source,) = load(tmp_path, SOURCE.replace("https://api.example.com", url)).sources.values()
    (other,) = load(
        tmp_path, SOURCE.replace("https://api.example.com", "https://api.example.com:8443")
    ).sources.values()
    assert (source.address, other.address) == ("api.example.com", "api.example.com:8443")
