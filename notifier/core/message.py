"""A message: the text of one delivery, rendered for the target that shows it."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from notifier.core import facts as said
from notifier.core.directory import NO_DIRECTORY, Directory
from notifier.core.escape import Target, as_html, defuse, plain
from notifier.core.grant import Excerpt
from notifier.core.rule import Rule
from notifier.core.template import TemplateFailed, Templates, cut
from notifier.core.work import LONGEST_TEXT

DEFAULT_TITLE = (
    "{{ event.headline }}{% if times %}: {{ moved or times }}{% if other_zone %} {{ other_zone }}{% endif %}{% endif %}"
    "{% if office %}, {{ office }}{% endif %}"
)
"""The title of a rule that has none."""

DEFAULT_BODY = """\
{% for change in changes if change.field not in ['start', 'end'] -%}
{{ change.text }}
{% endfor -%}
{% if times %}When: {{ moved or times }}
{%- if moved or until or other_zone %} {{ zone }}{% endif %}{% if until %} ({{ until }}){% endif %}
{% endif -%}
{% if where %}Where: {{ where }}
{% endif -%}
{% if who %}Who: {{ who }}
{% endif -%}
{% if names.subject %}Subject: {{ names.subject }}
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
    """Renders messages for one target, one after another; times in one zone, or in that of the appointment's office."""

    def __init__(self, zone: ZoneInfo, target: Target, directory: Directory = NO_DIRECTORY) -> None:
        self._zone = zone
        self._target = target
        self._directory = directory
        #: By the zone of the times in them.
        self._templates: dict[ZoneInfo, Templates] = {}

    def render(self, excerpt: Excerpt, rule: Rule, now: datetime) -> Message:
        """Returns the message that the rule makes of what may be told of an event.

        Raises:
            TemplateFailed: the rule's template failed on this event.
        """
        zone = self._zone_of(excerpt)
        other_zone = "" if zone == self._zone else zone.key
        templates = self._templates_in(zone)
        templates.begin(said.facts(excerpt, rule.name, rule.description, zone, now, self._directory, other_zone))
        title = cut(" ".join(templates.render(rule.title or DEFAULT_TITLE).split()), TITLE_LIMIT)
        body = cut(templates.render(rule.body or DEFAULT_BODY).strip(), BODY_LIMIT)
        if not title and not body:
            raise TemplateFailed("title and body came out empty")
        return Message(title, as_html(body) if self._target is Target.HTML else body, self._target)

    def _zone_of(self, excerpt: Excerpt) -> ZoneInfo:
        """Returns the zone of the office, where that may be told and is known."""
        office = excerpt.event.after.office
        return (self._directory.zone_of("office", office) if office else None) or self._zone

    def _templates_in(self, zone: ZoneInfo) -> Templates:
        if zone not in self._templates:
            self._templates[zone] = Templates(zone, defuse if self._target is Target.CHAT else plain)
        return self._templates[zone]
