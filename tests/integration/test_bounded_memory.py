"""However a rule is written, what it takes of memory is bounded: a process that is lost to it tells nobody anything."""

import pytest

from tests.child_process import said, start

pytest.importorskip("resource", reason="needs a system that tells how much memory a process had at most")

MEGABYTES = 24
"""Far more than all of it takes, and far less than one text that is doubled forty times."""

SCRIPT = """
import resource
import sys
from zoneinfo import ZoneInfo

from notifier.config.condition import compile_condition
from notifier.core.escape import Target
from notifier.core.message import Renderer
from notifier.core.readers import Readers
from notifier.core.template import TemplateFailed
from tests.builders import NOW, rule, seen
from tests.hostile import COSTLY_CONDITIONS, LABORIOUS, crowded


def peak():
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes // (1 << 20 if sys.platform == "darwin" else 1 << 10)


event = crowded()
renderers = [Renderer(Readers(ZoneInfo("UTC")), target) for target in Target]
conditions = [compile_condition(text) for text in COSTLY_CONDITIONS]
for renderer in renderers:
    renderer.render(seen(event), rule(), NOW)
conditions[0](event)
before, failed = peak(), 0
for renderer in renderers:
    for template in LABORIOUS:
        try:
            renderer.render(seen(event), rule(title="x", body=template), NOW)
        except TemplateFailed:
            failed += 1
for condition in conditions:
    condition(event)
print(failed, peak() - before, flush=True)
"""


def test_hostile_rules_take_little_memory() -> None:
    """Every template that makes too much work fails, and neither these nor the conditions take a lot on the way."""
    with start(SCRIPT) as process:
        failed, megabytes = map(int, said(process).split())
    assert failed
    assert megabytes <= MEGABYTES
