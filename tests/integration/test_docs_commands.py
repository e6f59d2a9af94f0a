"""The commands on the README and on the pages under docs/ run, or are at least such as the command line takes.

Their blocks have one of these marks:

    sh        `run`: run by bash, in a folder with a first configuration, a store, and a source that answers
              `run: in an empty folder`, `run: exits with 1`, or both with a comma between
              `not run: WHY`: only read; the commands of notifier in it must be such, down to their options
    console   the same, with `$ ` before each command; what stands below one is compared with what it prints
    ini       `not run: WHY`
    text      `demo`: a message that comes in the demo

The blocks of a page run one after another in one folder. Numbers, ids, dates and durations of an output are not
compared, nor which of two sweeps was the first to find a change. In commands, EVENT and APPOINTMENT stand for real ids.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from notifier.cli import cli
from notifier.clock import utc_now
from notifier.config.first_steps import TOKEN
from notifier.engage.simulated.document import Booking
from notifier.engage.simulated.enterprise import Enterprise
from notifier.engage.simulator import Simulator
from tests.builders import HOUR
from tests.markdown import PAGES, ROOT, Block, commands_of, marked, spans_of, steps_of


@pytest.fixture(scope="module")
def source() -> Iterator[Simulator]:
    """An enterprise of which everything is known: sixty appointments and one that will be cancelled."""
    enterprise = Enterprise()
    enterprise.fill(60, 1, utc_now())
    with Simulator(enterprise=enterprise, clock=utc_now) as api:
        yield api


@pytest.fixture(scope="module")
def ready(source: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a first configuration and a store that knows of one late cancellation."""
    folder = tmp_path_factory.mktemp("ready")
    shim(folder / "bin", source)
    start = (utc_now() + 3 * HOUR).replace(minute=0, second=0, microsecond=0)
    booking = Booking(start=start, end=start + timedelta(minutes=45), office="12", customer="201", employee="301")
    doomed = source.enterprise.create(utc_now(), booking)
    run(folder, "notifier init home; cd home; notifier run --once")
    source.enterprise.cancel(doomed, utc_now())
    run(folder, "cd home; notifier run --once")
    return folder


def shim(folder: Path, source: Simulator) -> None:
    """Puts a `notifier` into the folder that fills in a first configuration as a person would."""
    folder.mkdir()
    command = folder / "notifier"
    command.write_text(
        f"#!{sys.executable}\n"
        "import subprocess, sys\nfrom pathlib import Path\n"
        "code = subprocess.call([sys.executable, '-m', 'notifier', *sys.argv[1:]])\n"
        "if code == 0 and sys.argv[1] == 'init':\n"
        "    home = Path(sys.argv[2] if len(sys.argv) > 2 else '.')\n"
        "    text = (home / 'config.toml').read_text(encoding='utf-8')\n"
        f"    text = text.replace('https://api.pexipengage.com', {source.base_url!r}, 1)\n"
        "    (home / 'config.toml').write_text(text, encoding='utf-8')\n"
        f"    (home / {TOKEN!r}).write_text({source.token!r})\n"
        "sys.exit(code)\n",
        encoding="utf-8",
    )
    command.chmod(command.stat().st_mode | stat.S_IXUSR)


def run(folder: Path, script: str, home: Path | None = None, code: int = 0) -> str:
    """Returns what a script prints on standard output; it finds the commands of the folder, and no network."""
    nowhere = "http://127.0.0.1:9"
    environment = {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "http_proxy": nowhere,
        "https_proxy": nowhere,
        "no_proxy": "127.0.0.1",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607 - whichever bash there is
        cwd=home or folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == code, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", sorted({block.page for block in marked("run")}), ids=lambda page: page.name)
def test_commands_run(page: Path, ready: Path, tmp_path: Path) -> None:
    """The commands of a page run one after another in one folder, and print what stands below them."""
    home = tmp_path / "home"
    shutil.copytree(ready / "home", home)
    newest = json.loads(run(ready, "notifier events --limit 1 --json", home))[0]["event"]
    for number, block in enumerate(one for one in marked("run") if one.page == page):
        if "in an empty folder" in block.options:
            home = tmp_path / f"empty-{number}"
            home.mkdir()
        exits = [option.removeprefix("exits with ") for option in block.options if option.startswith("exits with ")]
        text = block.text if block.language == "sh" else "\n".join(step.command for step in steps_of(block))
        assert "start.py" not in text, f"{block}: start.py makes a virtual environment; mark it as not run"
        script = re.sub(r"\bEVENT\b", newest["id"], re.sub(r"\bAPPOINTMENT\b", newest["after"]["id"], text))
        printed = run(ready, script, home, int(exits[0]) if exits else 0)
        if block.language == "console":
            shown = "\n".join(step.output for step in steps_of(block))
            assert essence(shown) == essence(printed), f"{block} prints:\n{printed}"


def essence(text: str) -> str:
    """Returns an output without what differs from run to run."""
    text = re.sub(r"\b127\.0\.0\.1:\d+\b", "api.pexipengage.com", text)
    text = re.sub(r"\b(?=[a-f]*\d)[0-9a-f]{8,20}\b", "ID", text)
    text = re.sub(r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d+ [A-Z][a-z]{2} \d{4}", "DAY", text)
    # Of two sweeps that can find a change, either is the first; the other has no lag and nothing new to work on.
    text = re.sub(r"found by the sweep \w+", "found by the sweep NAME", text)
    text = re.sub(r"\d\d-\d\d \d\d:\d\d|(?<=\s)-(?=\s)", "DURATION", text)
    text = re.sub(r"less than a minute|\b\d+ (?:days?|h|min|s)\b(?: \d+ (?:h|min|s)\b)?", "DURATION", text)
    return " ".join(re.sub(r"\d+", "0", text).split())


@pytest.mark.parametrize("block", marked("demo"), ids=str)
def test_the_demo_tells_it(block: Block, ready: Path) -> None:
    """A message that is shown as one of the demo comes in it."""
    told = [line.strip("┌│└ ") for line in run(ready, "notifier demo --seconds 3").splitlines()]
    assert "\n".join(filter(None, block.text.splitlines())) in "\n".join(filter(None, told))


@pytest.mark.parametrize("block", marked("run", "not run"), ids=str)
def test_commands_exist(block: Block) -> None:
    """Also where a command can't be run here, it and its options are such that the command line takes."""
    for words in commands_of(block):
        arguments = arguments_of(words)
        if arguments is not None:
            parse(arguments)
        elif words[1:2] == ["-m"]:
            module = find_spec(words[2])
            known = Path(module.origin or "").read_text(encoding="utf-8") if module else ""
            assert all(f'"{word}"' in known for word in words[3:] if word.startswith("--")), words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_text_exist(page: Path) -> None:
    """A command that is named between the lines is one, too, though what it takes may be left out."""
    for span in spans_of(page):
        if re.match(r"(notifier|python3 start\.py) ", span):
            with suppress(click.MissingParameter):
                parse(arguments_of(span.split()) or ())


def arguments_of(words: Sequence[str]) -> Sequence[str] | None:
    """Returns the arguments of notifier in the words of a command; None where it is a command of something else."""
    program, *rest = words or ("",)
    if program == "sudo":
        return arguments_of(rest[2:] if rest[:1] == ["-u"] else rest)
    if program == "docker" and rest[0] in {"run", "exec"}:
        # The last one: containers, images and volumes are called notifier as well.
        return rest[len(rest) - rest[::-1].index("notifier") :]
    if Path(program).name.startswith("python") and rest and Path(rest[0]).name == "start.py":
        return None if rest[1] == "test" else rest[1:]
    return rest if Path(program).name == "notifier" else None


def parse(arguments: Sequence[str]) -> None:
    """Reads the arguments as the command line does, and calls nothing.

    Raises:
        ClickException: they name a command, an option or a value that there is not.
    """
    root = click.Context(cli, info_name="notifier")
    _, rest, _ = cli.make_parser(root).parse_args(list(arguments))
    if rest:
        name, command, rest = cli.resolve_command(root, rest)
        assert command is not None
        if not {"-h", "--help"} & set(rest):
            command.make_context(name, list(rest), parent=root)
