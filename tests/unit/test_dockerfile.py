"""What can be known of the container without building it."""

import json
import re
import shlex
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def instructions() -> list[tuple[str, str]]:
    """The instructions in order, each as its name and its words, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def said(name: str, stage: int) -> list[str]:
    """The words of all instructions of this name in one stage; -1 is the last, the one that ships."""
    starts = [at for at, (what, _) in enumerate(instructions()) if what == "FROM"]
    first = starts[stage]
    last = next((at for at in starts if at > first), None)
    return [words for what, words in instructions()[first:last] if what == name]


def copied_from_here() -> set[str]:
    """What the build takes from the checkout."""
    words = [shlex.split(copy)[:-1] for copy in said("COPY", 0)]
    return {source.removeprefix("./") for sources in words for source in sources if not source.startswith("--")}


def test_both_stages_start_from_one_slim_python_pinned_by_version() -> None:
    """A venv only works with the Python that made it, and `latest` would change under it."""
    images = {words.split()[0] for name, words in instructions() if name == "FROM"}
    assert len(images) == 1
    assert re.fullmatch(r"python:3\.(11|12|13)(\.\d+)?-slim-bookworm", images.pop())


def test_the_container_runs_as_a_user_that_is_not_root() -> None:
    """The last USER is a number that isn't 0, set before anything that it should own or run."""
    user = said("USER", -1)[-1]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert user.split(":")[0] in " ".join(said("RUN", -1))


def test_health_is_what_status_says() -> None:
    """`notifier status` exits with 0 only if the daemon runs and its sources answer."""
    (check,) = said("HEALTHCHECK", -1)
    assert json.loads(check.partition("CMD ")[2]) == ["notifier", "status"]


def test_it_runs_the_daemon_in_data_unless_told_otherwise() -> None:
    """`docker run IMAGE` is the daemon; `docker run IMAGE status` is another command on the same files."""
    assert json.loads(said("ENTRYPOINT", -1)[0]) == ["notifier"]
    assert json.loads(said("CMD", -1)[0]) == ["run"]
    assert said("WORKDIR", -1) == said("VOLUME", -1) == ["/data"]


def test_every_package_comes_from_a_lock_with_hashes() -> None:
    """What is installed by name is held to a lock's hashes; the rest may fetch nothing."""
    steps = [step.strip() for run in said("RUN", 0) for step in run.split("&&")]
    installs = [shlex.split(step) for step in steps if "pip install" in step]
    locked = [words[-1] for words in installs if "--require-hashes" in words and words[-2] == "-r"]
    assert sorted(locked) == ["requirements-build.lock", "requirements.lock"]
    assert all({"--no-index", "--no-deps"} <= set(words) for words in installs if "--require-hashes" not in words)
    assert not any("pip" in run for run in said("RUN", -1))


def test_what_is_copied_exists_and_is_let_into_the_build() -> None:
    """A source that is missing, or that .dockerignore keeps out, would only show when somebody builds."""
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert "*" in ignore
    assert copied_from_here() == allowed
    assert not {name for name in allowed if not (ROOT / name).exists()}


def test_the_wheel_finds_in_the_build_all_that_it_is_made_of() -> None:
    """What pyproject.toml names for the wheel is copied before the wheel is built."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    named = {project["project"]["readme"], *project["project"]["license-files"], *wheel["packages"]}
    assert named | set(wheel["force-include"]) | {"pyproject.toml"} <= copied_from_here()
