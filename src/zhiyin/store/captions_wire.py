"""What is told in a caption room as text, for servers between processes."""

from __future__ import annotations

import json
from dataclasses import asdict

from zhiyin.domain.captions import Caption, Ended, Post, Told
from zhiyin.domain.live import Warned

_KINDS: dict[str, type[Caption] | type[Warned] | type[Ended]] = {
    "caption": Caption,
    "warning": Warned,
    "ended": Ended,
}


def encode(post: Post) -> str:
    """A post as JSON."""
    kind = next(name for name, known in _KINDS.items() if isinstance(post.told, known))
    body = {"replica": post.replica, "talk": post.talk, "kind": kind, "told": asdict(post.told)}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def decode(text: str) -> Post:
    """The post that was encoded. Raises ValueError for anything else."""
    try:
        body = json.loads(text)
        told: Told = _KINDS[body["kind"]](**body["told"])
        return Post(str(body["replica"]), int(body["talk"]), told)
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("not a post") from error
