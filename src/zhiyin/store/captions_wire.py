"""Codec of caption messages: JSON, sealed, as it is sent between processes.

An event is sealed for its room, speaker and caption, so that it can't be replayed as another's or
in another room. Without a key it is plain JSON.
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


def encode(message: CaptionMessage, room: str, cipher: Cipher) -> str:
    """A message as JSON."""
    kind = next(name for name, known in _KINDS.items() if isinstance(message.event, known))
    number = message.event.id if isinstance(message.event, Caption) else -1
    body: dict[str, object] = {"owner": message.owner, "replica": message.replica}
    body |= {"talk": message.turn, "kind": kind, "id": number}
    sealed = cipher.seal(_dump(asdict(message.event)).encode(), _identity(room, body))
    if sealed[:1] == PLAIN:
        return _dump(body | {"told": sealed[1:].decode()})
    return _dump(body | {"sealed": base64.b64encode(sealed).decode()})


def decode(text: str, room: str, cipher: Cipher) -> CaptionMessage:
    """The message that was encoded. Raises CannotDecrypt, and ValueError for anything else."""
    try:
        body = json.loads(text)
        kind, replica, turn = _KINDS[body["kind"]], str(body["replica"]), int(body["talk"])
        if "sealed" in body:
            sealed = base64.b64decode(body["sealed"], validate=True)
        else:
            sealed = PLAIN + body["told"].encode()
        event = kind(**json.loads(cipher.open(sealed, _identity(room, body))))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("not a message") from error
    return CaptionMessage(replica, turn, event, str(body["owner"]))


def _identity(room: str, body: dict[str, object]) -> str:
    return "captions/{}/{}/{}/{}/{}/{}".format(room, *(body[k] for k in _PUBLIC))


_PUBLIC = ("owner", "replica", "talk", "kind", "id")


def _dump(body: dict[str, object]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
