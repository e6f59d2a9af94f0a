"""Renewal: what people wrote is taken up while the daemon runs, if all of it is good; else the former goes on.

Whatever can be wrong with it is found before anything is stopped: files, rules, templates, the addresses of channels.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

import structlog

from notifier.config.settings import Outline, Settings, read_outline
from notifier.config.toml_file import shown
from notifier.core.rule import Rule
from notifier.daemon import Daemon
from notifier.errors import ConfigError, Problem, StoreError
from notifier.file_watch import FileWatch, Stamps, emptied
from notifier.loading import files_of, load_everything
from notifier.progress import Watcher
from notifier.store.database import Store

log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
"""How often the files are looked at."""

MOST_READINGS = 5
"""So often what names other files than it did is read again, at most."""

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
        #: What names the files, as it was read last, good or bad; None before.
        self._outline: Settings | Outline | None = None
        self._watch = FileWatch(self._files)
        self._loaded, self._stamps = self._read()
        self._looked_at = ticks()
        #: Whether what was read and is good could not be taken up for the store's sake.
        self._postponed = False
        #: What is wrong with what people wrote since; empty for nothing.
        self.refusal = ""

    def daemon(self) -> Daemon:
        """Returns a daemon for what was read last and was good; not started."""
        return self._daemon_of(self._loaded)

    def __call__(self, asked: bool) -> Daemon | None:  # noqa: FBT001 - the one thing that it is told
        """Returns the daemon that is to take over; None where nothing changed, or nothing for the better."""
        if not asked and not self._changed():
            return None
        self._postponed = False
        try:
            return self._renewed()
        except ConfigError as error:
            self._refuse(_summary(error), asked=asked)
        except StoreError as error:
            # As it can't be read now, it is not the time to take up anything.
            self._postponed = True
            self._refuse(str(error), asked=asked)
        return None

    def _changed(self) -> bool:
        if self._ticks() - self._looked_at < LOOK_SECONDS:
            return False
        self._looked_at = self._ticks()
        return self._watch.changed() or self._postponed

    def _renewed(self) -> Daemon | None:
        now, stamps = self._read()
        if problems := [*self._half_written(stamps), *_unwanted(self._loaded, now)]:
            raise ConfigError(problems)
        changes = changes_between(self._loaded, now)
        daemon = self._daemon_of(now) if changes else None
        self.refusal, self._loaded, self._stamps = "", now, stamps
        if changes:
            log.info("reloaded", **changes)
        else:
            log.info("reload_unchanged")
        return daemon

    def _daemon_of(self, loaded: Loaded) -> Daemon:
        return Daemon(loaded.settings, loaded.rules, self._store, watcher=self._watcher, refusal=lambda: self.refusal)

    def _read(self) -> tuple[Loaded, Stamps]:
        """Reads what people wrote, and returns how the files were before: what changes meanwhile is read once more.

        Which files there are is only known when they have been read; then they are read again.
        """
        for _ in range(MOST_READINGS):
            stamps = self._watch.take()
            try:
                loaded = self._load()
            except ConfigError:
                # They are watched as well: it may be one of them in which the mistake is mended.
                if stamps.keys() == set(self._files()):
                    raise
            else:
                if stamps.keys() == set(self._files()):
                    return loaded, stamps
        raise ConfigError([Problem(shown(self._path), 1, "`rules`: the files come and go while they are read")])

    def _load(self) -> Loaded:
        try:
            loaded = Loaded(*load_everything(self._path, self._environ))
        except ConfigError:
            with suppress(ConfigError):
                self._outline = read_outline(self._path, self._environ)
            raise
        self._outline = loaded.settings
        return loaded

    def _files(self) -> Iterable[Path]:
        return [self._path] if self._outline is None else files_of(self._path, self._outline)

    def _half_written(self, now: Stamps) -> Iterator[Problem]:
        for path in emptied(self._stamps, now):
            text = "is empty and was not; take the file away, or start notifier again, if that is meant"
            yield Problem(shown(path), 1, text)

    def _refuse(self, why: str, *, asked: bool) -> None:
        if why != self.refusal or asked:
            log.error("reload_refused", why=why)
        self.refusal = why


def _unwanted(before: Loaded, now: Loaded) -> Iterator[Problem]:
    """Yields what is right by itself, and yet can't be taken up while a daemon runs."""
    settings = now.settings
    for name in ("url", "synchronous"):
        if getattr(settings.store, name) != getattr(before.settings.store, name):
            text = f"`{name}` of [store] is taken up at a start only; start notifier again, or put it back"
            yield settings.problem(("store", name), text)
    if before.rules and not now.rules:
        text = "`rules`: no rule is left in any file; start notifier again if that is meant"
        yield settings.problem(("rules",), text)


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
