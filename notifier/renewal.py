"""Renewal: what people wrote is taken up while the daemon runs, if all of it is good; else the former goes on.

Whatever can be wrong with it is found before anything is stopped: files, rules, templates, the addresses of channels.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import structlog

from notifier.config.settings import Settings
from notifier.core.rule import Rule
from notifier.daemon import Daemon
from notifier.errors import ConfigError, StoreError
from notifier.file_watch import FileWatch
from notifier.loading import files_of, load_everything
from notifier.progress import Watcher
from notifier.store.database import Store

log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
"""How often the files are looked at."""

MOST_TOLD = 3
"""So many of the mistakes are told; `notifier check` tells them all."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What people wrote, as it was read."""

    settings: Settings
    rules: Sequence[Rule]


class Renewal:
    """Builds the daemons over one store: the first, and one for each change for the better."""

    def __init__(
        self,
        path: Path,
        environ: Mapping[str, str],
        store: Store,
        watcher: Watcher,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._environ = environ
        self._store = store
        self._watcher = watcher
        self._ticks = ticks
        self._loaded = self._load()
        self._watch = FileWatch(self._files)
        self._looked_at = ticks()
        #: What is wrong with what people wrote since; empty for nothing.
        self.refusal = ""

    def daemon(self) -> Daemon:
        """Returns a daemon for what was read last and was good; not started."""
        return Daemon(
            self._loaded.settings,
            self._loaded.rules,
            self._store,
            watcher=self._watcher,
            refusal=lambda: self.refusal,
        )

    def __call__(self, asked: bool) -> Daemon | None:  # noqa: FBT001 - the one thing that it is told
        """Returns the daemon that is to take over; None where nothing changed, or nothing for the better."""
        if not asked and not self._changed():
            return None
        # Before it is read: what changes meanwhile is read once more.
        self._watch.take()
        try:
            return self._renewed()
        except ConfigError as error:
            self._refuse(_summary(error))
        except StoreError as error:
            # As it can't be read now, it is not the time to take up anything.
            self._refuse(str(error))
        return None

    def _changed(self) -> bool:
        if self._ticks() - self._looked_at < LOOK_SECONDS:
            return False
        self._looked_at = self._ticks()
        return self._watch.changed()

    def _renewed(self) -> Daemon | None:
        before, now = self._loaded, self._load()
        if now.settings.store != before.settings.store:
            self._refuse("config.toml: [store] is taken up at a start only; start notifier again, or put it back")
            return None
        self.refusal, self._loaded = "", now
        # They may be others now.
        self._watch.take()
        changes = changes_between(before, now)
        if not changes:
            log.info("reload_unchanged")
            return None
        daemon = self.daemon()
        log.info("reloaded", **changes)
        return daemon

    def _load(self) -> Loaded:
        return Loaded(*load_everything(self._path, self._environ))

    def _files(self) -> Iterable[Path]:
        return files_of(self._path, self._loaded.settings)

    def _refuse(self, why: str) -> None:
        self.refusal = why
        log.error("reload_refused", why=why)


def changes_between(before: Loaded, now: Loaded) -> dict[str, list[str]]:
    """Returns the names of what is new, gone or otherwise, each under what was done to it; nothing for no change."""
    old, new = before.settings, now.settings
    found = {
        **_differences("rules", _by_name(before.rules), _by_name(now.rules)),
        **_differences("channels", old.channels, new.channels),
        **_differences("sources", old.sources, new.sources),
    }
    if [rule.name for rule in before.rules] != [rule.name for rule in now.rules] and not found:
        found["rules_moved"] = [rule.name for rule in now.rules]
    if not found and old != new:
        names = [one.name for one in fields(old) if one.compare]
        found["settings_changed"] = [name for name in names if getattr(old, name) != getattr(new, name)]
    return found


def _differences(what: str, before: Mapping[str, object], now: Mapping[str, object]) -> dict[str, list[str]]:
    found = {
        f"{what}_added": [name for name in now if name not in before],
        f"{what}_removed": [name for name in before if name not in now],
        f"{what}_changed": [name for name in now if name in before and now[name] != before[name]],
    }
    return {key: names for key, names in found.items() if names}


def _by_name(rules: Iterable[Rule]) -> dict[str, object]:
    return {rule.name: _written(rule) for rule in rules}


def _written(rule: Rule) -> object:
    """Returns what tells a rule from another one; the functions in it are other ones each time that it is read."""
    plain = tuple(getattr(rule, one.name) for one in fields(rule) if one.name != "requirements")
    return plain, tuple((one.key, one.wanted) for one in rule.requirements)


def _summary(error: ConfigError) -> str:
    """Returns the first mistakes, each with file and line."""
    told = [str(problem) for problem in error.problems[:MOST_TOLD]]
    more = len(error.problems) - len(told)
    return "; ".join([*told, *([f"and {more} more"] if more else [])])
