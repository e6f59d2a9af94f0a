"""What holds for all tests."""

from hypothesis import settings

# How long an example takes says something about the machine, and nothing about the code. The same tests draw the same
# examples, so that a failure is one of the change at hand; `--hypothesis-profile search` draws others, and many.
settings.register_profile("repeated", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile("repeated")
