"""Encryption of captions in Redis, looked at from outside."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.caption_rooms import final, reading, replicas, said
from tests.support.history_databases import ring
from tests.support.valkey import Valkey
from tests.support.waiting import until
from zhiyin.domain.caller import Caller
from zhiyin.domain.captions import UNREADABLE, Caption, CaptionMessage
from zhiyin.domain.errors import CannotDecrypt
from zhiyin.ports.cipher import Cipher
from zhiyin.store.captions_redis import RedisCaptions
from zhiyin.store.captions_wire import decode, encode
from zhiyin.store.cipher_plain import PlainRing

WORDS = "打开客厅的灯 and quokkas"
RECORD = "zhiyin:captions:{hall}:record"


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path)
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def opened(server: Valkey, cipher: Cipher) -> AsyncIterator[RedisCaptions]:
    store = RedisCaptions(server.url, cipher)
    yield store
    await store.close()


def raw(folder: Path) -> bytes:
    """All that Redis has on its disk; it writes every command there."""
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("encrypted", [True, False])
async def test_nothing_said_is_in_redis(valkey: Valkey, tmp_path: Path, encrypted: bool) -> None:
    keys = ring("k1") if encrypted else PlainRing()
    async with opened(valkey, keys) as store, opened(valkey, keys) as other:
        assert await store.claim("hall", "a")
        async with aclosing(other.follow("hall")) as batches:
            assert await anext(batches) == ()
            assert await store.publish("hall", "a", said(1, text=WORDS))
            assert await anext(batches) == (said(1, text=WORDS),)
        assert await other.history("hall") == (said(1, text=WORDS),)
        with valkey.client() as client:
            entries: Any = client.xrange(RECORD)
        values = b"".join(value for _, fields in entries for value in fields.values())
        assert values
        assert ("客厅".encode() in values) is not encrypted
        assert ("客厅".encode() in raw(tmp_path)) is not encrypted


async def test_captions_can_not_be_swapped(valkey: Valkey) -> None:
    keys = ring("k1")
    async with opened(valkey, keys) as store:
        for room in ("hall", "cellar"):
            assert await store.claim(room, "a")
            for number in range(2):
                await store.publish(room, "a", said(number, text=f"{room} {number}"))
        with valkey.client() as client:
            moved: Any = client.xrange(RECORD.replace("hall", "cellar"))
            client.xadd(RECORD, moved[0][1])
        with pytest.raises(CannotDecrypt, match="another record"):
            await store.history("hall")
        async with aclosing(store.follow("hall")) as batches:
            first = await anext(batches)
        told = [p.event.text for p in first if isinstance(p.event, Caption)]
        assert told == ["hall 0", "hall 1"]
        assert first[-1] == CaptionMessage("", 0, UNREADABLE)


def test_a_caption_is_bound_to_its_name() -> None:
    keys = ring("k1")
    text = encode(said(1, text=WORDS), "hall", keys)
    assert decode(text, "hall", keys) == said(1, text=WORDS)
    for change in ({"replica": "b"}, {"talk": 7}, {"id": 2}, {"kind": "warning"}):
        with pytest.raises(CannotDecrypt):
            decode(json.dumps(json.loads(text) | change), "hall", keys)
    forged = encode(said(1, text="forged"), "hall", PlainRing())
    with pytest.raises(CannotDecrypt, match="without encryption"):
        decode(forged, "hall", keys)
    for wrong in (ring("k1"), ring("k2"), PlainRing()):
        with pytest.raises(CannotDecrypt):
            decode(text, "hall", wrong)
    for odd in ("{", '{"sealed": "x"}', text.replace('"sealed":"', '"sealed":"%')):
        with pytest.raises(ValueError, match=r".*"):
            decode(odd, "hall", keys)


async def test_a_server_with_a_wrong_key_says_so_and_goes_on(valkey: Valkey) -> None:
    keys = RedisCaptions(valkey.url, ring("k1")), RedisCaptions(valkey.url, ring("k2"))
    async with replicas(*keys) as (here, there):
        speaker = await here.speak("hall", Caller())
        speaker.publish(final(0))
        await until(lambda: not here._rooms["hall"]._outbox)
        with pytest.raises(CannotDecrypt):
            await there.history("hall")
        async with reading(there, "hall") as far, reading(here, "hall") as near:
            speaker.publish(final(1))
            speaker.publish(final(2))
            await near.has("text 0", "text 1", "text 2")
            await until(lambda: far.told == [UNREADABLE])
            assert far.texts == []
        await speaker.finish()
        own = await there.speak("hall", Caller())
        async with reading(there, "hall") as far:
            own.publish(final(0))
            await far.has("text 0")
        await own.finish()
