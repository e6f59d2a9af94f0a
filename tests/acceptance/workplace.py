"""A folder in which `notifier` is set up to watch a simulated enterprise."""

import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from notifier.engage.simulator import Simulator
from tests.acceptance import command
from tests.acceptance.command import PATIENCE, Answer, Running
from tests.canary import SIGNING_SECRET, Search, with_secrets

TOKEN = 'token = "${ENGAGE_TOKEN}"'

OAUTH = """
[sources.acme.oauth]
token_url = "{token_url}"
client_id = "notifier"
client_secret = "${{ENGAGE_SECRET}}"
"""

SWEEP = """
[[sources.acme.sweeps]]
name = "near"
from = "-14d"
to = "90d"
every = "1s"
"""

MOST_REQUESTS = 100
"""More than a test waits for at once."""

EVERYTHING = """\
[[rule]]
name = "everything"
on = ["created", "discovered", "status_changed", "rescheduled", "reassigned", "relocated", "updated"]
channels = {channels}
"""


class Workplace:
    """One folder, its configuration and the processes that were started in it."""

    def __init__(self, folder: Path, engage: Simulator) -> None:
        self.folder = folder
        self.engage = engage
        self.environ = {"ENGAGE_TOKEN": engage.token, "ENGAGE_SECRET": engage.client_secret}
        #: What the search after the test comes to.
        self.search = Search()
        self._running: list[Running] = []
        self._ended: list[tuple[str, Answer]] = []

    def configure(
        self,
        channels: Mapping[str, str],
        *,
        secrets: Mapping[str, str] | None = None,
        credentials: str = TOKEN,
        base_url: str = "",
        rules: str = EVERYTHING,
        brake: str = "",
    ) -> None:
        """Writes config.toml with one sweep, and one file with rules, in which `{channels}` stands for all of them.

        The addresses get marked secrets, and webhooks a marked signing secret, where they have none.
        """
        parts = [
            'timezone = "Europe/Brussels"',
            f'[sources.acme]\nbase_url = "{base_url or self.engage.base_url}"\nenterprise = "acme"',
            'page_size = 1000\ntimeout = "20s"\ndeadline = "1s"',
            credentials.format(token_url=self.engage.token_url) if credentials != TOKEN else TOKEN,
            SWEEP,
            brake,
            *(_channel(name, url, (secrets or {}).get(name)) for name, url in channels.items()),
        ]
        (self.folder / "config.toml").write_text("\n".join(parts) + "\n", encoding="utf-8")
        (self.folder / "rules").mkdir(exist_ok=True)
        self.write_rules("rules.toml", rules.replace("{channels}", str(list(channels))))

    def write_rules(self, name: str, text: str) -> None:
        """Writes a file with rules."""
        (self.folder / "rules" / name).write_text(text, encoding="utf-8")

    @property
    def store(self) -> Path:
        return self.folder / "notifier.db"

    def notifier(self, *arguments: str) -> Answer:
        """Runs a command to its end."""
        answer = command.run(self.folder, *arguments, environ=self.environ)
        self._ended.append((" ".join(arguments), answer))
        return answer

    def notifiers(self, *commands: str) -> list[Answer]:
        """Runs several commands at the same time, each to its end."""
        with ThreadPoolExecutor(len(commands)) as pool:
            return list(pool.map(lambda words: self.notifier(*words.split()), commands))

    def ask(self, *arguments: str) -> Any:
        """Returns the JSON document that a command prints; it may end with 0 or 1."""
        answer = self.notifier(*arguments, "--json")
        assert answer.code in {0, 1}, answer.err
        return answer.document()

    def start(self, *arguments: str, before: Sequence[str] = ()) -> Running:
        """Leaves a command running; `run` if none is named. What is before it is to run it."""
        running = Running(self.folder, *(arguments or ("run",)), environ=self.environ, before=before)
        self._running.append(running)
        return running

    def start_watching(self) -> Running:
        """Starts `run` for the first time and waits until the appointments that there are have been stored."""
        running = self.start()
        running.wait_for_log("polled")
        return running

    def start_polling(self) -> Running:
        """Starts `run` and waits until a poll has been committed, whatever it found."""
        self.engage.forget_requests()
        running = self.start()
        self._await_requests(2)
        return running

    def await_poll(self) -> None:
        """Waits until a poll that began after this call has been committed.

        Of three requests the first may have been under way, the second began later, and the third is
        sent only when what the second brought is committed.
        """
        self.engage.forget_requests()
        self._await_requests(3)

    def _await_requests(self, times: int) -> None:
        """Waits until the list was asked for so many times; it is one page."""
        for seen in range(MOST_REQUESTS):
            if sum(request.query.startswith("from=") for request in self.engage.requests) >= times:
                return
            assert self.engage.wait_for_requests(seen + 1, PATIENCE), self.engage.requests
        raise AssertionError(self.engage.requests)

    def close(self) -> None:
        """Kills what still runs, and looks for marked values in all that was said and written."""
        ended = [*self._ended, *(("a daemon", running.kill()) for running in self._running)]
        for name, answer in ended:
            self.search.look("output", f"what `{name}` printed", answer.out.encode())
            self.search.look("log", f"what `{name}` logged", answer.err.encode())
        self.search.look_into(self.folder, besides=CONFIGURED)
        if self.store.exists():
            assert self.search.looked_at["file"], self.search
        assert not self.search.leaks, self.search.leaks


CONFIGURED = ("config.toml",)
"""The files in which secrets have their place."""


def _channel(name: str, url: str, secret: str | None) -> str:
    own = secret or (SIGNING_SECRET if url.startswith("http") else "")
    signing = f'\nsigning_secret = "{own}"' if own else ""
    return f'[channels.{name}]\nurl = "{with_secrets(url)}"{signing}'


STOPS = (signal.SIGTERM, signal.SIGINT)
"""The signals that end `run`."""
