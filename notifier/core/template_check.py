"""What is wrong with a template before it is ever used: found by its text, and by trying it on samples."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from zoneinfo import ZoneInfo

from notifier.core import facts as said
from notifier.core import sample_facts
from notifier.core.escape import plain
from notifier.core.grant import ALL, Grant
from notifier.core.template import FILTERS, TemplateFailed, Templates

TEMPLATE_LIMIT = 5_000
"""Characters of the longest template."""

TAG_LIMIT = 1_000
"""Characters of the longest tag or expression; the engine reads it by recursion, on the stack of a thread."""

JOIN_LIMIT = 10
"""How often one tag or expression may join texts or add; no filter takes part in that, which could count it."""

TAGS = frozenset({"if", "elif", "else", "endif", "for", "endfor", "set"})
"""The tags that a template may use."""


def template_problems(source: str) -> list[tuple[int, str]]:
    """Returns what is wrong with a template as (line in it, text); none for one that is safe and renders samples."""
    if len(source) > TEMPLATE_LIMIT:
        return [(1, f"template: it has {len(source)} characters, and at most {TEMPLATE_LIMIT} are allowed")]
    # Before the engine sees it: as it reads a template it works out what is constant.
    return list(_forbidden(source)) or _failures(source)


def hidden_uses(source: str, grant: Grant) -> list[tuple[int, str]]:
    """Returns the variables, each with its line, of which a channel with this grant would see nothing, in their order.

    They would come out empty, so nothing hidden depends on this; it is for authors, who want to know.
    """
    plainly = _SUBSCRIPT.sub(r".\1", source)
    names = Templates(ZoneInfo("UTC"), plain).names(plainly)
    found = ((_line_of(plainly, name), name) for name in names if not _is_seen(name, grant))
    return sorted(found)


_SUBSCRIPT = re.compile(r"""\[ *['"](\w+)['"] *\]""")


def _is_seen(name: str, grant: Grant) -> bool:
    """Whether a channel may see anything of a variable."""
    state, _, rest = name.partition(".")
    field = rest.partition(".")[0]
    if state in {"appointment", "before"}:
        return field not in ALL.fields or field in grant.fields
    made_of = said.MADE_OF.get(name)
    return made_of is None or not grant.fields.isdisjoint(made_of)


def _failures(source: str) -> list[tuple[int, str]]:
    """Returns the variables that there are not, or how the template fails on a sample."""
    templates = Templates(ZoneInfo("UTC"), plain)
    try:
        names = templates.names(source)
    except TemplateFailed as failed:
        return [(failed.line or 1, f"template: {failed.text}")]
    unknown = sorted(_unknown_variables(source, names))
    for where, sample in () if unknown else sample_facts.sample_facts():
        templates.begin(sample)
        try:
            templates.render(source)
        except TemplateFailed as failed:
            return [(failed.line or 1, f"template: {where}{failed.text}")]
    return unknown


def _unknown_variables(source: str, names: Iterable[str]) -> Iterator[tuple[int, str]]:
    sample = sample_facts.sample_facts()[0][1]
    return ((_line_of(source, name), _unknown_variable(name, sample)) for name in names if not _exists(name, sample))


_STRING = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_INSIDE = rf"(?:{_STRING}|[^'\"])*?"
_TAG = re.compile(rf"\{{#.*?#\}}|\{{\{{(?P<shown>{_INSIDE})\}}\}}|\{{%[-+]?(?P<tag>{_INSIDE})[-+]?%\}}", re.DOTALL)
#: A value as it is or through filters: with no operator that could join it to itself.
_VALUE = r"[\w.\[\]:'-]+(?:\s*\|\s*\w+(?:\([\w\s.,=\[\]'-]*\))?)*"
_BINDING = re.compile(
    rf"for\s[\w\s,]+\sin\s+{_VALUE}(?:\sif\s.+)?|set\s+\w+\s*=\s*{_VALUE}(?:\s+or\s+{_VALUE})*", re.DOTALL
)


_CALLABLE = re.compile(r"\|\s*\w+\s*\(|\bis\s+(?:not\s+)?\w+\s*\(|\b(?:and|or|not|in|if|elif|else)\s*\(")
_CALL = re.compile(r"[\w\])']\s*\(")
#: What was joined is longer than any variable, and a slice of it takes as long as it is.
_PART_OF_MADE = re.compile(r"\)\s*\[")


def _forbidden(source: str) -> Iterator[tuple[int, str]]:
    """Yields what a template must not hold, so that its text and its work stay in proportion to its length.

    It may call nothing either: lists and groups of values have methods, and some of them change what they are of.
    """
    for match in _TAG.finditer(source):
        line = 1 + source.count("\n", 0, match.start())
        inside = re.sub(_STRING, "''", match["shown"] or match["tag"] or "", flags=re.DOTALL).strip()
        for problem in (*_forbidden_in_any(inside), *(() if match["tag"] is None else _forbidden_in_tag(inside))):
            yield line, f"template: {problem}"


def _forbidden_in_any(inside: str) -> Iterator[str]:
    if len(inside) > TAG_LIMIT:
        yield f"more than {TAG_LIMIT} characters between two braces"
    for sign in "*{":
        if sign in inside:
            yield f"`{sign}` is not for templates: what it makes could be of any size"
    if inside.count("~") + inside.count("+") > JOIN_LIMIT:
        yield f"more than {JOIN_LIMIT} times `~` or `+` between two braces; put the values into braces of their own"
    for name in re.findall(r"\|\s*(\w+)", inside):
        if name not in FILTERS:
            yield _unknown("filter", name, FILTERS)
    if _PART_OF_MADE.search(inside):
        yield "only a variable has parts; name the value with `set` first"
    if _CALL.search(_CALLABLE.sub("", inside)):
        yield "nothing can be called but filters and tests"


def _forbidden_in_tag(inside: str) -> Iterator[str]:
    word = re.split(r"\W", inside, maxsplit=1)[0]
    if word not in TAGS:
        yield _unknown("tag", word, TAGS)
    elif word in {"for", "set"} and not _BINDING.fullmatch(inside):
        yield f"`{word}` takes a variable, as it is or through filters, and nothing put together"


def _exists(path: str, sample: Mapping[str, object]) -> bool:
    here: object = sample
    for name in path.split("."):
        if not isinstance(here, Mapping):
            # `changes.0.field` and the like: only rendering can tell.
            return True
        if name not in here:
            return False
        here = here[name]
    return True


def _unknown_variable(path: str, sample: Mapping[str, object]) -> str:
    valid = [
        name if not isinstance(value, Mapping) else f"{name}.{key}"
        for name, value in sample.items()
        for key in (value if isinstance(value, Mapping) else ("",))
    ]
    return f"template: {_unknown('variable', path, valid)}"


def _unknown(what: str, name: str, valid: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, sorted(valid), n=1, cutoff=0.5)
    return f"there is no {what} `{name}`" + (f'; did you mean "{nearest[0]}"?' if nearest else "")


def _line_of(source: str, path: str) -> int:
    match = re.search(r"\b" + re.escape(path).replace(r"\.", r"\s*\.\s*") + r"\b", source)
    return 1 + source.count("\n", 0, match.start()) if match else 1
