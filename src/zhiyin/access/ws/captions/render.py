"""The wire form of caption rooms."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from zhiyin.domain.captions import Caption, CaptionEvent, Ended
from zhiyin.domain.live import Warned


@lru_cache(maxsize=16)
def text(event: CaptionEvent) -> str:
    """An event as JSON; made once for all viewers."""
    return json.dumps(_body(event), ensure_ascii=False)


def history(captions: Iterable[Caption]) -> str:
    """What a viewer gets first, as JSON."""
    return json.dumps({"type": "history", "captions": [_body(c) for c in captions]})


def _body(event: CaptionEvent) -> dict[str, Any]:
    if isinstance(event, Ended):
        return {"type": "end"}
    if isinstance(event, Warned):
        return {"type": "warning", "code": event.code, "message": event.message}
    body = asdict(event)
    return {"type": "caption", **body, "start": round(event.start, 3), "end": round(event.end, 3)}
