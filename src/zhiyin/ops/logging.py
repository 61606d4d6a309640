"""Logs on standard error, for people or as JSON lines. Never text, audio, names or keys.

Our own lines are written so. Other libraries quote what they work on, at some levels whole messages
(websockets) and addresses (uvicorn): of theirs only the sentence in the program is shown, with
nothing filled in but numbers, and no exception shows its message.
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
"""What may stand in a line besides its sentence and the request's id, where the line brings it."""

_OURS = "zhiyin"
_PLAIN = frozenset({"uvicorn", "asyncio"})  # their sentences are fixed, up to the first line's end
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
    # Connections to brokers that are away fail every second; their user logs it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # The changes a database goes through: for a migration by hand, at most.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_no_addresses)
    logging.captureWarnings(capture=True)
    threading.excepthook = _thread_died
    sys.unraisablehook = _unraisable


def _formatter(form: str) -> logging.Formatter:
    shared: list[Processor] = [
        _sentence,
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


def _no_addresses(record: logging.LogRecord) -> bool:
    """Uvicorn logs the address of every WebSocket; `access_log` has logged its route."""
    return '"WebSocket ' not in str(record.msg)


def _is_lost_connection(record: logging.LogRecord) -> bool:
    """The pool could not tidy up a connection whose database went away; its user logs it."""
    error = record.exc_info[1] if record.exc_info else None
    broken = isinstance(error, OSError) or type(error).__name__ in _BROKEN
    return record.name.startswith("sqlalchemy.pool") and broken


def _ours(record: logging.LogRecord) -> bool:
    return record.name.split(".", 1)[0] == _OURS


def _sentence(_: Any, __: str, line: EventDict) -> EventDict:
    """The message, with its values only where it is ours."""
    record: logging.LogRecord = line["_record"]
    args = line.pop("positional_args")
    if _ours(record):
        line["event"] = line["event"] % args if args else line["event"]
    else:
        line["event"] = _bare(record.name, line["event"], args)
    line.pop("stack_info", None)
    return line


def _bare(name: str, template: str, args: Any) -> str:
    """A library's sentence without values: one that takes none may have been put together."""
    if not args and name.split(".", 1)[0] not in _PLAIN:
        return _WITHHELD
    sentence = template.strip().split("\n", 1)[0]
    if isinstance(args, tuple):
        known = tuple(a if isinstance(a, int | float) else "..." for a in args)
        try:
            return sentence % known
        except (TypeError, ValueError):
            pass
    return sentence


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
