"""A message: the text of one delivery, rendered for the target that shows it."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from notifier.core.escape import Target, as_html, defuse, plain
from notifier.core.facts import facts
from notifier.core.grant import Excerpt
from notifier.core.language import Language
from notifier.core.readers import Readers
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
{% if times %}{{ labels.when }} {{ moved or times }}
{%- if moved or until or other_zone %} {{ zone }}{% endif %}{% if until %} ({{ until }}){% endif %}
{% endif -%}
{% if where %}{{ labels.where }} {{ where }}
{% endif -%}
{% if who %}{{ labels.who }} {{ who }}
{% endif -%}
{% if names.subject %}{{ labels.subject }} {{ names.subject }}
{% endif -%}
{% if 'status_changed' not in event.kinds %}{{ labels.status }} {{ appointment.status|words }}
{% endif -%}
{% if 'stays' in event.kinds %}{{ labels.since }} {{ stay.since|moment }}
{% endif -%}
{% if 'created' in event.kinds -%}
{{ labels.created }} {{ (appointment.created_at or event.occurred_at)|moment }}
{%- else -%}
{{ labels.changed }} {{ appointment.updated_at|moment }}
{%- endif %}{% if by_author %} {{ by_author }}{% endif %}
{{ labels.appointment }} {{ appointment.id }}"""
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
    """Renders messages for the readers of one target, one after another, by the clock and in the language of each."""

    def __init__(self, readers: Readers, target: Target) -> None:
        #: Others may take their place between two messages.
        self.readers = readers
        self._target = target
        #: By the zone of the times in them, and by their language.
        self._templates: dict[tuple[ZoneInfo, Language], Templates] = {}

    def render(self, excerpt: Excerpt, rule: Rule, now: datetime) -> Message:
        """Returns the message that the rule makes of what may be told of an event.

        Raises:
            TemplateFailed: the rule's template failed on this event.
        """
        readers, office = self.readers.of(excerpt.event.source), excerpt.event.after.office
        templates = self._templates_in(readers.zone_at(office), readers.language_at(office))
        templates.begin(facts(excerpt, rule.name, rule.description, readers, now))
        title = cut(" ".join(templates.render(rule.title or DEFAULT_TITLE).split()), TITLE_LIMIT)
        body = cut(templates.render(rule.body or DEFAULT_BODY).strip(), BODY_LIMIT)
        if not title and not body:
            raise TemplateFailed("title and body came out empty")
        return Message(title, as_html(body) if self._target is Target.HTML else body, self._target)

    def _templates_in(self, zone: ZoneInfo, language: Language) -> Templates:
        if (zone, language) not in self._templates:
            clean = defuse if self._target is Target.CHAT else plain
            self._templates[zone, language] = Templates(zone, clean, language)
        return self._templates[zone, language]
