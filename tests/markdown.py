"""Pages of Markdown as what a test can check: their fenced blocks, each with the mark before it, and their links.

A mark is a comment on the line before a block, as in `<!-- config -->` or `<!-- not run: needs docker -->`. Readers do
not see it; `test_docs` says which marks there are, and refuses a block without one.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = (README, *sorted(DOCS.glob("*.md")))

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>\S*) *$")
_MARK = re.compile(r"^ *<!-- (?P<mark>.+) -->$")
_CONTROL = frozenset({";", "|", "||", "&", "&&", "(", ")", ">", ">>", "<"})


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    #: Of its first line inside the fence, from 1.
    line: int
    language: str
    #: What the mark says before its colon, and after it; empty for a block without one.
    mark: str
    detail: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def options(self) -> frozenset[str]:
        """What the mark says after its colon, between commas."""
        return frozenset(part.strip() for part in self.detail.split(",") if part.strip())


@dataclass(frozen=True)
class Step:
    """A command of a console block, and what stands below it."""

    command: str
    output: str


def blocks_of(page: Path) -> list[Block]:
    """Returns the fenced blocks of a page in their order."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            number += 1
            continue
        start = number + 1
        number = next(at for at in range(start, len(lines)) if lines[at].strip() == fence["fence"])
        mark, _, detail = _mark_above(lines, start - 1).partition(":")
        text = dedent("\n".join(lines[start:number])) + "\n"
        found.append(Block(page, start + 1, fence["language"], mark.strip(), detail.strip(), text))
        number += 1
    return found


def prose_of(page: Path) -> str:
    """Returns a page without its fenced blocks and comments."""
    lines = page.read_text(encoding="utf-8").splitlines()
    inside = False
    kept: list[str] = []
    for line in lines:
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            kept.append(line)
    return re.sub(r"<!--.*?-->", "", "\n".join(kept), flags=re.DOTALL)


def links_of(page: Path) -> list[str]:
    """Returns where the links of a page lead."""
    return re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose_of(page))


def anchors_of(page: Path) -> set[str]:
    """Returns what a link into a page may name: its headings, as the usual sites spell them."""
    headings = re.findall(r"^#+ (.+?) *$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def spans_of(page: Path) -> list[str]:
    """Returns the inline code of a page."""
    return re.findall(r"`([^`\n]+)`", prose_of(page))


def rows_of(page: Path, heading: str) -> list[list[str]]:
    """Returns the cells of the first table below a heading, without its head."""
    below = page.read_text(encoding="utf-8").partition(f"\n{heading}\n")[2]
    assert below, f"{page.name} has no {heading!r}"
    table = re.search(r"(?:^\|.*\|\n)+", below, re.MULTILINE)
    assert table, f"{page.name}: there is no table below {heading!r}"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.group().splitlines()[2:]]


def steps_of(block: Block) -> list[Step]:
    """Returns the commands of a console block; each begins with a dollar, and its output follows."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert not parts[0].strip(), f"{block}: a console block begins with a command behind a dollar"
    return [Step(*(text.strip("\n") for text in part.partition("\n")[::2])) for part in parts[1:]]


def commands_of(block: Block) -> Iterator[list[str]]:
    """Yields the words of every simple command of a block, pipes and lists taken apart."""
    text = "\n".join(step.command for step in steps_of(block)) if block.language == "console" else block.text
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(re.sub(r"^Exec\w+=", "", line), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in lexer:
            if word in _CONTROL:
                yield words
                words = []
            else:
                words.append(word)
        yield words


def marked(*marks: str) -> tuple[Block, ...]:
    """Returns the blocks with one of these marks."""
    return tuple(block for block in BLOCKS if block.mark in marks)


def _mark_above(lines: list[str], number: int) -> str:
    match = _MARK.match(lines[number - 1]) if number else None
    return match["mark"] if match else ""


BLOCKS = tuple(block for page in PAGES for block in blocks_of(page))
"""The fenced blocks of all pages."""
