"""Templates that say nothing where a field has no value, which is found by trying them on made-up appointments."""

import re
from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

from msgspec import structs

from notifier.core import sample_facts
from notifier.core.appointment import APPOINTMENT_FIELDS, TEXT_FIELDS
from notifier.core.escape import plain
from notifier.core.language import ENGLISH
from notifier.core.template import TemplateFailed, Templates

_ALWAYS_THERE = frozenset({"id", "status", "updated_at"})
_EMPTY = {"other_employees": (), "other_customers": ()}
_PLACEHOLDERS = re.compile(rf"\b(?:{ENGLISH.phrases['phrase.no_value']}|{ENGLISH.phrases['phrase.no_time']})\b")


def says_nothing(template: str, sure: frozenset[str]) -> tuple[str, str] | None:
    """Returns without which field the template says nothing, and what it says then; None if it always says something.

    `sure` are fields of which the rule makes sure that they have a value. A template that says nothing of the made-up
    appointment that has everything is not judged.
    """
    templates = Templates(ZoneInfo("UTC"), plain)
    if not _speaks(_text(templates, template, _full())):
        return None
    for field, facts in _lacking(sure):
        text = _text(templates, template, facts)
        if not _speaks(text):
            return field, text.strip()
    return None


def _full() -> Mapping[str, object]:
    full, _ = sample_facts.sample_states()
    return sample_facts.sample(full, full, sample_facts.SAMPLE_TEXTS)


def _lacking(sure: frozenset[str]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yields made-up facts that lack one thing each, by what they lack."""
    full, _ = sample_facts.sample_states()
    for field in APPOINTMENT_FIELDS:
        if field not in _ALWAYS_THERE | sure:
            less = structs.replace(full, **{field: _EMPTY.get(field)})
            yield f"appointment.{field}", sample_facts.sample(full, less, sample_facts.SAMPLE_TEXTS)
    for name in TEXT_FIELDS:
        texts = {one: text for one, text in sample_facts.SAMPLE_TEXTS.items() if one != name}
        yield f"appointment.{name}", sample_facts.sample(full, full, texts)
    if "before" not in sure:
        yield "before", sample_facts.sample(None, full, sample_facts.SAMPLE_TEXTS)


def _text(templates: Templates, template: str, facts: Mapping[str, object]) -> str:
    """Returns what the template says; something where it fails, since that is told anyway."""
    templates.begin(facts)
    try:
        return templates.render(template)
    except TemplateFailed:
        return "?"


def _speaks(text: str) -> bool:
    """Whether there is anything to read beside what stands for a missing value."""
    return bool(re.search(r"\w|\?", _PLACEHOLDERS.sub("", text)))
