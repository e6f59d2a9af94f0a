"""The laws of templates: whatever an author writes is refused, fails, or becomes a message."""

from contextlib import suppress
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from notifier.core.escape import Target
from notifier.core.message import BODY_LIMIT, Renderer
from notifier.core.readers import Readers
from notifier.core.template import TemplateFailed
from notifier.core.template_check import template_problems
from tests.builders import NOW, appointment, created, discovered, event, rule, seen, undated

PIECES = (
    *(
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "-",
        "+",
        "~",
        "*",
        "/",
        "%",
        "|",
        ".",
        ",",
        ":",
        "=",
        "==",
        "<",
        "!",
        "'",
        '"',
        "\\",
    ),
    *(" ", "\n", "(", ")", "[", "]", "{", "}", "0", "1", "9999999999", "1.5", "'a'", '"b"', "é"),
    *("if", "elif", "else", "endif", "for", "endfor", "in", "set", "is", "not", "and", "or", "none", "true", "defined"),
    *(
        "event",
        ".kinds",
        ".headline",
        "appointment",
        ".start",
        ".office",
        "before",
        "changes",
        ".text",
        "when",
        "x",
        "loop",
    ),
    *(
        "moment",
        "words",
        "default",
        "join",
        "map",
        "attribute",
        "replace",
        "upper",
        "sort",
        "first",
        "items",
        "int",
        "round",
    ),
    *(
        "min",
        "urlencode",
        "selectattr",
        "select",
        "reverse",
        "unique",
        "abs",
        "length",
        "title",
        "trim",
        "copy",
        "clear",
    ),
)
SOUP = st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join) | st.lists(
    st.sampled_from(PIECES), max_size=25
).map("".join)

NAMES = st.sampled_from(
    ("event", "event.kinds", "appointment", "appointment.start", "before.end", "changes", "when", "1", "'a'", "none")
)
FILTERS = st.sampled_from(
    (
        *(
            "moment",
            "date",
            "words",
            "default('a')",
            "join(', ')",
            "map(attribute='text')",
            "replace('a', 'b')",
            "upper",
        ),
        *(
            "sort",
            "first",
            "last",
            "items",
            "int",
            "round(2)",
            "min",
            "max",
            "urlencode",
            "select",
            "selectattr('field')",
        ),
        *("reverse", "unique", "abs", "length", "title", "trim", "capitalize", "reject('odd')", "sort(attribute='x')"),
    )
)
VALUES = st.builds(lambda name, filters: "|".join((name, *filters)), NAMES, st.lists(FILTERS, max_size=3))
EXPRESSIONS = st.recursive(
    VALUES,
    lambda inner: (
        st.builds("{} {} {}".format, inner, st.sampled_from(("~", "+", "-", "/", "and", "==", "<", "in", "is")), inner)
        | st.builds("({})[{}]".format, inner, inner)
        | st.builds("[{}, {}]".format, inner, inner)
    ),
    max_leaves=4,
)
SHOWN = st.builds("{{{{ {} }}}}".format, EXPRESSIONS)
SENSIBLE = st.recursive(
    SHOWN | st.text(alphabet="ab\n", max_size=3),
    lambda inner: (
        st.builds("{{% for x in {} %}}{}{{{{ x }}}}{{% endfor %}}".format, VALUES, inner)
        | st.builds("{{% if {} %}}{}{{% endif %}}".format, EXPRESSIONS, inner)
        | st.builds("{{% set x = {} %}}{}{{{{ x }}}}".format, VALUES, inner)
        | st.builds("{}{}".format, inner, inner)
    ),
    max_leaves=4,
)

EVENTS = (event(), event(start=None, end=None), created(undated()), discovered(appointment(office=None)))
RENDERERS = tuple(Renderer(Readers(ZoneInfo("Asia/Kathmandu")), target) for target in Target)


@given(SOUP | SENSIBLE | st.text())
def test_a_template_is_refused_or_rendered_or_fails(template: str) -> None:
    """Nothing else comes out of it: no error of another kind, and no message that is too long."""
    problems = template_problems(template)
    assert all(line >= 1 and text.startswith("template: ") for line, text in problems)
    if problems:
        return
    for renderer in RENDERERS:
        for about in EVENTS:
            with suppress(TemplateFailed):
                message = renderer.render(seen(about), rule(title="x", body=template), NOW)
                assert message.target is Target.HTML or len(message.body) <= BODY_LIMIT


@given(SENSIBLE)
def test_a_template_can_not_change_what_it_is_shown(template: str) -> None:
    """A title does not alter the body that comes after it."""
    if template_problems(template):
        return
    plain = RENDERERS[0].render(seen(event()), rule(title="x"), NOW)
    try:
        after = RENDERERS[0].render(seen(event()), rule(title=template), NOW)
    except TemplateFailed:
        return
    assert after.body == plain.body
