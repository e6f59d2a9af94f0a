"""Messages as a person reads them, and templates that must not do harm."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from notifier.core.escape import Target
from notifier.core.event import Event
from notifier.core.facts import facts
from notifier.core.message import BODY_LIMIT, DEFAULT_BODY, DEFAULT_TITLE, TITLE_LIMIT, Message, Renderer
from notifier.core.readers import Readers
from notifier.core.template import TemplateFailed, Templates
from notifier.core.template_check import TEMPLATE_LIMIT, template_problems
from notifier.core.work import WORK
from tests.builders import (
    HOUR,
    NOW,
    SECOND,
    START,
    appointment,
    created,
    discovered,
    event,
    rule,
    seen,
    step,
    undated,
)
from tests.hostile import LABORIOUS

BRUSSELS = ZoneInfo("Europe/Brussels")
KATHMANDU = ZoneInfo("Asia/Kathmandu")


def message(
    about: Event, zone: ZoneInfo = BRUSSELS, target: Target = Target.TEXT, now: datetime = NOW, **changes: Any
) -> Message:
    """Returns the message that a rule makes of an event."""
    return Renderer(Readers(zone), target).render(seen(about), rule(**changes), now)


def read(about: Event, zone: ZoneInfo = BRUSSELS, now: datetime = NOW) -> str:
    """Returns the default message as a person reads it: the title, an empty line, the body."""
    said = message(about, zone, now=now)
    return f"{said.title}\n\n{said.body}"


def test_a_cancellation() -> None:
    """What was cancelled, where and by whom, and how soon it would have begun."""
    assert read(event(status="CANCELLED", updated_by="201", updated_by_type="CUSTOMER")) == (
        "Cancelled: Tue 24 Nov 2026, 10:00–11:00, office 12\n"
        "\n"
        "Status: confirmed → cancelled\n"
        "When: Tue 24 Nov 2026, 10:00–11:00 Europe/Brussels (in 2 h)\n"
        "Where: office 12\n"
        "Who: employee 301 with customer 201\n"
        "Subject: 51\n"
        "Changed: Tue 24 Nov 2026, 07:59 by customer 201\n"
        "Appointment: 1701"
    )


def test_a_cancellation_far_away() -> None:
    """All times are those of the place, three quarters of an hour beside the full hour too."""
    assert read(event(status="CANCELLED", updated_by="201", updated_by_type="CUSTOMER"), KATHMANDU) == (
        "Cancelled: Tue 24 Nov 2026, 14:45–15:45, office 12\n"
        "\n"
        "Status: confirmed → cancelled\n"
        "When: Tue 24 Nov 2026, 14:45–15:45 Asia/Kathmandu (in 2 h)\n"
        "Where: office 12\n"
        "Who: employee 301 with customer 201\n"
        "Subject: 51\n"
        "Changed: Tue 24 Nov 2026, 12:44 by customer 201\n"
        "Appointment: 1701"
    )


def test_a_no_show() -> None:
    """That the start is past is said."""
    after = START + HOUR
    missed = event(appointment(meeting_type="VIDEO"), status="NO_SHOW", updated_at=after)
    assert read(missed, now=after + 20 * SECOND) == (
        "No-show: Tue 24 Nov 2026, 10:00–11:00, office 12\n"
        "\n"
        "Status: confirmed → no-show\n"
        "When: Tue 24 Nov 2026, 10:00–11:00 Europe/Brussels (1 h ago)\n"
        "Where: office 12, by video\n"
        "Who: employee 301 with customer 201\n"
        "Subject: 51\n"
        "Changed: Tue 24 Nov 2026, 11:00 by employee 301\n"
        "Appointment: 1701"
    )


def test_a_move_on_the_same_day() -> None:
    """Both times are told in one line, and the day once."""
    assert read(event(start=START + 3 * HOUR, end=START + 4 * HOUR)) == (
        "Moved: Tue 24 Nov 2026, 10:00–11:00 → 13:00–14:00, office 12\n"
        "\n"
        "When: Tue 24 Nov 2026, 10:00–11:00 → 13:00–14:00 Europe/Brussels (in 5 h)\n"
        "Where: office 12\n"
        "Who: employee 301 with customer 201\n"
        "Subject: 51\n"
        "Status: confirmed\n"
        "Changed: Tue 24 Nov 2026, 07:59 by employee 301\n"
        "Appointment: 1701"
    )


def test_a_move_over_the_end_of_summer_time() -> None:
    """From Friday at ten to Monday at ten, although there are 73 hours between."""
    friday = datetime(2026, 10, 23, 8, tzinfo=UTC)
    before = appointment(start=friday, end=friday + HOUR, updated_at=friday - 24 * HOUR)
    monday = friday + 73 * HOUR
    assert read(event(before, start=monday, end=monday + HOUR), now=friday - 24 * HOUR) == (
        "Moved: Fri 23 Oct 2026, 10:00–11:00 → Mon 26 Oct 2026, 10:00–11:00, office 12\n"
        "\n"
        "When: Fri 23 Oct 2026, 10:00–11:00 → Mon 26 Oct 2026, 10:00–11:00 Europe/Brussels (in 4 days 1 h)\n"
        "Where: office 12\n"
        "Who: employee 301 with customer 201\n"
        "Subject: 51\n"
        "Status: confirmed\n"
        "Changed: Thu 22 Oct 2026, 10:00 by employee 301\n"
        "Appointment: 1701"
    )


def test_a_new_request() -> None:
    """Who asks for what, and that nobody has taken it on yet."""
    request = appointment(
        status="INCOMING_REQUEST",
        employee=None,
        created_at=NOW - 2 * SECOND,
        created_by="201",
        created_by_type="CUSTOMER",
        updated_at=NOW,
    )
    assert read(created(request)) == (
        "New request: Tue 24 Nov 2026, 10:00–11:00, office 12\n"
        "\n"
        "When: Tue 24 Nov 2026, 10:00–11:00 Europe/Brussels (in 2 h)\n"
        "Where: office 12\n"
        "Who: customer 201, no employee yet\n"
        "Subject: 51\n"
        "Status: waiting for confirmation\n"
        "Created: Tue 24 Nov 2026, 07:59 by customer 201\n"
        "Appointment: 1701"
    )


def test_an_undated_invitation() -> None:
    """That it has no time is said, and no zone or distance for it."""
    bare = undated(subject=None, office=None, meeting_type="PHONE", created_at=None)
    assert read(created(bare)) == (
        "New invitation: no time set\n"
        "\n"
        "When: no time set\n"
        "Where: by phone\n"
        "Who: employee 301 with customer 201\n"
        "Status: invitation sent\n"
        "Created: Tue 24 Nov 2026, 07:59\n"
        "Appointment: 1701"
    )


def test_a_discovered_appointment() -> None:
    """What it was before is not known, and not made up."""
    assert read(discovered(appointment(status="CANCELLED"))) == (
        "Cancelled: Tue 24 Nov 2026, 10:00–11:00, office 12\n"
        "\n"
        "Status: cancelled (seen for the first time)\n"
        "When: Tue 24 Nov 2026, 10:00–11:00 Europe/Brussels (in 2 h)\n"
        "Where: office 12\n"
        "Who: employee 301 with customer 201\n"
        "Subject: 51\n"
        "Changed: Tue 24 Nov 2026, 07:59 by employee 301\n"
        "Appointment: 1701"
    )


def test_an_update_of_internal_notes() -> None:
    """That they changed, and nothing of what they say."""
    assert read(event(fingerprints=(("internal_notes", "c0ffee"),))) == (
        "Internal notes changed: Tue 24 Nov 2026, 10:00–11:00, office 12\n"
        "\n"
        "Internal notes: changed\n"
        "When: Tue 24 Nov 2026, 10:00–11:00 Europe/Brussels (in 2 h)\n"
        "Where: office 12\n"
        "Who: employee 301 with customer 201\n"
        "Subject: 51\n"
        "Status: confirmed\n"
        "Changed: Tue 24 Nov 2026, 07:59 by employee 301\n"
        "Appointment: 1701"
    )


def test_a_reassignment() -> None:
    """From whom to whom."""
    assert read(event(employee="302", updated_by="300")) == (
        "Reassigned: Tue 24 Nov 2026, 10:00–11:00, office 12\n"
        "\n"
        "Employee: 301 → 302\n"
        "When: Tue 24 Nov 2026, 10:00–11:00 Europe/Brussels (in 2 h)\n"
        "Where: office 12\n"
        "Who: employee 302 with customer 201\n"
        "Subject: 51\n"
        "Status: confirmed\n"
        "Changed: Tue 24 Nov 2026, 07:59 by employee 300\n"
        "Appointment: 1701"
    )


def test_an_invitation_that_is_answered() -> None:
    """It has its first time, and was moved from nowhere."""
    lines = read(step(undated(), appointment())).splitlines()
    assert lines[0] == "Confirmed: Tue 24 Nov 2026, 10:00–11:00, office 12"
    assert lines[2:4] == [
        "Status: invitation sent → confirmed",
        "When: Tue 24 Nov 2026, 10:00–11:00 Europe/Brussels (in 2 h)",
    ]


def test_a_time_that_is_withdrawn() -> None:
    """The former time is told with its zone."""
    lines = read(step(appointment(), undated())).splitlines()
    assert lines[0] == "Invitation and time withdrawn: Tue 24 Nov 2026, 10:00–11:00 → no time set, office 12"
    assert lines[3] == "When: Tue 24 Nov 2026, 10:00–11:00 → no time set Europe/Brussels"


NASTY = "@here [click](https://evil.example) *now*\n_x_ <!channel>"


@pytest.mark.parametrize("field", ["status", "office", "employee", "customer", "subject", "meeting_type", "updated_by"])
def test_values_of_the_source_are_harmless_in_chat(field: str) -> None:
    """Whatever field they come in, and whether they are shown alone or as part of a phrase."""
    said = message(step(appointment(), appointment(listing="9", **{field: NASTY})), target=Target.CHAT)
    for text in (said.title, said.body):
        assert not {"@here", "[click", "*now*", "_x_", "<!channel", "https://"} & set(text.replace("(", " ").split())
        assert "@here" not in text
        assert "*" not in text
    assert len(said.title.splitlines()) == 1


def test_a_rules_own_markup_is_left_to_it() -> None:
    """In a rule, what stands outside of braces is the author's own."""
    said = message(
        event(), target=Target.CHAT, title="<!here> *{{ event.headline }}*", body="_{{ appointment.office }}_"
    )
    assert (said.title, said.body) == ("<!here> *Cancelled*", "_12_")


@pytest.mark.parametrize(
    "what", ["appointment.other_employees", "changes|map(attribute='after')", "[appointment.office]"]
)
def test_lists_are_as_harmless_as_their_items(what: str) -> None:
    """A value can't hide from being made harmless inside a list."""
    seen = event(other_employees=("@here",), office="@here")
    said = message(seen, target=Target.CHAT, body=f"{{{{ {what} }}}}")
    assert "@here" not in said.body
    assert "@\u200bhere" in said.body


def test_html_is_written_out() -> None:
    """The body is HTML that shows the text; the title is a plain subject line."""
    said = message(event(office="<b>&"), target=Target.HTML)
    assert said.title.endswith("office <b>&")
    assert "Where: office &lt;b&gt;&amp;<br>\n" in said.body
    assert said.target is Target.HTML


@pytest.mark.parametrize("target", Target)
def test_long_texts_are_cut(target: Target) -> None:
    """Title and body end with three dots at the longest that is shown."""
    said = message(event(office="1" * 10_000), target=target)
    assert (len(said.title), said.title[-1]) == (TITLE_LIMIT, "…")
    assert said.body.endswith("…")
    assert target is Target.HTML or len(said.body) == BODY_LIMIT


def test_texts_of_just_the_limit_are_whole() -> None:
    """Nothing is cut that fits."""
    said = message(event(), title="x" * TITLE_LIMIT, body="y" * BODY_LIMIT)
    assert (said.title, said.body) == ("x" * TITLE_LIMIT, "y" * BODY_LIMIT)


def test_a_title_is_one_line() -> None:
    """White space of a template that was written over several lines is closed up."""
    said = message(event(), title="\n  {{ event.headline }}\n  {% if until %}\n  {{ until }}{% endif %}\n")
    assert said.title == "Cancelled in 2 h"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ event.occurred_at|moment }}", "Tue 24 Nov 2026, 07:59"),
        ("{{ event.occurred_at|date }}", "Tue 24 Nov 2026"),
        ("{{ event.occurred_at|time }}", "07:59"),
        ("{{ before.status|words }} {{ appointment.listing|words }}", "confirmed none"),
        ("{{ appointment.listing }}", "none"),
        ("{{ appointment.hybrid|default('?') }} {{ true }} {{ false }}", "? yes no"),
        ("{{ appointment.listing|default('no listing') }}", "no listing"),
        ("{{ appointment.office|default('no office') }}", "12"),
        ("{{ false|default('x', true) }}", "no"),
        ("{{ changes|map(attribute='label')|join(', ') }}", "Status"),
        ("{{ [1, none, 'a']|join }}", "1nonea"),
        ("{{ 'x' if (until) and not (when is none) else ('y') }}", "x"),
        ("{{ 'yes' if when is startingwith ('Tue') }}", "yes"),
        ("{{ when|replace('Nov', 'November') }}", "Tue 24 November 2026, 10:00–11:00 Europe/Brussels"),
        ("{{ event.kinds }} {{ appointment.other_employees }}", "status_changed none"),
        ("{{ 1.5 }} {{ 3 }}", "1.5 3"),
        (
            "{% for change in changes[:1] if change.field == 'status' %}{{ change.after|upper }}{% endfor %}",
            "CANCELLED",
        ),
        ("{% set place = appointment.listing or appointment.office or 'x' %}{{ place }}", "12"),
        ("{% for name, value in rule|items %}{{ name }};{% endfor %}", "name;description;"),
        ("{% if(until) %}don't {{ '{{ \"%}\"' }}{%- else -%}{% endif %}{# ' * #}", 'don\'t {{ "%}"'),
        ("{{ rule.name }} {{ rule.description }}", "any"),
    ],
)
def test_what_templates_can_say(template: str, said: str) -> None:
    """Variables, the filters of the engine and those of ours, conditions, loops and names."""
    assert template_problems(template) == []
    assert message(event(), body=template).body == said


def test_a_time_that_is_missing_is_said_to_be_missing() -> None:
    """The filters of times take the absence of one."""
    assert message(created(undated()), body="{{ appointment.start|date }}").body == "no time set"


def test_the_default_texts_are_templates_like_any_other() -> None:
    """They keep the rules that those of a rule's author must keep."""
    assert template_problems(DEFAULT_TITLE) == []
    assert template_problems(DEFAULT_BODY) == []


LEAST = "for an undated appointment that was not known before, "


@pytest.mark.parametrize(
    ("template", "line", "text"),
    [
        ("{{ nosuch }}", 1, "there is no variable `nosuch`"),
        (
            "\n{{ appointment.ofice }}",
            2,
            'there is no variable `appointment.ofice`; did you mean "appointment.office"?',
        ),
        ("{{ event.id.foo }}", 1, "`event.id.foo` is undefined"),
        ("{{ wen }}", 1, 'there is no variable `wen`; did you mean "when"?'),
        ("a\n\n{{ when", 3, "unexpected end of input, expected end of variable block"),
        ("{% if when %}", 1, "unexpected end of input, expected end of block"),
        ("{{ when|uper }}", 1, 'there is no filter `uper`; did you mean "upper"?'),
        ("{% if false %}\n{{ when|uper }}{% endif %}", 2, 'there is no filter `uper`; did you mean "upper"?'),
        ("{% fro change in changes %}", 1, 'there is no tag `fro`; did you mean "for"?'),
        ("\n{% for change in changes %}\n{{ change.nosuch }}{% endfor %}", 3, "`change.nosuch` is undefined"),
        ("{{ changes|moment }}", 1, "the filter `moment` can't take this value"),
        ("{{ event.id|moment }}", 1, "the filter `moment` can't take this value"),
        ("{{ '2026-11-24T10:00'|moment }}", 1, "the filter `moment` can't take this value"),
        ("{{ when|moment(1, 2) }}", 1, "the filter `moment` can't take this value"),
        ("{{ changes|words }}", 1, "the filter `words` can't take this value"),
        ("{{ when|join(', ') }}", 1, "the filter `join` can't take this value"),
        ("{{ changes|map(attribute='nosuch') }}", 1, "the filter `map` can't take this value"),
        ("{{ when|replace(1, 2) }}", 1, "the filter `replace` can't take this value"),
        ("{{ changes|replace('a', 'b') }}", 1, "a group of values can't be shown; name the one that you mean"),
        ("{{ appointment }}", 1, "a group of values can't be shown; name the one that you mean"),
        (
            "{{ appointment.start + 'x' }}",
            1,
            f"{LEAST}tried to use + operator on unsupported types none and string",
        ),
    ],
)
def test_a_template_with_a_mistake_is_refused(template: str, line: int, text: str) -> None:
    """With its line, what is wrong, and what may have been meant."""
    assert template_problems(template) == [(line, f"template: {text}")]


def test_several_mistakes_are_told_at_once() -> None:
    """In the order of their lines."""
    problems = template_problems("{{ c }}\n{{ b }}\n{{ appointment.a }}")
    assert [line for line, _ in problems] == [1, 2, 3]


HOSTILE = (
    # Fuel counts steps; these do much in one.
    "{{ 'x' * 100000000 }}",
    "{{ ('x' * 100000)|length }}",
    "{{ ['x'] * 100000000 }}",
    "{{ 10 ** 1000000000 }}",
    '{{ "%1000000000d"|format(1) }}',
    "{{ '%.1000000000f'|format(1.5) }}",
    "{{ 'a\nb'|indent(1000000000) }}",
    "{{ [1, 2]|tojson(indent=1000000000) }}",
    "{{ [1]|batch(1000000000, 'x') }}",
    "{{ [1]|slice(1000000000) }}",
    "{% for x in range(1000000000) %}{% endfor %}",
    "{{ range(100000)|join('x') }}",
    # Fuel counts neither names nor memory; these double it with every name.
    "{% set a = 'x' %}" + "{% set a = a ~ a %}" * 40,
    "{% set a = 'x' %}" + "{% set a = a + a %}" * 40,
    "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a }}",
    "{% set a = 1 %}" + "{% set a = a, a %}" * 40 + "{{ a }}",
    "{% set a = 1 %}" + "{% set a = (a, a) %}" * 40 + "{{ a }}",
    "{% set a = 1 %}" + "{% set a = a or(a, a) %}" * 40 + "{{ a }}",
    "{% set a = 1 %}" + "{% set a = {'a': a, 'b': a} %}" * 40 + "{{ a }}",
    "{% set a = 'x' %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 40,
    "{% set a = 'x' %}" + "{% for a in [a ~ a] %}" * 20 + "{% endfor %}" * 20,
    "{% set a = 'x' %}" + "{% with a = a ~ a %}" * 20 + "{% endwith %}" * 20,
    "{% macro a(b) %}{{ a(b ~ b) }}{{ a(b ~ b) }}{% endmacro %}{{ a('x') }}",
    "{% for a in [1] recursive %}{{ loop([1, 1]) }}{% endfor %}",
    "{% set a = namespace(b='x') %}{% set a.b = a.b ~ a.b %}",
    # A name from another hand could bring back what was taken away.
    "{% set range = range %}{{ range(100000) }}",
    "{{ changes|map('format', 1000000000) }}",
    # The guard must see what the engine sees.
    "{{ '}}' * 100000000 }}",
    "{{ {'a': {'b': 1}} ~ 'x' * 100000000 }}",
    "{{ \"it's\" * 100000000 }} don't",
    "{% if '%}' * 100000000 %}{% endif %}",
    "{{ 'a\\'' * 100000000 }}",
    "{%- set\na = 'x' * 100000000 -%}",
    "{% raw %}{{ ' {% endraw %}{{ 'x' * 100000000 }}{# ' #}",
    "{# ' #}{{ 'x' * 100000000 }}{# ' #}",
    # Lists and groups of values are Python's, and have methods.
    "{{ event.kinds.append('x') }}",
    "{{ changes.extend(changes) }}" * 40,
    "{{ (changes).clear() }}",
    "{{ changes . clear ( ) }}",
    "{{ changes['clear']() }}",
    "{{ changes[0].update(changes[0])|default('') }}",
    "{{ changes|first|default(1).x(2) }}",
    "{% set clear = changes['clear'] %}{{ clear() }}",
    "{% set clear = changes.clear %}{{ 1 if clear() }}",
    "{{ changes }}",
    "{{ changes[0].keys }}",
    # The engine reads by recursion, on a stack that ends.
    "{{ " + "-" * 1200 + "1 }}",
    "{{ " + "not " * 1200 + "1 }}",
    "{{ 1" + " + 1" * 700 + " }}",
    "{{ " + "-" * 100_000 + "1 }}",
    "{{ " + "(" * 900 + ")" * 90 + " }}",
    # Joined texts are longer than any other, and what is done to them is not counted.
    "{{ when" + " ~ when" * 11 + " }}",
    "{{ (when ~ when)[1:] }}",
    # Other files are not for templates.
    "{% include 'x' %}",
    "{% extends 'x' %}",
    "{% import 'x' as y %}",
    # Nor is a text that escapes from being made harmless.
    "{{ when|safe }}",
    "{% autoescape true %}{{ when|e }}{% endautoescape %}",
)


@pytest.mark.parametrize("template", HOSTILE)
def test_a_template_that_could_do_harm_is_refused(template: str) -> None:
    """It is never rendered, so that it can take neither the time nor the memory of the process."""
    assert template_problems(template) != []


def test_a_template_has_a_longest_length() -> None:
    """Up to it all is well."""
    assert template_problems("x" * TEMPLATE_LIMIT) == []
    assert template_problems("x" * (TEMPLATE_LIMIT + 1)) == [
        (1, "template: it has 5001 characters, and at most 5000 are allowed")
    ]


CROWD = tuple(str(number) for number in range(200))

TWICE = "{% for a in appointment.other_employees %}{% for b in appointment.other_employees %}"

COSTLY = (
    TWICE + "x" * 1000 + "{% endfor %}{% endfor %}",
    TWICE + "{{ when }}{% endfor %}{% endfor %}",
)


@pytest.mark.parametrize("template", COSTLY)
def test_fuel_ends_a_loop_that_runs_too_long(template: str) -> None:
    """A template that is fine for most appointments fails for the one with a crowd, and only that message."""
    assert template_problems(template) == []
    with pytest.raises(TemplateFailed, match=r"out of fuel|more work than the 20000 units"):
        message(event(other_employees=CROWD), body=template)


@pytest.mark.parametrize("template", LABORIOUS)
def test_what_takes_too_much_work_ends(template: str) -> None:
    """Also what takes few steps: fuel or work comes to its end, and that is what the author is told."""
    ((line, text),) = template_problems(template)
    assert line == 1
    assert "out of fuel" in text or "it makes more work than the 20000 units that a message may" in text


def test_one_message_has_no_less_work_for_what_the_last_one_did() -> None:
    """Every message begins anew, also after one that failed."""
    renderer = Renderer(Readers(BRUSSELS), Target.TEXT)
    crowded = event(other_employees=CROWD)
    body = "{% for a in changes %}" + "{{ appointment.other_employees|join(', ') }}" * 100 + "{% endfor %}"
    with pytest.raises(TemplateFailed, match="more work"):
        renderer.render(seen(crowded), rule(body=body), NOW)
    for _ in range(50):
        assert renderer.render(seen(crowded), rule(), NOW).title


def test_the_default_texts_leave_most_of_the_work_undone() -> None:
    """Even for a crowd of which everything has changed."""
    before = structs.replace(appointment(), **dict.fromkeys(("listing", "meeting_room", "external_id"), "9" * 50))
    full = step(before, appointment(other_employees=CROWD, other_customers=CROWD, status="CANCELLED", office="1" * 99))
    templates = Templates(BRUSSELS, str)
    templates.begin(facts(seen(full), "any", "", Readers(BRUSSELS), NOW))
    for default in (DEFAULT_TITLE, DEFAULT_BODY):
        assert templates.render(default)
    assert templates.work.used < WORK / 10


@pytest.mark.parametrize(
    "value",
    [
        "when|replace('', '" + "y" * 900 + "')",
        "when|replace('', 'xxxxxxxxxx')|replace('x', '" + "y" * 900 + "')|replace('y', 'zz')",
        "appointment.other_employees|join('" + "x" * 900 + "')",
        "appointment.office|replace('0', '')",
        "appointment.office|replace('1', '22')",
    ],
)
def test_filters_that_lengthen_stop_at_the_longest_body(value: str) -> None:
    """More than that would not be shown anyway."""
    template = f"{{{{ ({value})|length }}}}"
    assert template_problems(template) == []
    assert message(event(other_employees=CROWD, office="1" * 10_000), body=template).body == str(BODY_LIMIT)


@pytest.mark.parametrize(
    "template",
    [
        "{{ appointment.office|int / 0 }}",
        "{{ appointment.office + 1 }}",
        "{{ appointment.office.x.y }}",
        "{{ appointment.office|moment }}",
        "{{ appointment.office|replace(1, 2) }}",
        "{{ appointment.office[0].x }}",
        "{{ appointment.office|abs }}",
        "{{ appointment.office|round }}",
        "{{ appointment.office|items }}",
        "{{ appointment.office|urlencode|min('x') }}",
        "{{ changes|selectattr('field', appointment.office)|first }}",
        "{{ appointment.office|sort(attribute=appointment.office) ~ nosuch }}",
    ],
)
def test_a_failure_says_why_without_values(template: str) -> None:
    """What failed is kept for the operator, and it is nobody's business what the event said."""
    with pytest.raises(TemplateFailed) as failed:
        message(event(office="c0ffee"), body=template)
    assert str(failed.value).startswith("line 1: ")
    assert "c0ffee" not in str(failed.value)


def test_a_failing_title_fails_the_message() -> None:
    """A message is rendered whole or not at all."""
    with pytest.raises(TemplateFailed, match=r"line 2: `changes\[1\]` is undefined"):
        message(event(), title="\n{{ changes[1].text }}")


def test_an_empty_message_is_none() -> None:
    """No channel takes one; with a title or a body alone it is a message."""
    nothing = "{% if false %}x{% endif %}"
    assert message(event(), title=nothing, body="x").title == ""
    assert message(event(), title="x", body=nothing).body == ""
    with pytest.raises(TemplateFailed, match="empty"):
        message(event(), title=nothing, body=nothing)


def test_a_rule_is_told_as_it_is() -> None:
    """Name and description of the rule are at hand."""
    late = rule(name="late", description="Cancelled late", body="{{ rule.name }}: {{ rule.description }}")
    assert Renderer(Readers(BRUSSELS), Target.TEXT).render(seen(event()), late, NOW).body == "late: Cancelled late"


def test_the_extremes_of_the_calendar_have_local_times() -> None:
    """The first and the last moments that a record may hold can be shown in every zone."""
    for year in (2, 9998):
        far = structs.replace(
            appointment(), start=datetime(year, 1, 1, tzinfo=UTC), end=datetime(year, 12, 31, 23, tzinfo=UTC)
        )
        for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
            assert str(year)[-1] in message(event(far), ZoneInfo(zone)).body
