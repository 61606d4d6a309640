"""Webhooks about a job's end: body and signature, by Standard Webhooks. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from zhiyin.domain.errors import ConfigError
from zhiyin.domain.job import Job

_PREFIX = "whsec_"
_LEAST_BYTES = 24


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """Keys from `whsec_` and base64; several, with spaces between, all sign. Raises ConfigError."""
    keys: list[bytes] = []
    for part in text.split():
        try:
            key = base64.b64decode(part.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            key = b""
        if len(key) < _LEAST_BYTES:
            raise ConfigError(
                "jobs.webhook_secret: use whsec_ and the base64 of at least 24 random bytes: "
                'echo "whsec_$(openssl rand -base64 32)"'
            )
        keys.append(key)
    return tuple(keys)


def message(job: Job) -> bytes:
    """The body: which job ended, and how. Never any of its transcript."""
    failure = job.failure
    error = None if failure is None else {"code": failure.code, "message": failure.message}
    ended = datetime.fromtimestamp(job.ended_at or 0.0, UTC).isoformat(timespec="milliseconds")
    body: dict[str, Any] = {
        "type": f"job.{job.state.value}",
        "timestamp": ended,
        "data": {"id": job.id, "state": job.state.value, "run": job.run, "error": error},
    }
    return json.dumps(body, ensure_ascii=False).encode()


def signed(event_id: str, body: bytes, secrets: Sequence[bytes], now: float) -> dict[str, str]:
    """The headers of a message: its id, when it was sent, and a signature for each secret."""
    stamp = str(int(now))
    content = f"{event_id}.{stamp}.".encode() + body
    digests = (hmac.new(secret, content, hashlib.sha256).digest() for secret in secrets)
    return {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(d).decode()}" for d in digests),
    }
