"""What a condition must not hold, so that it takes no event long, however it is written.

The engine counts how often the parts of a condition are repeated, not what one repetition takes, and it compiles
patterns for every event anew. So a condition is short, what it repeats for each value of a list repeats nothing
itself, it makes no lists of lists, and its patterns are plain.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from math import prod

CONDITION_LIMIT = 2000
"""Characters of the longest condition."""

PATTERN_LIMIT = 100
"""Characters of all the patterns of a condition."""

REPEAT_LIMIT = 30
"""How often the patterns may repeat something by number, all multiplied: a pattern is as long as what it repeats."""

CROWD = 200
"""Values of the longest list that a condition may look at; those who take part in one appointment are fewer."""

LONGEST = 500
"""Characters of the longest text that a condition may look at; ids and words are shorter."""

COST_LIMIT = 500_000
"""What all conditions together may cost, each event being compared with each: about 50 ms of it."""

_CALL_COST = 200
"""What a condition costs before any of it is computed."""

_PATTERN_COST = 100
"""To compile and match one character of a pattern costs as much as so many characters of a condition."""

_REPEATING = frozenset({"all", "exists", "exists_one", "existsOne", "filter"})
_STRING = r'''[rR]?(?:"""[\s\S]*?"""|\'\'\'[\s\S]*?\'\'\'|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\')'''
_WORD = re.compile(
    rf"(?P<text>{_STRING})|\b(?P<repeating>all|exists|exists_one|existsOne|map|filter|transform\w*)\s*\("
    rf"|\b(?P<matching>matches)\s*\((?:(?<=\.matches\()\s*(?P<pattern>{_STRING})\s*(?=\)))?|[()]"
)
_TIMES = re.compile(r"\{(\d+)(?:,(\d*))?\}")


def cost(text: str) -> int:
    """Returns what a condition costs at most, in characters that are computed once.

    What it repeats is computed for each value of the longest list that there can be, given to it or written in it.
    """
    repeated = patterns = 0
    #: For each parenthesis that is open, where it begins if it repeats.
    around: list[int | None] = []
    for word in _WORD.finditer(text):
        if word[0] == ")":
            begin = around.pop() if around else None
            repeated += word.start() - begin if begin is not None else 0
        elif not word["text"]:
            around.append(word.end() if word["repeating"] else None)
            pattern = word["pattern"] or ""
            patterns += len(pattern) * _times([pattern])
    return _CALL_COST + len(text) + repeated * max(CROWD, text.count(",")) + patterns * _PATTERN_COST


def _times(patterns: Iterable[str]) -> int:
    pairs = (pair for pattern in patterns for pair in _TIMES.findall(pattern))
    return prod(max(int(least), int(most or 1), 1) for least, most in pairs)


def cost_problems(text: str) -> Iterator[tuple[int, str]]:
    """Yields what would make the condition take long, each with its line, from 1."""
    if len(text) > CONDITION_LIMIT:
        yield 1, f"has {len(text)} characters, and at most {CONDITION_LIMIT} are allowed"
        return
    #: For each parenthesis that is open, the word that repeats what is in it.
    around: list[str] = []
    patterns: list[str] = []
    for word in _WORD.finditer(text):
        line = 1 + text.count("\n", 0, word.start())
        if word[0] == ")":
            around = around[:-1]
        elif not word["text"]:
            yield from ((line, problem) for problem in _problems_of(word, next(filter(None, around), "")))
            around.append(word["repeating"] or "")
            patterns += [word["pattern"]] if word["pattern"] else []
    problems = list(_problems_of_patterns(patterns))
    yield from ((1, problem) for problem in problems)
    if not problems and cost(text) > COST_LIMIT:
        yield 1, "takes too long for one event; go through fewer values, or fewer times"


def _problems_of(word: re.Match[str], repeating: str) -> Iterator[str]:
    """Yields what is wrong with a word that opens a parenthesis, inside of one that repeats."""
    name = word["repeating"] or word["matching"]
    if word["repeating"] and name not in _REPEATING:
        yield f"`{name}` is not for conditions: what it makes could be of any size"
    elif name and repeating:
        yield f"`{name}` can't stand inside of `{repeating}`, where it would be done for each value of a list"
    elif word["matching"] and not word["pattern"]:
        yield "write `matches` behind what is compared, with a pattern in quotes: appointment.office.matches('^1')"


def _problems_of_patterns(patterns: list[str]) -> Iterator[str]:
    if sum(map(len, patterns)) > PATTERN_LIMIT:
        yield f"the patterns for `matches` have more than {PATTERN_LIMIT} characters"
    if any(re.search(r"\\[pP]", pattern) for pattern in patterns):
        yield "a pattern for `matches` can't name a class of letters by `\\p`; name the letters, as in [A-Za-z]"
    if _times(patterns) > REPEAT_LIMIT:
        yield f"the patterns for `matches` repeat too much: their numbers in {{}} multiply to more than {REPEAT_LIMIT}"


def too_big(values: Mapping[str, object]) -> str | None:
    """Returns which variable holds too much for a condition; None if all will do."""
    for name, value in values.items():
        if isinstance(value, list) and (len(value) > CROWD or any(len(one) > LONGEST for one in value)):
            return f"{name} has more than {CROWD} values, or one of more than {LONGEST} characters"
        if isinstance(value, str) and len(value) > LONGEST:
            return f"{name} has more than {LONGEST} characters"
    return None
