"""Logs on standard error, for people or as JSON lines. Never text, audio, names or keys."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON; times in UTC."""
        body = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            body["trace"] = self.formatException(record.exc_info)
        return json.dumps(body, ensure_ascii=False)


def configure(level: str, form: str) -> None:
    """Set up the root logger."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if form == "json" else plain)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx", "faster_whisper", "multipart", "python_multipart", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It repeats every second that a broker is away, which the queue's callers say themselves.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn.error").addFilter(_no_addresses)


def _no_addresses(record: logging.LogRecord) -> bool:
    """Uvicorn tells the address of every WebSocket, tokens included, whatever `access_log` says."""
    return '"WebSocket ' not in str(record.msg)
