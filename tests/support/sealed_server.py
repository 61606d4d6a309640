"""A server with encryption keys, and a search for what must not lie readable on its disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.jobs import recording, settings
from tests.support.server import running
from zhiyin.store.cipher_aesgcm import generate

OLD, NEW = generate("k1"), generate("k2")
WORDS = "quokka-prompt"
SOUND = recording(30, 40.0)
TRACES = (b"t30 t30", WORDS.encode(), SOUND[1000:1100])


@contextmanager
def client(folder: Path, keys: str, **more: str) -> Iterator[httpx.Client]:
    """A server with these keys."""
    with (
        running(folder, **settings(ZHIYIN_ENCRYPTION__KEYS=keys) | more) as server,
        httpx.Client(base_url=server.url, timeout=60, trust_env=False) as made,
    ):
        yield made


def traces(folder: Path) -> list[bytes]:
    """What of the traces stands somewhere in the folder."""
    raw = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    return [trace for trace in TRACES if trace in raw]
