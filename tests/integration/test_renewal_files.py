"""Whatever is written while something is read, or where only a wrong configuration points to, is found all the same."""

from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

from notifier import renewal as module
from notifier.daemon import Daemon
from notifier.progress import Lines
from notifier.renewal import Loaded, Renewal
from notifier.store.database import Store
from tests.captured_logs import captured_logs
from tests.configured import source

RULE = '[[rule]]\nname = "{name}"\non = "created"\nchannels = "team"\n'
CHANNEL = '[channels.team]\nurl = "console://"\n'


class Desk:
    """A folder in which somebody writes, and the renewal that watches it by a clock set by hand."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder
        self.now = 0.0
        self.configure()
        self.write("rules/a.toml", RULE.format(name="one"))
        self.renewal = Renewal(folder / "config.toml", {}, store, Lines(), lambda: self.now)

    def configure(self, more: str = "", channel: str = CHANNEL) -> None:
        self.write("config.toml", "\n".join([more, source("http://127.0.0.1:1", 'token = "t"'), channel]))

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def look(self) -> list[str] | None:
        """Looks until what was written has come to rest; returns the rules that were taken up, None for nothing."""
        for _ in range(2):
            self.now += module.LOOK_SECONDS
            if daemon := self.renewal(False):
                return self.taken(daemon)
        return None

    def taken(self, daemon: Daemon) -> list[str]:
        """Returns the rules that were taken up."""
        daemon.stop()
        return [rule.name for rule in self.renewal._loaded.rules]


@pytest.fixture
def desk(tmp_path: Path, store: Store) -> Desk:
    return Desk(tmp_path, store)


def test_what_is_written_while_it_is_read_is_read_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is written between the reading of the files and the end of it is not taken for what was read."""
    load = Renewal._load
    later = iter([RULE.format(name="three")])

    def load_slowly(self: Renewal) -> Loaded:
        loaded = load(self)
        for text in later:
            desk.write("rules/a.toml", text)
        return loaded

    desk.write("rules/a.toml", RULE.format(name="second"))
    monkeypatch.setattr(Renewal, "_load", load_slowly)
    assert desk.look() == ["second"]
    assert desk.look() == ["three"]
    assert desk.look() is None


def test_files_that_a_wrong_configuration_names_are_watched(desk: Desk) -> None:
    """Who names another folder of rules mends it there, or brings the file that is missing, and is heard."""
    desk.write("new/b.toml", RULE.format(name="two").replace("created", "creatd"))
    desk.configure('rules = ["new/*.toml"]')
    assert desk.look() is None
    assert "b.toml:3" in desk.renewal.refusal
    desk.write("new/b.toml", RULE.format(name="two"))
    assert desk.look() == ["two"]
    desk.configure('rules = ["new/*.toml"]', CHANNEL.replace("console://", "${file:url.txt}"))
    assert desk.look() is None
    assert "url.txt" in desk.renewal.refusal
    desk.write("url.txt", "json://127.0.0.1:1")
    assert desk.look() == ["two"]
    assert desk.renewal.refusal == ""


def test_a_new_file_is_read(desk: Desk) -> None:
    """One more file that a pattern matches is a change, and so is one that is taken away."""
    desk.write("rules/b.toml", RULE.format(name="two"))
    assert desk.look() == ["one", "two"]
    (desk.folder / "rules" / "a.toml").unlink()
    assert desk.look() == ["two"]


@pytest.mark.parametrize("asked", [True, False])
def test_a_file_that_was_emptied_is_not_believed(desk: Desk, asked: bool) -> None:
    """However long it stays so, and whoever asks: a writer that stopped half way leaves such a file."""
    desk.write("rules/b.toml", RULE.format(name="two"))
    assert desk.look() == ["one", "two"]
    desk.write("rules/b.toml", "")
    for _ in range(2):
        assert (desk.renewal(True) if asked else desk.look()) is None
        assert desk.renewal.refusal.endswith("b.toml:1: " + EMPTY)
    desk.write("rules/b.toml", RULE.format(name="three"))
    assert desk.look() == ["one", "three"]


EMPTY = "is empty and was not; take the file away, or start notifier again, if that is meant"


def test_the_last_rule_does_not_go_by_itself(desk: Desk) -> None:
    """Files in which no rule is left are refused, with the line of `config.toml` that names them."""
    desk.write("rules/a.toml", "# nothing yet\n")
    assert desk.look() is None
    assert "config.toml:1: `rules`: no rule is left" in desk.renewal.refusal


def test_the_store_is_refused_where_it_is_named(desk: Desk) -> None:
    """The complaint has the line of `config.toml`."""
    desk.configure('[store]\nsynchronous = "normal"\n')
    assert desk.look() is None
    assert "config.toml:2: `synchronous` of [store]" in desk.renewal.refusal


def test_what_the_store_keeps_from_being_taken_up_is_tried_again(desk: Desk) -> None:
    """It is told once, and taken up when the store can be used again, though nobody writes anything any more."""
    desk.write("rules/a.toml", RULE.format(name="second"))
    with captured_logs() as logs, closing(connect(desk.folder / "notifier.db")) as damage:
        damage.execute("ALTER TABLE look RENAME TO lost")
        assert [desk.look(), desk.look()] == [None, None]
        assert len(logs.of("reload_refused")) == 1
        damage.execute("ALTER TABLE lost RENAME TO look")
        assert desk.look() == ["second"]
    assert desk.renewal.refusal == ""
