"""Templates and conditions that were written to take long, for those who show that they can't."""

from dataclasses import replace

from msgspec import structs

from notifier.config.condition_cost import CROWD, LONGEST
from notifier.core.event import Event
from tests.builders import appointment, event

LONG = "{% set t = 'aaaaaaaaaa'|replace('a', 'bbbbbbbbbb')|replace('b', 'cccccccccc')|replace('c', 'ddd') %}"
EACH = LONG + "{% for a in t %}"
TREE = "{% set a = none|default([1]) %}" + "{% set a = none|default([a, a]) %}" * 40
TREES = TREE + TREE.replace("a =", "b =").replace("[a, a]", "[b, b]")

LABORIOUS = (
    "{% set t = 'x' %}" + "{% set t = t|replace('x', 'xxxxxxxxxx') %}" * 5 + "{% set t = t|replace('y', 'z') %}" * 100,
    EACH + "{% for b in t %}{{ t|upper }}{% endfor %}{% endfor %}",
    EACH + "{% for b in t|sort %}{% endfor %}{% endfor %}",
    EACH + "{{ t|unique|join }}{% endfor %}",
    EACH + "{{ t|replace('d', 'ee') }}{% endfor %}",
    EACH + "{{ t }}{% endfor %}",
    EACH + "{{ t|urlencode }}{% endfor %}",
    EACH + "{{ t|sort|first }}{% endfor %}",
    EACH + "{{ t|select|length }}{% endfor %}",
    EACH + "{{ t|words }}{% endfor %}",
    EACH + "{% if t|upper == t|lower %}{% endif %}{% endfor %}",
    EACH + "{% if t ~ t ~ t ~ t ~ t == '' %}{% endif %}{% endfor %}",
    EACH + "{% if t[1:] == t[::-1] %}{% endif %}{% endfor %}",
    EACH + "{{ t|default([t, t, t, t, t, t, t, t, t, t])|length }}{% endfor %}",
    LONG + "{% set s = t|sort %}{% set q = t|sort %}{% for a in t %}{% if s == q %}{% endif %}{% endfor %}",
    LONG + "{% for a in t %}{% if appointment == before %}{% endif %}{% endfor %}",
    # Each is twice the one before, and there is no end of it.
    TREE + "{{ a }}",
    TREES + "{{ [a, b]|sort|length }}",
    TREES + "{{ [a, b]|unique|length }}",
    TREES + "{% if a == b %}{% endif %}",
    TREES + "{% if a < b %}{% endif %}",
    TREES + "{% if a in [b] %}{% endif %}",
)
"""Templates, each of which takes more than a message may."""

ONES = ",".join(["1"] * 400)

COSTLY_CONDITIONS = (
    "appointment.other_employees.all(a, " + "&&".join(["!('x' in appointment.other_employees)"] * 50) + ")",
    "appointment.other_employees.all(a, " + "&&".join(["a != ''"] * 190) + ")",
    "appointment.other_employees.all(a, !appointment.office.contains('" + "1" * 499 + "2'))",
    "&&".join(["appointment.other_employees.all(a, a != '')"] * 44),
    f"[{ONES}].all(a, '{'1' * 300}'.contains('1'))",
    "!''.matches('(" + "[^1]" * 22 + "){30}')",
    "!appointment.office.matches('(1?.?" + "[^2]?" * 15 + "){30}b')",
    "!appointment.office.matches('(" + ".*1" * 28 + "){30}b')",
)
"""Conditions that take as long as any that is allowed, of an event with all that a condition may look at."""


def crowded() -> Event:
    """Returns an event with the longest lists and texts that a condition looks at."""
    before = appointment(office="1" * LONGEST)
    after = structs.replace(before, other_employees=("1" * LONGEST,) * CROWD, status="CANCELLED")
    return replace(event(), before=before, after=after)
