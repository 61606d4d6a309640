"""Logging on standard error, as text or JSON lines. Never transcripts, audio, names or keys.

Our own messages keep to that. Other libraries log data, at some levels whole messages
(websockets) and addresses (uvicorn): of theirs only the template is logged, with nothing but
numbers filled in, and no exception with its message.
"""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from zhiyin.ops.outline import outline

FIELDS = ("method", "route", "status", "code", "took_ms", "client", "cache")
"""Extra fields that a line may have besides its message and request id."""

_OURS = "zhiyin"
_PLAIN = frozenset(
    {"uvicorn", "asyncio"}
)  # their messages are constant, up to the first line's end
_BROKEN = ("OperationalError", "InterfaceError")  # every database driver's names (PEP 249)
_WITHHELD = "(a message of this library)"
log = logging.getLogger(__name__)


def configure(level: str, form: str) -> None:
    """Set up the root logger; `level` is ours, other libraries log from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(form))
    handler.addFilter(lambda record: _ours(record) or record.levelno >= logging.WARNING)
    handler.addFilter(lambda record: not _is_lost_connection(record))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(_OURS).setLevel(level.upper())
    # Connections to unreachable brokers fail every second; our adapter logs it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # Each step of a migration at INFO.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_of_use)
    logging.captureWarnings(capture=True)
    threading.excepthook = _thread_died
    sys.unraisablehook = _unraisable


def _formatter(form: str) -> logging.Formatter:
    shared: list[Processor] = [
        _message,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.ExtraAdder(FIELDS),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper("iso", utc=True, key="time"),
        _exception,
    ]
    last: list[Processor]
    if form == "json":
        last = [
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    else:
        colors = sys.stderr.isatty()
        last = [structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="time", pad_event_to=0)]
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        foreign_pre_chain=shared,
        use_get_message=False,
        pass_foreign_args=True,
    )


def _is_of_use(record: logging.LogRecord) -> bool:
    """Drops uvicorn's WebSocket lines, which have the client's address.

    Also its error for each handshake that is refused with a response: we log that one ourselves.
    """
    text = str(record.msg)
    return '"WebSocket ' not in text and "without completing handshake" not in text


def _is_lost_connection(record: logging.LogRecord) -> bool:
    """The pool could not close a lost connection; its user logs the loss."""
    error = record.exc_info[1] if record.exc_info else None
    broken = isinstance(error, OSError) or type(error).__name__ in _BROKEN
    return record.name.startswith("sqlalchemy.pool") and broken


def _ours(record: logging.LogRecord) -> bool:
    return record.name.split(".", 1)[0] == _OURS


def _message(_: Any, __: str, line: EventDict) -> EventDict:
    """The message, with its values only where it is ours."""
    record: logging.LogRecord = line["_record"]
    args = line.pop("positional_args")
    if _ours(record):
        line["event"] = line["event"] % args if args else line["event"]
    else:
        line["event"] = _without_values(record.name, line["event"], args)
    line.pop("stack_info", None)
    return line


def _without_values(name: str, template: str, args: Any) -> str:
    """A library's message without values; one without arguments may have been formatted before."""
    if not args and name.split(".", 1)[0] not in _PLAIN:
        return _WITHHELD
    template = template.strip().split("\n", 1)[0]
    if isinstance(args, tuple):
        known = tuple(a if isinstance(a, int | float) else "..." for a in args)
        try:
            return template % known
        except (TypeError, ValueError):
            pass
    return template


def _exception(_: Any, __: str, line: EventDict) -> EventDict:
    info = line.pop("exc_info", None)
    if isinstance(info, tuple) and info[1] is not None:
        line["exception"] = outline(info[1])
    return line


def _info(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> tuple[type[BaseException], BaseException, TracebackType | None] | None:
    return None if error is None else (kind, error, trace)


def _thread_died(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        log.error(
            "a thread died", exc_info=_info(args.exc_type, args.exc_value, args.exc_traceback)
        )


def _unraisable(args: Any) -> None:
    log.error(
        "an error could not be raised",
        exc_info=_info(args.exc_type, args.exc_value, args.exc_traceback),
    )
