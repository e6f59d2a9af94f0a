"""Laws of names: what nobody named goes by its id, and what is hidden goes by nothing."""

from zoneinfo import ZoneInfo

import orjson
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.directory import KINDS, Directory, Entry
from notifier.core.document import document
from notifier.core.escape import Target
from notifier.core.message import Renderer
from notifier.core.readers import Readers
from tests.builders import NOW, appointment, event, rule, seen

IDS = {"office": "70012", "subject": "70051", "employee": "70301"}
NAMES = {"office": "Brussels", "subject": "Mortgage", "employee": "Jan"}

SOME = st.sets(st.sampled_from(KINDS))


def told(named: set[str], visible: set[str]) -> tuple[str, str]:
    """Returns what a message and a document say to a channel that sees these, where those have names."""
    book = Directory({(kind, IDS[kind]): Entry(NAMES[kind]) for kind in named})
    excerpt = seen(event(appointment(**IDS)), *sorted(visible), "external_id")
    message = Renderer(Readers(ZoneInfo("UTC"), book), Target.TEXT).render(excerpt, rule(), NOW)
    return f"{message.title}\n{message.body}", orjson.dumps(document(excerpt, "rule", book)).decode()


@given(SOME, SOME)
def test_each_goes_by_its_name_or_its_id_or_not_at_all(named: set[str], visible: set[str]) -> None:
    """A message shows the name, else the id; a document both, or the id; neither shows what is hidden."""
    message, data = told(named, visible)
    for kind in KINDS:
        is_seen, has_name = kind in visible, kind in named
        assert (NAMES[kind] in message) == (NAMES[kind] in data) == (is_seen and has_name)
        assert (IDS[kind] in message) == (is_seen and not has_name)
        assert (IDS[kind] in data) == is_seen
