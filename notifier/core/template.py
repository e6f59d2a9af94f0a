"""The template engine: turns a template and facts into a text, in bounded time and memory.

Templates are minijinja with strict names, a fuel limit and a part of its language: what a rule's author writes can
fail, but neither reach anything nor run away. Rendering a string is pure, which is why a template engine is the one
package that `core` may import.

Fuel counts steps, not what a step costs: `'x' * 100000000`, `"%1000000000d"|format(1)`, a text set to itself twice
forty times over, or a parser's recursion in a very long expression would each end the process. And the engine hands
out the methods of Python's lists and dicts. So `template_check.py` lets through only what is short, calls nothing but
filters and tests, and makes every text about as long as what it was made from. What a step costs is counted besides,
in the units of `work.py`: all filters are called from here, also those of the engine, and pay for what they are given.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

from minijinja import Environment, TemplateError

from notifier.core.language import ENGLISH, Language
from notifier.core.work import CALL, LONGEST_TEXT, Work, WorkUsedUp

FUEL = 3_000
"""Instructions that one template may use; the default body takes about 100."""

# What can make a text much longer than it was is not among them (format, indent, tojson, batch, ...), or bounded here.
FILTERS = frozenset(
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


class TemplateFailed(Exception):  # noqa: N818 - it failed; the name says what happened, like the events do
    """A template does not compile, or failed on an event; the text says why, without values of the event."""

    def __init__(self, text: str, line: int = 0) -> None:
        self.text = text
        #: In the template, from 1; 0 where it can't be told.
        self.line = line
        super().__init__(f"line {line}: {text}" if line else text)


class Templates:
    """The engine with what it works for: one message after another, each with facts and work of its own."""

    def __init__(self, zone: ZoneInfo, clean: Callable[[str], str], language: Language = ENGLISH) -> None:
        #: What the message that was begun last has taken.
        self.work = Work()
        self._environment = _environment(zone, clean, language, self.work)
        self._facts: Mapping[str, object] = {}
        #: Those that the engine has read; there are as many as the rules have.
        self._read: set[str] = set()

    def begin(self, facts: Mapping[str, object]) -> None:
        """Begins with a message about these facts."""
        self.work.renew()
        self._facts = self.work.facts(facts)

    def render(self, source: str) -> str:
        """Returns the text that the template makes of the facts.

        Raises:
            TemplateFailed: it can't be read, fails on these facts, or takes more than it may.
        """
        with _telling():
            if source not in self._read:
                self._environment.add_template(source, source)
                self._read.add(source)
            text = self._environment.render_template(source, **self._facts)
            # Where the work ended inside of a list, the engine went on as if the list did.
            self.work.spend(0)
        return text

    def names(self, source: str) -> set[str]:
        """Returns the variables that the template uses, down to their fields.

        Raises:
            TemplateFailed: it can't be read.
        """
        with _telling():
            return self._environment.undeclared_variables_in_str(source, nested=True)


def _environment(zone: ZoneInfo, clean: Callable[[str], str], language: Language, work: Work) -> Environment:
    own = _own_filters(zone, language)
    return Environment(
        fuel=FUEL,
        undefined_behavior="strict",
        pycompat=False,
        auto_escape_callback=lambda _: None,
        finalizer=lambda value: _shown(value, clean, language, work),
        filters={name: _guarded(name, own.get(name) or _of_engine(name), work) for name in sorted(FILTERS)},
    )


def _shown(value: object, clean: Callable[[str], str], language: Language, work: Work) -> str:
    try:
        work.weigh(value)
        text = cut(_text_of(value, language), LONGEST_TEXT)
        if not isinstance(value, str):
            work.weigh(text)
    except WorkUsedUp as error:
        raise TemplateError(str(error)) from error
    return clean(text)


def _own_filters(zone: ZoneInfo, language: Language) -> dict[str, Callable[..., object]]:
    no_value, no_time = (language.phrases[f"phrase.{key}"] for key in ("no_value", "no_time"))
    return {
        "moment": lambda value: no_time if value is None else language.say_moment(_moment(value), zone),
        "date": lambda value: no_time if value is None else language.say_date(_moment(value), zone),
        "time": lambda value: no_time if value is None else language.say_time(_moment(value), zone),
        "words": lambda value: no_value if value is None else language.word(value),
        # The engine's own takes None for a value, but here it is how a thing is missing.
        "default": lambda value, other="", *_: other if value is None or value == "" else value,
        "join": lambda values, mark="": _joined(list.__iter__(values), mark, language),
        "map": lambda values, attribute: [value[attribute] for value in values],
        "replace": lambda text, old, new: _replaced(cut(_text_of(text, language), LONGEST_TEXT), old, new),
    }


_ENGINE = Environment(fuel=FUEL, undefined_behavior="strict", pycompat=False, auto_escape_callback=lambda _: None)
"""Has the filters of the engine, for those that are called in place of them."""


def _of_engine(name: str) -> Callable[..., object]:
    """Returns the engine's own filter as a function."""

    def call(value: object, *others: object, **named: object) -> object:
        given = {f"other_{number}": other for number, other in enumerate(others)}
        given |= {f"named_{key}": other for key, other in named.items()}
        arguments = [*(f"other_{number}" for number in range(len(others))), *(f"{key}=named_{key}" for key in named)]
        expression = f"value|{name}({', '.join(arguments)})"
        return _ENGINE.eval_expr(expression, value=value, **given)

    return call


def _guarded(name: str, use: Callable[..., object], work: Work) -> Callable[..., object]:
    """Returns the filter paying, and failing as those of the engine do; it lets other errors of Python through."""

    def guarded(*values: object, **named: object) -> object:
        with _paid():
            work.spend(CALL)
            work.weigh([*values, *named.values()])
            try:
                made = use(*values, **named)
            except TemplateError as error:
                raise TemplateError(error.detail or error.message) from error
            except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
                raise TemplateError(f"the filter `{name}` can't take this value") from error
            work.weigh(made)
            return work.watched(made)

    return guarded


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except TemplateError as error:
        raise TemplateFailed(error.detail or error.message, error.line or 1) from error
    except WorkUsedUp as error:
        raise TemplateFailed(str(error)) from error


@contextmanager
def _paid() -> Iterator[None]:
    """Makes the end of the work an error of the template."""
    try:
        yield
    except WorkUsedUp as error:
        raise TemplateError(str(error)) from error


def _text_of(value: object, language: Language) -> str:
    """Returns what a template shows for a value.

    Raises:
        TemplateError: it is none that could be read.
    """
    match value:
        case None:
            return language.phrases["phrase.no_value"]
        case bool():
            return language.phrases["phrase.yes" if value else "phrase.no"]
        case str() | int() | float():
            return str(value)
        case list() | tuple():
            return _joined(value, ", ", language) or language.phrases["phrase.no_value"]
    raise TemplateError("a group of values can't be shown; name the one that you mean")


def _joined(values: Iterable[object], mark: str, language: Language) -> str:
    """Returns the texts of the values with a mark between them, as far as they can be shown."""
    parts: list[str] = []
    size = 0
    for value in values:
        parts.append(_text_of(value, language))
        size += len(parts[-1]) + len(mark)
        if size > LONGEST_TEXT + len(mark):
            break
    return cut(mark.join(parts), LONGEST_TEXT)


def _replaced(text: str, old: str, new: str) -> str:
    """Returns the text with one thing in place of another, as far as it can be shown."""
    return cut(text.replace(old, new, LONGEST_TEXT // max(len(new), 1) + 1), LONGEST_TEXT)


def _moment(value: str) -> datetime:
    """Returns the moment of an ISO time.

    Raises:
        ValueError: it is none, or has no zone.
    """
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment


def cut(text: str, limit: int) -> str:
    """Returns the text with at most so many characters, three dots at the end of one that was longer."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
