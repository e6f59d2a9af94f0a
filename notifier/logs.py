"""Log lines: JSON for machines, plain for a terminal; each has a stable `action`, times are UTC.

Nothing personal and no address of a channel is ever logged: callers log ids, counts and reasons only.
"""

import logging
import sys
from typing import Any, Literal

import orjson
import stamina.instrumentation
import structlog

LogFormat = Literal["auto", "text", "json"]

#: Libraries that would log addresses or every tick.
_QUIET = {
    "alembic": logging.WARNING,
    "apscheduler": logging.ERROR,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
}


def configure_logs(log_format: LogFormat, level: str, progress: str = "notset") -> None:
    """Sends everything that is logged to standard error in one format; `auto` is text on a terminal, else JSON.

    Args:
        log_format: how the lines look.
        level: the least important ones.
        progress: the same for those that tell how far a reading has come, if it is another level.
    """
    text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.EventRenamer("action"),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(text=text)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(quiet)
    logging.getLogger("notifier.progress").setLevel(progress.upper())
    # What fails and is tried again is logged by us, without arguments that may be secret.
    stamina.instrumentation.set_on_retry_hooks([])
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _renderers(*, text: bool) -> list[Any]:
    if text:
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), event_key="action")]
    # Tracebacks become a field: a log line is one line.
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=lambda record, **_: orjson.dumps(record, default=str).decode()),
    ]
