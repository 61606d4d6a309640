"""Cache key of a result: everything that can change the text is in it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

from zhiyin.domain.engine import ModelInfo
from zhiyin.domain.options import TranscribeOptions


def result_key(
    recording: bytes, options: TranscribeOptions, model: ModelInfo, version: str, edition: str
) -> str:
    """64 hexadecimal digits for the digest of a recording, decoded with these options.

    `version` is the engine's (`ports.engine`), `edition` names all that is the same for every
    request of this service. Names of one model share a key.
    """
    wanted = asdict(replace(options, model=model.id))
    parts = [recording.hex(), wanted, model.engine, version, edition]
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
