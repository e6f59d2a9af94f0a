"""Settings as a test needs them, read from a real `config.toml`."""

from collections.abc import Mapping
from pathlib import Path

from notifier.config.settings import Settings, load_settings

_SOURCE = """\
[sources.{name}]
base_url = "{base_url}"
enterprise = "acme"
{credentials}
timeout = "5s"
deadline = "1s"
[[sources.{name}.sweeps]]
name = "dated"
from = "-14d"
to = "90d"
every = "1s"
"""


def source(base_url: str, credentials: str, name: str = "acme") -> str:
    """Returns the table of a source with one sweep that runs every second."""
    return _SOURCE.format(name=name, base_url=base_url, credentials=credentials)


def settings(folder: Path, sources: str, channels: Mapping[str, str], more: str = "") -> Settings:
    """Writes `config.toml` into the folder and reads it."""
    tables = [f'[channels.{name}]\nurl = "{url}"' for name, url in channels.items()]
    path = folder / "config.toml"
    path.write_text("\n".join([more, sources, *tables]), encoding="utf-8")
    return load_settings(path, {})
