"""What is told in a caption room as text, for servers between processes.

What was said is sealed for its room, speaker and caption, so that it can't be passed off as
another's or as said elsewhere. Without a key it stands there as JSON.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict

from zhiyin.domain.captions import Caption, CaptionMessage, CaptionsErased, Ended
from zhiyin.domain.live import Warned
from zhiyin.domain.sealing import PLAIN
from zhiyin.ports.cipher import Cipher

_KINDS: dict[str, type[Caption] | type[Warned] | type[Ended] | type[CaptionsErased]] = {
    "caption": Caption,
    "warning": Warned,
    "ended": Ended,
    "withdrawn": CaptionsErased,
}


def encode(post: CaptionMessage, room: str, cipher: Cipher) -> str:
    """A post as JSON."""
    kind = next(name for name, known in _KINDS.items() if isinstance(post.told, known))
    number = post.told.id if isinstance(post.told, Caption) else -1
    body: dict[str, object] = {"owner": post.owner, "replica": post.replica, "talk": post.talk}
    body |= {"kind": kind, "id": number}
    sealed = cipher.seal(_dump(asdict(post.told)).encode(), _identity(room, body))
    if sealed[:1] == PLAIN:
        return _dump(body | {"told": sealed[1:].decode()})
    return _dump(body | {"sealed": base64.b64encode(sealed).decode()})


def decode(text: str, room: str, cipher: Cipher) -> CaptionMessage:
    """The post that was encoded. Raises CannotDecrypt, and ValueError for what is no post."""
    try:
        body = json.loads(text)
        kind, replica, talk = _KINDS[body["kind"]], str(body["replica"]), int(body["talk"])
        if "sealed" in body:
            sealed = base64.b64decode(body["sealed"], validate=True)
        else:
            sealed = PLAIN + body["told"].encode()
        told = kind(**json.loads(cipher.open(sealed, _identity(room, body))))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("not a post") from error
    return CaptionMessage(replica, talk, told, str(body["owner"]))


def _identity(room: str, body: dict[str, object]) -> str:
    return "captions/{}/{}/{}/{}/{}/{}".format(room, *(body[k] for k in _PUBLIC))


_PUBLIC = ("owner", "replica", "talk", "kind", "id")


def _dump(body: dict[str, object]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
