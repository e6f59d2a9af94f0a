"""The laws of making text harmless, whatever the text is."""

import re
from html.parser import HTMLParser
from string import ascii_letters, digits

from hypothesis import example, given
from hypothesis import strategies as st

from notifier.core.escape import as_html, defuse, plain

NASTY = st.lists(
    st.sampled_from((*"@<>!#/:*_~`|[]()\\-+. \n\tab1é", "https://", "www.", "here", "\u202e", "\u200b")), max_size=20
)
TEXTS = st.text() | NASTY.map("".join)
WORDS = st.text(alphabet=ascii_letters + digits + "-", min_size=1)
#: Single underscores stand between letters or digits only; a dash is an edge like any other.
IDS = st.lists(st.text(alphabet=ascii_letters + digits, min_size=1), min_size=1).map("_".join)


@given(WORDS)
@example("-")
@example("--5")
def test_ids_are_left_byte_for_byte(value: str) -> None:
    """Letters, digits and dashes, in whatever order."""
    assert defuse(value) == value


@given(IDS)
def test_underscores_inside_of_a_word_are_left(value: str) -> None:
    """As in a_b_c, which no service formats."""
    assert defuse(value) == value


@given(TEXTS)
@example("@`")
@example("<_")
def test_no_mention_survives(value: str) -> None:
    """No @ before a word, no tag that opens."""
    assert not re.search(r"@\w", defuse(value))
    assert not re.search(r"<[!@#/:\w]", defuse(value))


@given(TEXTS)
def test_no_mark_survives(value: str) -> None:
    """None of the marks that come in pairs is left, and no underscore but single ones inside of words."""
    text = defuse(value)
    assert not {*"*`~|[]"} & {*text}
    assert not re.search(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", text)


@given(TEXTS)
def test_no_link_survives(value: str) -> None:
    """Neither an address nor a host name that a service would take for one."""
    text = defuse(value)
    assert "://" not in text
    assert not re.search(r"\w\.[A-Za-z]{2}", text)


@given(TEXTS)
def test_no_line_begins_with_a_mark(value: str) -> None:
    """No heading, quotation or list."""
    assert not re.match(r"\s*([#>]|[+-]\s|\d+[.)]\s)", defuse(value), re.ASCII)


@given(TEXTS)
def test_a_value_is_one_line(value: str) -> None:
    """For every target, without control characters."""
    for text in (plain(value), defuse(value)):
        assert len(text.splitlines()) <= 1
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", text)


@given(TEXTS)
def test_once_is_enough(value: str) -> None:
    """A text that was made harmless is left as it is."""
    assert defuse(defuse(value)) == defuse(value)
    assert plain(plain(value)) == plain(value)


@given(TEXTS)
def test_what_is_read_stays_what_it_was(value: str) -> None:
    """Each mark is replaced by one that looks like it; what nobody sees comes in between, or goes from in front."""
    look = str.maketrans("\u2217\u02cb\u223c\u2223\u27e6\u27e7\u02cd", "*`~|[]_", "\u200b")
    assert defuse(value).translate(look).lstrip() == plain(value).replace("\u200b", "").translate(look).lstrip()


class Reader(HTMLParser):
    """Reads HTML as a browser would: text, and line breaks where it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Takes a line break; there must be nothing else."""
        assert (tag, attrs) == ("br", [])
        self.text += "\0"

    def handle_endtag(self, tag: str) -> None:
        """Nothing is ever closed."""
        raise AssertionError(tag)

    def handle_comment(self, data: str) -> None:
        """Nothing is ever hidden."""
        raise AssertionError(data)

    def handle_data(self, data: str) -> None:
        """Takes the text."""
        self.text += data


@given((st.text() | NASTY.map("".join) | st.text(alphabet="<>&;\"'#x41lt \n")).map(lambda text: text.replace("\0", "")))
@example("&lt;b&gt;&amp;&#64;&")
@example("<b>\n\n</b><!-- x -->")
def test_html_reads_as_the_text(value: str) -> None:
    """What a reader of HTML sees is the text, and no part of it is taken for HTML."""
    reader = Reader()
    reader.feed(as_html(value))
    reader.close()
    assert reader.text.replace("\0\n", "\n") == value
