"""What a replay prints: the messages that would be new, gone, moved or worded otherwise."""

from collections.abc import Iterator, Sequence
from difflib import ndiff
from zoneinfo import ZoneInfo

from notifier.core.difference import Pair
from notifier.core.told import Told
from notifier.replay import Replay
from notifier.views import SHORT_ID, say_minute, wrap


def show_replay(replay: Replay, zone: ZoneInfo) -> str:
    """Returns the difference in words."""
    difference = replay.difference
    summary = (
        f"{_count(replay.events, 'event')} from {say_minute(replay.begins_at, zone)} to "
        f"{say_minute(replay.ends_at, zone)}: the rules as they are tell {_count(replay.before, 'message')}, "
        f"the others {replay.after}. Nothing was sent."
    )
    if difference.is_empty:
        return "\n".join([wrap(summary), "No difference."])
    parts = [wrap(summary)]
    for title, lines in (
        ("New", [_lines(told, zone) for told in difference.new]),
        ("Gone", [_lines(told, zone) for told in difference.gone]),
        ("Moved", [_moved(pair, zone) for pair in difference.moved]),
        ("Worded otherwise", [_reworded(pair, zone) for pair in difference.reworded]),
    ):
        if lines:
            parts.append("\n".join([f"{title}: {len(lines)}", *(line for one in lines for line in one)]))
    parts.append(f"The same in both: {difference.same}.")
    return "\n\n".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _lines(told: Told, zone: ZoneInfo) -> Sequence[str]:
    return [_head(told, zone), *(wrap(f"    {line}", " " * 6) for line in _text(told)[:1])]


def _moved(pair: Pair, zone: ZoneInfo) -> Sequence[str]:
    before, after = pair.before, pair.after
    old = [f"to {before.channel}"] if before.channel != after.channel else []
    old += [f"by {before.rule}"] if before.rule != after.rule else []
    old += [f"at {say_minute(before.at, zone)}"] if before.at != after.at else []
    words = _words(pair) if pair.is_reworded else (wrap(f"    {_text(after)[0]}", " " * 6),)
    return [_head(after, zone), wrap(f"    was {', '.join(old)}", " " * 6), *words]


def _reworded(pair: Pair, zone: ZoneInfo) -> Sequence[str]:
    was = [wrap(f"    was by {pair.before.rule}", " " * 6)] if pair.before.rule != pair.after.rule else []
    return [_head(pair.after, zone), *was, *_words(pair)]


def _words(pair: Pair) -> Iterator[str]:
    """Yields the old words behind a minus, the new ones behind a plus."""
    before, after = _text(pair.before), _text(pair.after)
    yield from (wrap(f"    {line.rstrip()}", " " * 8) for line in ndiff(before, after) if not line.startswith("?"))


def _text(told: Told) -> list[str]:
    if told.failure:
        return [f"the template fails: {told.failure}"]
    return [told.title, *told.body.splitlines()]


def _head(told: Told, zone: ZoneInfo) -> str:
    events = ", ".join(event[:SHORT_ID] for event in told.events)
    about = ", ".join(dict.fromkeys(told.appointments))
    head = f"  {say_minute(told.at, zone)} to {told.channel}, by {told.rule}: appointment {about} (event {events})"
    return wrap(head, "    ")
