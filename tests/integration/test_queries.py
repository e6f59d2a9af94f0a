"""What `notifier plan --queries` tells: each query as it is sent, why it is there, what it costs, how soon it sees."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from notifier import views
from notifier.cli import cli
from notifier.config.settings import DEFAULT_SWEEPS, Settings
from notifier.core.pushdown import Purpose
from notifier.core.rule import Rule
from notifier.core.sweep import Look, Span, Sweep, SweepOutcome, SweepRun
from notifier.errors import ConfigError
from notifier.loading import load_everything, load_planned
from notifier.queries import read_queries
from notifier.query_view import Basis, Query, show_queries
from notifier.store import snapshot, sweeps
from notifier.store.database import Store, open_store
from tests.builders import HOUR, MINUTE, NOW, SECOND, appointment, known
from tests.store_values import plan

pytestmark = pytest.mark.usefixtures("own_logs")

CONFIG = """
[sources.acme]
base_url = "https://api.example.com"
enterprise = "acme"
token = "abc"
page_size = 100
{sweeps}
[channels.team]
url = "console://"
"""
RULE = '[[rule]]\nname = "{name}"\nchannels = "team"\n{keys}\n'
CANCELLED = 'on = "status_changed"\nto = ["CANCELLED", "NO_SHOW"]'
OWN = '[[sources.acme.sweeps]]\nname = "mine"\nevery = "2m"\nfrom = "0d"\nto = "36h"\noffice = "12"'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "notifier.db", synchronous="normal") as opened:
        yield opened


def write(folder: Path, sweeps: str = "", **rules: str) -> Path:
    """Writes a configuration with these rules, named like `late` for `late = KEYS`, and returns its path."""
    (folder / "rules").mkdir(exist_ok=True)
    text = "".join(RULE.format(name=name, keys=keys) for name, keys in rules.items())
    (folder / "rules" / "all.toml").write_text(text, encoding="utf-8")
    (folder / "config.toml").write_text(CONFIG.format(sweeps=sweeps), encoding="utf-8")
    return folder / "config.toml"


def load(folder: Path, sweeps: str = "", **rules: str) -> tuple[Settings, tuple[Rule, ...]]:
    return load_everything(write(folder, sweeps, **rules), {})


def queries(folder: Path, store: Store, sweeps: str = "", **rules: str) -> dict[str, Query]:
    """Returns what the sweeps ask for, by name."""
    settings, loaded = load(folder, sweeps, **rules)
    return {query.sweep: query for query in read_queries(settings, loaded, store, NOW)}


def ran(store: Store, sweep: Sweep, *, pages: int, took: timedelta, **changes: object) -> None:
    """Puts a run of a sweep on record."""
    run = SweepRun(
        source="acme",
        sweep=sweep.name,
        started_at=NOW - HOUR,
        finished_at=NOW - HOUR + took,
        outcome=SweepOutcome.OK,
        pages=pages,
        rows=pages * 100,
    )
    look = Look(scope=sweep.scope, began_at=NOW, span=Span(None, None), end_offset=None, filters=sweep.filters)
    with store.writing() as tx:
        sweeps.record(tx, "acme", sweep.name, replace(run, **changes))  # type: ignore[arg-type]
        snapshot.put_look(tx, "acme", look)


# ---- one place decides


def test_the_rules_plan_the_sweeps(tmp_path: Path) -> None:
    """Whoever loads the settings with the rules, or for what is planned by them, gets the same sweeps."""
    settings, _ = load(tmp_path, late=CANCELLED)
    assert [sweep.name for sweep in settings.sources["acme"].sweeps][:2] == ["quick", "near"]
    assert load_planned(tmp_path / "config.toml", {}).sources == settings.sources
    settings, _ = load(tmp_path)
    assert settings.sources["acme"].sweeps == DEFAULT_SWEEPS


def test_sweeps_that_somebody_wrote_are_kept(tmp_path: Path) -> None:
    """Exactly as they are; then the rules need not even be read to know them."""
    settings, _ = load(tmp_path, OWN, late=CANCELLED)
    assert [sweep.name for sweep in settings.sources["acme"].sweeps] == ["mine"]
    (tmp_path / "rules" / "all.toml").unlink()
    assert load_planned(tmp_path / "config.toml", {}).sources == settings.sources


def test_sweeps_can_not_be_planned_from_wrong_rules(tmp_path: Path) -> None:
    """Their mistakes are told, with file and line."""
    path = write(tmp_path, late='on = "nothing"')
    with pytest.raises(ConfigError, match=r"all\.toml:4: `on`: there is no kind of event `nothing`"):
        load_planned(path, {})


# ---- what is asked for, and why


def test_a_query_is_told_as_it_is_sent(tmp_path: Path, store: Store) -> None:
    """Under the names of the API's parameters; times are seen from now."""
    found = queries(tmp_path, store, late=f'{CANCELLED}\nwhere.lead_time = "<24h"\nwhere.office = "12"')
    assert found["quick"].parameters == (
        ("from", "now-1d"),
        ("to", "now+26h"),
        ("status[]", "CANCELLED"),
        ("status[]", "NO_SHOW"),
        ("office-id[]", "12"),
    )
    assert found["near"].parameters == (("from", "now-1d"), ("to", "now+7d"))
    found = queries(tmp_path, store, OWN)
    assert found["mine"].parameters == (("from", "now"), ("to", "now+36h"), ("office-id[]", "12"))


def test_every_query_says_why_it_is_there(tmp_path: Path, store: Store) -> None:
    """For which rules, or for which other queries it keeps what was before."""
    found = queries(tmp_path, store, late=CANCELLED, moved='on = "rescheduled"\nwhere.lead_time = ">0s <2d"')
    assert {name: (one.purpose, one.rules, one.keeps_for) for name, one in found.items()} == {
        "quick": (Purpose.QUICK, ("late",), ()),
        "near": (Purpose.WHOLE, ("moved",), ()),
        "later-wanted": (Purpose.WANTED, ("late",), ()),
        "later": (Purpose.KEEPS, (), ("later-wanted",)),
        "far-wanted": (Purpose.WANTED, ("late",), ()),
        "far": (Purpose.KEEPS, (), ("far-wanted",)),
        "past-wanted": (Purpose.WANTED, ("late",), ()),
        "past": (Purpose.KEEPS, (), ("past-wanted",)),
        "undated": (Purpose.WHOLE, ("late", "moved"), ()),
    }


# ---- what it costs


def test_before_a_first_run_the_least_is_told(tmp_path: Path, store: Store) -> None:
    """One request a run, if nothing is known of what is there."""
    near = queries(tmp_path, store)["near"]
    assert (near.requests_per_hour, near.basis) == (60, Basis.AT_LEAST)
    assert (near.took, near.unseen) == (None, MINUTE)


def test_what_is_known_makes_an_estimate(tmp_path: Path, store: Store) -> None:
    """By the appointments in the span, with the statuses that are asked for, and the page size."""
    states = [appointment(id=str(number)) for number in range(250)]
    states += [appointment(id=f"c{number}", status="CANCELLED") for number in range(101)]
    states += [appointment(id="beyond", start=NOW + 20 * 24 * HOUR)]
    with store.writing() as tx:
        snapshot.apply(tx, plan(rows=[known(state) for state in states]), NOW)
    found = queries(tmp_path, store, late=CANCELLED)
    assert {name: (one.requests_per_hour, one.basis) for name, one in found.items() if name in {"quick", "near"}} == {
        "quick": (2 * 360, Basis.ESTIMATED),
        "near": (4 * 12, Basis.ESTIMATED),
    }
    assert found["past"].basis is Basis.AT_LEAST


def test_the_last_run_counts(tmp_path: Path, store: Store) -> None:
    """Its pages and how long it took."""
    settings, _ = load(tmp_path, late=CANCELLED)
    quick = settings.sources["acme"].sweeps[0]
    ran(store, quick, pages=3, took=2 * SECOND)
    found = queries(tmp_path, store, late=CANCELLED)["quick"]
    assert found.requests_per_hour == pytest.approx(3 * 360)
    assert found.basis is Basis.COUNTED
    assert (found.took, found.unseen) == (2 * SECOND, 12 * SECOND)


def test_a_run_of_another_query_does_not_count(tmp_path: Path, store: Store) -> None:
    """After a change of the rules, a sweep of the same name may ask for something else."""
    settings, _ = load(tmp_path, late=CANCELLED)
    ran(store, settings.sources["acme"].sweeps[0], pages=3, took=2 * SECOND)
    found = queries(tmp_path, store, late=f'{CANCELLED}\nwhere.office = "12"')["quick"]
    assert (found.basis, found.took) == (Basis.AT_LEAST, None)


# ---- what is printed


def notifier(folder: Path, *arguments: str) -> str:
    """Returns what the command prints."""
    result = CliRunner().invoke(cli, [*arguments, "--config", str(folder / "config.toml")])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_table_fits_a_terminal(tmp_path: Path, store: Store) -> None:
    """Also where rules and ids are many, and names are long."""
    ids = ", ".join(f'"office-{number}"' for number in range(20))
    long = {f"a rule with quite a long name {number}": f"{CANCELLED}\nwhere.office = [{ids}]" for number in range(6)}
    settings, rules = load(tmp_path, **long)
    shown = show_queries(read_queries(settings, rules, store, NOW))
    assert all(len(line) <= views.WIDTH for line in shown.splitlines())
    assert "acme/quick" in shown
    assert shown.count("office-id[]=office-19") == 5


def test_the_command_needs_no_network_and_no_store(tmp_path: Path) -> None:
    """It asks nobody, and leaves the folder as it is."""
    write(tmp_path, late=CANCELLED)
    before = sorted(path.name for path in tmp_path.iterdir())
    shown = notifier(tmp_path, "plan", "--queries")
    assert "asks for  from=now-1d to=now+7d status[]=CANCELLED status[]=NO_SHOW" in shown
    assert "keeps the before-states for quick" in shown
    assert "acme/quick         10s    ≥ 360     ≥ 10 s" in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_the_same_as_a_document(tmp_path: Path) -> None:
    """One entry a query; durations in seconds."""
    write(tmp_path, late=CANCELLED)
    first = json.loads(notifier(tmp_path, "plan", "--queries", "--json"))[0]
    assert first == {
        "complete_every": None,
        "source": "acme",
        "sweep": "quick",
        "every": 10,
        "parameters": [["from", "now-1d"], ["to", "now+7d"], ["status[]", "CANCELLED"], ["status[]", "NO_SHOW"]],
        "purpose": "quick",
        "rules": ["late"],
        "keeps_for": [],
        "requests_per_hour": 360,
        "basis": "at_least",
        "took": None,
        "unseen": 10,
    }


def test_own_sweeps_and_missing_rules_are_explained(tmp_path: Path) -> None:
    """Whoever wrote a sweep, or no rule, reads why it is as it is."""
    write(tmp_path, OWN, late=CANCELLED)
    assert "written in config.toml; for the rule late" in notifier(tmp_path, "plan", "--queries")
    write(tmp_path, OWN)
    assert "written in config.toml; no rule waits for what is there" in notifier(tmp_path, "plan", "--queries")
    write(tmp_path)
    assert "no rule is for this source yet" in notifier(tmp_path, "plan", "--queries")


def test_a_gateway_is_shown_with_its_parameter(tmp_path: Path, store: Store) -> None:
    """What is asked for is what was updated; everything only now and then."""
    path = write(tmp_path, cancelled=CANCELLED)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("page_size = 100", 'updated_since = "updated-from"\noverlap = "2m"'), encoding="utf-8")
    queries = read_queries(*load_everything(path, {}), store, NOW)
    assert {query.parameters[-1] for query in queries} == {("updated-from", "newest-2m")}
    shown = show_queries(queries)
    assert "updated-from=newest-2m" in shown
    assert shown.count("  and       every 1h for all of it, updated or not") == len(queries)
