"""What people change is taken up as a whole, or refused as a whole with file and line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from notifier.daemon import Daemon
from notifier.progress import Lines
from notifier.renewal import Renewal
from notifier.store.database import Store, open_store
from tests.captured_logs import captured_logs
from tests.configured import source

RULE = '[[rule]]\nname = "{name}"\non = "created"\nchannels = "team"\n'


class Desk:
    """A folder with a configuration, and the renewal that watches it, by a clock set by hand."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder
        self.now = 0.0
        (folder / "rules").mkdir()
        self.configure()
        self.rule("one")
        self.renewal = Renewal(folder / "config.toml", {}, store, Lines(), lambda: self.now)

    def configure(self, more: str = "", channels: str = '[channels.team]\nurl = "console://"\n') -> None:
        text = source("http://127.0.0.1:1", 'token = "t"')
        (self.folder / "config.toml").write_text(f"{more}\n{text}\n{channels}", encoding="utf-8")

    def rule(self, *names: str, more: str = "") -> None:
        text = "".join(RULE.format(name=name) for name in names) + more
        (self.folder / "rules" / "a.toml").write_text(text, encoding="utf-8")

    def look(self) -> Daemon | None:
        """Looks until what was written has come to rest."""
        for _ in range(2):
            self.now += 2
            found = self.renewal(False)
            if found is not None:
                found.stop()
                return found
        return None


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_store(tmp_path / "notifier.db", synchronous="normal") as store:
        desk = Desk(tmp_path, store)
        desk.renewal.daemon().stop()
        yield desk


def test_what_stays_is_not_read_again(desk: Desk) -> None:
    """Nor is what was written anew with the same words, but that is said."""
    with captured_logs() as logs:
        assert desk.look() is None
        assert logs.of("reload_unchanged") == []
        desk.rule("one", more="# the same\n")
        assert desk.look() is None
        assert len(logs.of("reload_unchanged")) == 1
        assert desk.renewal(True) is None
        assert len(logs.of("reload_unchanged")) == 2


def test_what_changed_is_taken_up(desk: Desk) -> None:
    """One daemon for each change, which is told by name; a person who asks need not wait for a look."""
    with captured_logs() as logs:
        desk.rule("one", "two")
        assert desk.look() is not None
        assert desk.look() is None
        desk.rule("two", more='title = "New words"\n')
        asked = desk.renewal(True)
        assert asked is not None
        asked.stop()
        desk.configure(channels='[channels.team]\nurl = "console://"\n[channels.desk]\nurl = "console://"\n')
        assert desk.look() is not None
        desk.configure('timezone = "Europe/Brussels"', '[channels.team]\nurl = "console://"\n')
        assert desk.look() is not None
    told = [{key: one[key] for key in one if key.startswith(("rules", "chan", "sour"))} for one in logs.of("reloaded")]
    assert told == [
        {"rules_added": ["two"]},
        {"rules_removed": ["one"], "rules_changed": ["two"]},
        {"channels_added": ["desk"]},
        {"channels_removed": ["desk"]},
    ]


def test_the_order_of_rules_and_other_settings_count(desk: Desk) -> None:
    """Rules that changed places are a change, and so is the zone of the times."""
    with captured_logs() as logs:
        desk.rule("one", "two")
        assert desk.look() is not None
        desk.rule("two", "one")
        assert desk.look() is not None
        desk.configure('timezone = "Europe/Brussels"')
        assert desk.look() is not None
    _, moved, set_ = logs.of("reloaded")
    assert moved["rules_moved"] == ["two", "one"]
    assert set_["settings_changed"] == ["zone"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            '[[rule]]\nname = "one"\non = "creatd"\nchannels = "team"\n',
            "a.toml:3:",
        ),
        ('[[rule]]\nname = "on', "a.toml:2:"),
        ('[[rule]]\nname = "one"\non = "created"\nchannels = "tea"\n', "a.toml:4:"),
    ],
)
def test_what_is_wrong_is_refused(desk: Desk, text: str, why: str) -> None:
    """The former rules hold on; what is wrong is said once, with file and line, until it is mended."""
    path = desk.folder / "rules" / "a.toml"
    with captured_logs() as logs:
        path.write_text(text, encoding="utf-8")
        assert [desk.look(), desk.look()] == [None, None]
        (refused,) = logs.of("reload_refused")
        assert why.split(" `", maxsplit=1)[0] in refused["why"]
        assert refused["why"] == desk.renewal.refusal
        desk.rule("one")
        assert desk.look() is None
        assert desk.renewal.refusal == ""
        assert len(logs.of("reload_unchanged")) == 1
        desk.rule("two")
        assert desk.look() is not None


def test_no_rules_are_no_wish(desk: Desk) -> None:
    """A folder that is empty for a while, as while a new one is put in its place, is a mistake and not an end."""
    (desk.folder / "rules").rename(desk.folder / "aside")
    assert desk.look() is None
    assert "no file matches" in desk.renewal.refusal
    (desk.folder / "aside").rename(desk.folder / "rules")
    assert desk.look() is None
    assert desk.renewal.refusal == ""


def test_another_store_needs_a_start(desk: Desk) -> None:
    """It is refused, whatever else changed with it."""
    desk.rule("two")
    desk.configure('[store]\nurl = "sqlite:///other.db"')
    assert desk.look() is None
    assert "[store]" in desk.renewal.refusal
    desk.configure()
    assert desk.look() is not None


def test_files_that_are_named_are_watched(desk: Desk, tmp_path: Path) -> None:
    """A secret in a file of its own that is replaced is a change of what uses it."""
    (tmp_path / "url.txt").write_text("console://", encoding="utf-8")
    desk.configure(channels='[channels.team]\nurl = "${file:url.txt}"\n')
    assert desk.look() is None  # the same as before, but for how it is written
    (tmp_path / "url.txt").write_text("json://127.0.0.1:1", encoding="utf-8")
    with captured_logs() as logs:
        assert desk.look() is not None
    assert logs.of("reloaded")[0]["channels_changed"] == ["team"]
