"""A message: the text of one delivery, rendered for the target that shows it.

Templates are minijinja with strict names, a fuel limit and a part of its language: what a rule's author writes can
fail, but neither reach anything nor run away. Rendering a string is pure, which is why a template engine is the one
package that `core` may import.

Fuel counts steps, not what a step costs: `'x' * 100000000`, `"%1000000000d"|format(1)`, a text set to itself twice
forty times over, or a parser's recursion in a very long expression would each end the process. And the engine hands
out the methods of Python's lists and dicts. So `template_problems` lets through only what is short, calls nothing but
filters and tests, and makes every text about as long as what it was made from.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from minijinja import Environment, TemplateError

from notifier.core import facts as said
from notifier.core.escape import Target, as_html, defuse, plain
from notifier.core.grant import ALL, Excerpt, Grant
from notifier.core.rule import Rule

DEFAULT_TITLE = (
    "{{ event.headline }}{% if times %}: {{ moved or times }}{% endif %}"
    "{% if appointment.office %}, office {{ appointment.office }}{% endif %}"
)
"""The title of a rule that has none."""

DEFAULT_BODY = """\
{% for change in changes if change.field not in ['start', 'end'] -%}
{{ change.text }}
{% endfor -%}
{% if times %}When: {{ moved or times }}
{%- if moved or until %} {{ zone }}{% endif %}{% if until %} ({{ until }}){% endif %}
{% endif -%}
{% if where %}Where: {{ where }}
{% endif -%}
{% if who %}Who: {{ who }}
{% endif -%}
{% if appointment.subject %}Subject: {{ appointment.subject }}
{% endif -%}
{% if 'status_changed' not in event.kinds %}Status: {{ appointment.status|words }}
{% endif -%}
{% if 'stays' in event.kinds %}Since: {{ stay.since|moment }}
{% endif -%}
{% if 'created' in event.kinds %}Created: {{ (appointment.created_at or event.occurred_at)|moment }}
{%- else %}Changed: {{ appointment.updated_at|moment }}
{%- endif %}{% if by %} by {{ by }}{% endif %}
Appointment: {{ appointment.id }}"""
"""The body of a rule that has none."""

TITLE_LIMIT = 150
"""The longest header that Slack shows."""

BODY_LIMIT = 3000
"""The longest section that Slack shows; other services take more."""

FUEL = 10_000
"""Instructions that one template may use; the default body takes about 100."""

TEMPLATE_LIMIT = 5_000
"""Characters of the longest template."""

TAG_LIMIT = 1_000
"""Characters of the longest tag or expression; the engine reads it by recursion, on the stack of a thread."""

_TAGS = frozenset({"if", "elif", "else", "endif", "for", "endfor", "set"})
"""The tags that a template may use."""

# What can make a text much longer than it was is not among them (format, indent, tojson, batch, ...), or bounded here.
_FILTERS = frozenset(
    {
        "abs",
        "capitalize",
        "date",
        "default",
        "first",
        "int",
        "items",
        "join",
        "last",
        "length",
        "lower",
        "map",
        "max",
        "min",
        "moment",
        "reject",
        "rejectattr",
        "replace",
        "reverse",
        "round",
        "select",
        "selectattr",
        "sort",
        "time",
        "title",
        "trim",
        "unique",
        "upper",
        "urlencode",
        "words",
    }
)
"""The filters that a template may use."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a person will read."""

    title: str
    body: str
    target: Target


WORDLESS = Message("", "", Target.TEXT)
"""For a channel that shows no words, and so gets the document alone."""


class TemplateFailed(Exception):  # noqa: N818 - it failed; the name says what happened, like the events do
    """A template does not compile, or failed on an event; the text says why, without values of the event."""


class Renderer:
    """Renders messages for one target, with times in one zone."""

    def __init__(self, zone: ZoneInfo, target: Target) -> None:
        self._zone = zone
        self._target = target
        self._templates = _environment(zone, defuse if target is Target.CHAT else plain)

    def render(self, excerpt: Excerpt, rule: Rule, now: datetime) -> Message:
        """Returns the message that the rule makes of what may be told of an event.

        Raises:
            TemplateFailed: the rule's template failed on this event.
        """
        context = said.facts(excerpt, rule.name, rule.description, self._zone, now)
        title = _cut(" ".join(self._text(rule.title or DEFAULT_TITLE, context).split()), TITLE_LIMIT)
        body = _cut(self._text(rule.body or DEFAULT_BODY, context).strip(), BODY_LIMIT)
        if not title and not body:
            raise TemplateFailed("title and body came out empty")
        return Message(title, as_html(body) if self._target is Target.HTML else body, self._target)

    def _text(self, source: str, context: Mapping[str, object]) -> str:
        try:
            return self._templates.render_str(source, **context)
        except TemplateError as error:
            raise TemplateFailed(f"line {error.line or 1}: {error.detail or error.message}") from error


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
    names = _environment(ZoneInfo("UTC"), plain).undeclared_variables_in_str(plainly, nested=True)
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
    templates = _environment(ZoneInfo("UTC"), plain)
    try:
        names = templates.undeclared_variables_in_str(source, nested=True)
    except TemplateError as error:
        return [_failure("", error)]
    unknown = sorted(_unknown_variables(source, names))
    for where, sample in () if unknown else said.sample_facts():
        try:
            templates.render_str(source, **sample)
        except TemplateError as error:
            return [_failure(where, error)]
    return unknown


def _failure(where: str, error: TemplateError) -> tuple[int, str]:
    return error.line or 1, f"template: {where}{error.detail or error.message}"


def _unknown_variables(source: str, names: Iterable[str]) -> Iterator[tuple[int, str]]:
    sample = said.sample_facts()[0][1]
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
    for name in re.findall(r"\|\s*(\w+)", inside):
        if name not in _FILTERS:
            yield _unknown("filter", name, _FILTERS)
    if _CALL.search(_CALLABLE.sub("", inside)):
        yield "nothing can be called but filters and tests"


def _forbidden_in_tag(inside: str) -> Iterator[str]:
    word = re.split(r"\W", inside, maxsplit=1)[0]
    if word not in _TAGS:
        yield _unknown("tag", word, _TAGS)
    elif word in {"for", "set"} and not _BINDING.fullmatch(inside):
        yield f"`{word}` takes a variable, as it is or through filters, and nothing put together"


def _environment(zone: ZoneInfo, clean: Callable[[str], str]) -> Environment:
    return Environment(
        fuel=FUEL,
        undefined_behavior="strict",
        pycompat=False,
        auto_escape_callback=lambda _: None,
        finalizer=lambda value: clean(_text_of(value)),
        filters={name: _guarded(name, use) for name, use in _own_filters(zone).items()},
    )


def _own_filters(zone: ZoneInfo) -> dict[str, Callable[..., object]]:
    return {
        "moment": lambda value: _local(value, said.say_moment, zone),
        "date": lambda value: _local(value, said.say_date, zone),
        "time": lambda value: _local(value, said.say_time, zone),
        "words": lambda value: said.NO_VALUE if value is None else said.words(value),
        # The engine's own takes None for a value, but here it is how a thing is missing.
        "default": lambda value, other="", *_: other if value is None or value == "" else value,
        "join": lambda values, mark="": _cut(mark.join(_text_of(value) for value in list.copy(values)), BODY_LIMIT),
        "map": lambda values, attribute: [value[attribute] for value in values],
        "replace": lambda text, old, new: _cut(_cut(_text_of(text), BODY_LIMIT).replace(old, new), BODY_LIMIT),
    }


def _guarded(name: str, use: Callable[..., object]) -> Callable[..., object]:
    """Returns the filter failing as those of the engine do; the engine lets other errors of Python through."""

    def guarded(*values: object, **named: object) -> object:
        try:
            return use(*values, **named)
        except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
            raise TemplateError(f"the filter `{name}` can't take this value") from error

    return guarded


def _text_of(value: object) -> str:
    """Returns what a template shows for a value.

    Raises:
        TemplateError: it is none that could be read.
    """
    match value:
        case None:
            return said.NO_VALUE
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            return str(value)
        case list() | tuple():
            return ", ".join(_text_of(one) for one in value) or said.NO_VALUE
    raise TemplateError("a group of values can't be shown; name the one that you mean")


def _local(value: str | None, say: Callable[[datetime, ZoneInfo], str], zone: ZoneInfo) -> str:
    """Returns the ISO time as local text; a missing one, as of an invitation, is said to be missing."""
    if value is None:
        return said.NO_TIME
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return say(moment, zone)


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


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
