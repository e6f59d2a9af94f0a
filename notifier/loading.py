"""Everything that a person wrote, read and looked through as one: configuration, rules, channels' addresses.

Nothing here touches the network. Whoever starts or checks anything goes through this door, so that what `check`
accepts is what `run` takes. The sweeps that nobody wrote are planned here, from the rules.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from notifier.channels.channel import ChannelError, open_channel
from notifier.config.rulebook import load_rulebook, rule_files
from notifier.config.settings import DEFAULT_SWEEPS, Outline, Settings, Source, load_settings, read_outline
from notifier.core.pushdown import PlannedSweep, own_sweeps, plan_sweeps
from notifier.core.rule import Rule
from notifier.errors import ConfigError, Problem


def load_everything(path: Path, environ: Mapping[str, str]) -> tuple[Settings, tuple[Rule, ...]]:
    """Returns the settings, with the sweeps that the rules ask for, and the rules.

    Raises:
        ConfigError: with everything that is wrong in any of the files.
    """
    try:
        settings = load_settings(path, environ)
    except ConfigError as error:
        raise ConfigError(_sorted([*error.problems, *_further_problems(path, environ, error.problems)])) from None
    rules, problems = _rules(settings)
    problems = [*_channel_problems(settings), *problems]
    if problems:
        raise ConfigError(_sorted(problems))
    return _with_sweeps(settings, rules), rules


def files_of(path: Path, settings: Settings | Outline) -> tuple[Path, ...]:
    """Returns the files that were read, or would be now, to get these settings and their rules."""
    return (path, *settings.files, *rule_files(settings)[0])


def load_planned(path: Path, environ: Mapping[str, str]) -> Settings:
    """Returns the settings, with the sweeps that the rules ask for; the rules are read only where that takes them.

    Raises:
        ConfigError: with everything that is wrong in the files that were read.
    """
    settings = load_settings(path, environ)
    if all(source.own_sweeps for source in settings.sources.values()):
        return settings
    return _with_sweeps(settings, load_rulebook(settings))


def sweeps_of(source: Source, rules: Sequence[Rule]) -> tuple[PlannedSweep, ...]:
    """Returns the sweeps of a source, and why they are there: its author's, or those that the rules ask for."""
    if source.own_sweeps:
        return own_sweeps(source.name, rules, source.sweeps)
    return plan_sweeps(source.name, rules, DEFAULT_SWEEPS)


def _with_sweeps(settings: Settings, rules: Sequence[Rule]) -> Settings:
    sources = {
        name: replace(source, sweeps=tuple(planned.sweep for planned in sweeps_of(source, rules)))
        for name, source in settings.sources.items()
    }
    return replace(settings, sources=sources)


def _sorted(problems: Sequence[Problem]) -> list[Problem]:
    """Returns the problems by line, the files in the order in which they were read."""
    files = list(dict.fromkeys(problem.file for problem in problems))
    return sorted(problems, key=lambda problem: (files.index(problem.file), problem.line))


def _further_problems(path: Path, environ: Mapping[str, str], known: Collection[Problem]) -> list[Problem]:
    """Returns what is wrong with channels and rules of a configuration that is wrong itself."""
    try:
        outline = read_outline(path, environ)
    except ConfigError:
        return []
    complained = {problem.line for problem in known}
    found = [problem for problem in _channel_problems(outline) if problem.line not in complained]
    return found + [problem for problem in _rules(outline)[1] if problem not in known]


def _rules(settings: Settings | Outline) -> tuple[tuple[Rule, ...], list[Problem]]:
    try:
        return load_rulebook(settings), []
    except ConfigError as error:
        return (), list(error.problems)


def _channel_problems(settings: Settings | Outline) -> Iterator[Problem]:
    """Yields a complaint for each address that can't be used; only opening it can tell, which sends nothing."""
    for name, channel in settings.channels.items():
        if channel is None:
            continue
        secrets = [secret.get_secret_value() for secret in channel.signing_secrets]
        try:
            open_channel(name, channel.url.get_secret_value(), secrets).close()
        except ChannelError as error:
            yield settings.problem(("channels", name, "url"), f"`url` of channel `{name}`: {error}")
