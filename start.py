#!/usr/bin/env python3
"""Runs notifier from a checkout: makes .venv beside this file, installs what is locked, and starts the command.

    python3 start.py demo [ARGS]       everything at once against a made-up enterprise, to look at
    python3 start.py test [ARGS]       the tests; ARGS are pytest's, without any all run, on all cores
    python3 start.py COMMAND [ARGS]    any other command of notifier; --help lists them

Only .venv is written, and only when the locks, pyproject.toml, the sources or this Python changed.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

if sys.version_info < (3, 11):  # noqa: UP036 -- an older Python is told what is wrong before it meets what it can't read
    sys.exit(f"start.py: needs Python 3.11 or newer, and this is {sys.version.split()[0]}: try python3.12 start.py")

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / "python"
STAMP = VENV / "start.json"
LOG = VENV / "start.log"

TO_RUN = ("requirements.lock", "requirements-build.lock")
TO_TEST = ("requirements-dev.lock",)  # holds the other two
PACKAGED = ("pyproject.toml", "README.md", "LICENSE", "config.example.toml", "notifier", "rules")

SIDE_BY_SIDE = ("--numprocesses", "auto", "--dist", "worksteal")

INSTALL = ("install", "--quiet", "--disable-pip-version-check", "--no-input")
UNREACHED = ("Retrying (", "ConnectionError", "ConnectTimeout", "ProxyError", "SSLError", "name resolution")


def main(args: Sequence[str]) -> NoReturn:
    """Prepares .venv and lets the command take over."""
    if not args or args[0] in {"-h", "--help"}:
        print(__doc__)
        sys.exit(0 if args else 2)
    if args[0] == "test":
        prepare(TO_TEST)
        os.chdir(ROOT)
        start([PYTHON, "-m", "pytest", *(args[1:] or SIDE_BY_SIDE)])
    prepare(TO_RUN)
    start([BIN / "notifier", *args])


def start(command: Sequence[str | Path]) -> NoReturn:
    """Signals and the exit code are the command's own: where the system can, it becomes this process."""
    if os.name == "nt":
        sys.exit(subprocess.call(command))
    os.execv(command[0], [str(word) for word in command])


def prepare(locks: Iterable[str]) -> None:
    """Leaves .venv with the packages of these locks and with notifier as the sources have it."""
    stamp = read_stamp()
    if stamp.get("made") != made_with() or any(digest(lock) != seen for lock, seen in stamp["locks"].items()):
        make_venv()
        stamp = {"made": made_with(), "locks": {}, "package": None}
    for lock in locks:
        if lock not in stamp["locks"]:
            say(f"installing what {lock} names")
            pip("--require-hashes", "--only-binary", ":all:", "--requirement", lock)
            stamp["locks"][lock] = digest(lock)
            write_stamp(stamp)
    if stamp["package"] != digest(*PACKAGED):
        say("building notifier and installing it")
        install_package()
        write_stamp({**stamp, "package": digest(*PACKAGED)})


def made_with() -> list[str]:
    """Tells one interpreter, and one place of the checkout, from another: the scripts in .venv hold both."""
    return [sys.version, sys.base_prefix, str(VENV)]


def digest(*names: str) -> str:
    """Changes with the content and the names of these files and of all files in these folders."""
    found = hashlib.sha256()
    for path in (file for name in names for file in files_of(ROOT / name)):
        found.update(f"{path.relative_to(ROOT).as_posix()}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def files_of(path: Path) -> list[Path]:
    """The file itself, or what a folder holds but for bytecode; nothing if there is no such thing."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return [path] if path.exists() else []


def read_stamp() -> dict[str, Any]:
    """What .venv holds, as far as it was finished; a stamp that can't be read stands for nothing finished."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        stamp = {}
    return {"locks": {}, "package": None, **stamp}


def write_stamp(stamp: dict[str, Any]) -> None:
    """A process that is killed meanwhile leaves the old stamp or the new one."""
    draft = STAMP.with_suffix(".new")
    draft.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    draft.replace(STAMP)


def make_venv() -> None:
    """Replaces .venv by an empty one, but only one of our own making, which the stamp shows."""
    if VENV.exists() and not STAMP.exists() and any(VENV.iterdir()):
        fail(".venv is here already, and start.py did not make it: move it away first")
    if not find_spec("venv") or not (find_spec("ensurepip") or find_spec("pip")):
        fail("this Python has no venv with pip: install the package that has it (on Debian: apt install python3-venv)")
    say(f"making .venv with Python {sys.version.split()[0]}")
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir(exist_ok=True)
    write_stamp({})
    options = [] if find_spec("ensurepip") else ["--without-pip"]
    run("making .venv", [sys.executable, "-m", "venv", *options, VENV])


def pip(*args: str | Path) -> None:
    """Installs into .venv with its own pip or, where Python came without ensurepip, with the system's."""
    own = any(VENV.rglob("site-packages/pip"))
    command: list[str | Path] = [PYTHON, "-m", "pip"] if own else [sys.executable, "-m", "pip", "--python", PYTHON]
    run("installing", [*command, *INSTALL, *args])


def install_package() -> None:
    """The package is what users get, a wheel, built by the locked hatchling: nothing else is fetched for it."""
    with tempfile.TemporaryDirectory() as folder:
        run("building", [PYTHON, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder])
        pip("--no-index", "--no-deps", "--force-reinstall", *Path(folder).glob("*.whl"))


def run(doing: str, command: Sequence[str | Path]) -> None:
    """Silent if all goes well; else ends with one line that names the cause, and keeps the rest in .venv."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        LOG.write_text(done.stdout, encoding="utf-8")
        fail(f"{doing} failed: {cause(done.stdout)} (all of it: .venv/{LOG.name})")


def cause(output: str) -> str:
    """The one line of a failed command that says most."""
    if "DO NOT MATCH THE HASHES" in output:
        return "a downloaded package is not the one that the lock names"
    if any(sign in output for sign in UNREACHED):
        return "no package index was reached; see to the network, or to pip's settings (pip config list)"
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["it said nothing"]
    return next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])


def say(text: str) -> None:
    """To standard error: what the command prints is for the next program."""
    print(f"start.py: {text}", file=sys.stderr, flush=True)


def fail(text: str) -> NoReturn:
    """Ends with one line, without a traceback."""
    sys.exit(f"start.py: {text}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
