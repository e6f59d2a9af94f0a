"""Makes text from the source harmless where it is shown: it arrives as text, never as markup or a mention.

Chat services differ in their dialects, and some have no escape at all. So marks that could start formatting are
replaced by characters that look the same and mean nothing, and a mention is broken by a zero-width space. Ids and
times hold none of these and stay byte for byte.
"""

import html
import re
from enum import StrEnum


class Target(StrEnum):
    """What a message is shown by, and so what its values must be made harmless for."""

    TEXT = "text"
    CHAT = "chat"
    HTML = "html"


_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
"""Line breaks could fake further lines of a message, direction marks could turn its text around."""

_ZERO_WIDTH = "\u200b"
#: A mention, a tag, the start of an address, and the dot of a host name: services make links of bare ones too.
#: And a backslash that some services would take for an escape, and leave out.
_TOUCHY = re.compile(
    r"@(?=\w)|<(?=[!@#/:\w])|:(?=//)|(?<=\w)\.(?=[^\W\d_]{2})|(?<=\bwww)\.(?=\w)|\\(?=[!-/:-@\[-`{-~]|$)", re.IGNORECASE
)
_LOOK_ALIKES = str.maketrans({"*": "\u2217", "`": "\u02cb", "~": "\u223c", "|": "\u2223", "[": "\u27e6", "]": "\u27e7"})
#: One underscore formats only at the edge of a word (ASCII letters, to some services); inside it is part of an id.
_MARKING_UNDERSCORES = re.compile(r"(?<![A-Za-z0-9])_+|_+(?![A-Za-z0-9])")
#: Ids, words and times, as most values are.
_HARMLESS = re.compile(r"(?:[^\W_]|[ ,:\u2013\u2192])*")
#: What makes a heading, a quotation or a list of a line that begins with it.
_LINE_MARK = re.compile(r"^\s*(?=[#>]|(?:[+-]|[0-9]+[.)])\s)")


def plain(value: str) -> str:
    """Returns the value on one line, without control characters."""
    return _CONTROLS.sub(" ", value)


def defuse(value: str) -> str:
    """Returns the value so that no chat service finds a mention, a link or formatting in it."""
    if _HARMLESS.fullmatch(value):
        return value
    text = _MARKING_UNDERSCORES.sub(lambda match: "\u02cd" * len(match.group()), plain(value))
    # After the marks: some of what stands for them counts as a letter.
    text = _TOUCHY.sub(lambda match: match.group() + _ZERO_WIDTH, text.translate(_LOOK_ALIKES))
    return _LINE_MARK.sub(_ZERO_WIDTH, text)


def as_html(text: str) -> str:
    """Returns a whole plain text as HTML that looks the same."""
    return html.escape(text).replace("\n", "<br>\n")
