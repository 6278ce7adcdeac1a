"""Logs: structured lines on standard error, ours and those of every library alike.

    log = logs.get_logger(__name__)
    with logs.bound(job_id=job.id):
        log.info("stage_done", stage="restore", seconds=3.2)

An event is a constant, what varies stands in fields. Whatever was bound (`request_id`, `job_id`, `worker_id`, …) is on
every line of that task or thread. What may not be in a log is taken out here, not where lines are written:
`core/redaction.py`.
"""

import logging
import logging.config
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from core import redaction

NOISY = (
    "PIL",
    "httpcore",
    "httpx",
    "kombu",
    "amqp",
    "multipart",
    "python_multipart",
    "sqlalchemy",
    "urllib3",
    "asyncio",
)
"""Libraries whose debug lines quote what they are given: never below WARNING, whatever the level."""
TALKATIVE = ("alembic.runtime", "celery.app.trace", "celery.worker.strategy", "uvicorn.access")
"""Of each message or request a line, which says nothing that ours do not."""


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A module's logger. In a process that never calls `configure`, its warnings are plain lines on standard error."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


@contextmanager
def bound(**ids: str | list[str]) -> Iterator[None]:
    """Put ids on every line inside the block, in this task or thread: `request_id`, `job_id`, `job_ids`, `worker_id`.

    A thread that is started inside begins without them: bind there again.
    """
    with structlog.contextvars.bound_contextvars(**ids):
        yield


def configure(
    style: str,
    level: str = "INFO",
    secrets: tuple[str, ...] = (),
) -> None:
    """Send every line of this process, libraries' included, to standard error in one form.

    Args:
        style: `console` for people, `json` for programs.
        level: the lowest that is written.
        secrets: values that no line may contain.
    """
    kept = tuple(secret for secret in secrets if secret)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = [_Guard(kept), structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(style)]
    handler = _StandardError()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in NOISY + TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "celery", "alembic"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    logging.captureWarnings(capture=True)
    _through_logging([*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter])


def _through_logging(processors: list[Processor]) -> None:
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *processors],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # loggers made before the configuration would keep the old one
    )


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what standard error is at that moment, not to what it was when this was made."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _Guard:
    """The last thing before a line is written: nothing passes that `core/redaction.py` does not let through."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets

    def __call__(self, _logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        error = _error_of(line.pop("exc_info", None))
        line.pop("stack_info", None)
        for key, value in line.items():
            if not key.startswith("_"):  # structlog's own, taken away by the next processor
                line[key] = redaction.plain(value, self._secrets)
        if error is not None:
            line["exception"] = redaction.places(error)
        return line


def _error_of(given: Any) -> BaseException | None:  # noqa: ANN401  # True, an error, or what sys.exc_info() gives
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        error: BaseException | None = given[1]
        return error
    return sys.exc_info()[1] if given else None


def _renderer(style: str) -> Processor:
    if style == "json":
        return structlog.processors.JSONRenderer(sort_keys=True)
    if not sys.stderr.isatty():
        return _plain_line
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback, pad_event_to=24)


def _plain_line(_logger: WrappedLogger, _method: str, line: EventDict) -> str:
    """A line as structlog's console shows it, without colours: in a tenth of its time, since every request has one."""
    when, level = line.pop("timestamp", ""), line.pop("level", "")
    event, name, exception = line.pop("event", ""), line.pop("logger", ""), line.pop("exception", "")
    fields = "".join(f" {key}={_shown(line[key])}" for key in sorted(line))
    return f"{when} [{level:<9}] {event:<24} [{name}]{fields}" + (f"\n{exception}" if exception else "")


def _shown(value: object) -> str:
    text = str(value)
    plain = isinstance(value, str) and text and not text.isspace() and " " not in text and text.isprintable()
    return text if plain or isinstance(value, bool | int | float) else repr(value)


# structlog by itself would print to standard output, which is for `--json`.
_through_logging([structlog.contextvars.merge_contextvars, _Guard(()), structlog.processors.KeyValueRenderer()])
