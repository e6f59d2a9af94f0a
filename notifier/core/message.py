"""A message: the text of one delivery, rendered for the target that shows it."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from notifier.core import facts as said
from notifier.core.escape import Target, as_html, defuse, plain
from notifier.core.grant import Excerpt
from notifier.core.rule import Rule
from notifier.core.template import TemplateFailed, Templates, cut
from notifier.core.work import LONGEST_TEXT

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

BODY_LIMIT = LONGEST_TEXT
"""The longest section that Slack shows; other services take more."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a person will read."""

    title: str
    body: str
    target: Target


WORDLESS = Message("", "", Target.TEXT)
"""For a channel that shows no words, and so gets the document alone."""


class Renderer:
    """Renders messages for one target, with times in one zone, one after another."""

    def __init__(self, zone: ZoneInfo, target: Target) -> None:
        self._zone = zone
        self._target = target
        self._templates = Templates(zone, defuse if target is Target.CHAT else plain)

    def render(self, excerpt: Excerpt, rule: Rule, now: datetime) -> Message:
        """Returns the message that the rule makes of what may be told of an event.

        Raises:
            TemplateFailed: the rule's template failed on this event.
        """
        self._templates.begin(said.facts(excerpt, rule.name, rule.description, self._zone, now))
        title = cut(" ".join(self._templates.render(rule.title or DEFAULT_TITLE).split()), TITLE_LIMIT)
        body = cut(self._templates.render(rule.body or DEFAULT_BODY).strip(), BODY_LIMIT)
        if not title and not body:
            raise TemplateFailed("title and body came out empty")
        return Message(title, as_html(body) if self._target is Target.HTML else body, self._target)
