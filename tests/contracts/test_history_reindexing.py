"""Transcripts that an older version has indexed: found at once, and indexed anew."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete, func, insert, select, update

from tests.support.history_databases import HistoryDatabase, entry, ring, texts
from tests.support.waiting import until
from zhiyin.core.history.retention import RetentionPolicy, Sweeper
from zhiyin.domain.caller import ANONYMOUS
from zhiyin.domain.history import HistoryEntry
from zhiyin.domain.search import INDEX_VERSION, grams
from zhiyin.ports.cipher import KeyRing
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.history_sql.store import SqlHistory
from zhiyin.store.history_sql.tables import tokens, transcripts

SIMPLE, FULL = "祝你身体健康", "祝你身體健康"


@pytest.fixture(params=["plain", "encrypted"])
def keys(request: pytest.FixtureRequest) -> KeyRing:
    return ring("k1") if request.param == "encrypted" else PlainRing()


@pytest.fixture
async def history(history_db: HistoryDatabase, keys: KeyRing) -> AsyncIterator[SqlHistory]:
    async with history_db.open(keys) as opened:
        yield opened


async def add_as_before(
    history: SqlHistory, history_db: HistoryDatabase, kept: list[HistoryEntry]
) -> None:
    """As the version wrote that took each character for itself."""
    await history.add(kept)
    cipher = await history.cipher(ANONYMOUS)
    async with history_db.transaction() as db:
        for one in kept:
            plain = unicodedata.normalize("NFKC", one.transcript.text).casefold()
            (found,) = cipher.tokens(grams(plain))
            await db.execute(delete(tokens).where(tokens.c.transcript == one.id))
            rows = [{"token": token, "transcript": one.id} for token in sorted(set(found))]
            await db.execute(insert(tokens), rows)
            await db.execute(
                update(transcripts).where(transcripts.c.id == one.id).values(indexed=0)
            )


async def outdated(history_db: HistoryDatabase) -> int:
    old = select(func.count()).where(transcripts.c.indexed != INDEX_VERSION)
    async with history_db.transaction() as db:
        return int((await db.execute(old)).scalar_one())


async def test_old_transcripts_are_found_in_both_scripts_at_once(
    history: SqlHistory, history_db: HistoryDatabase
) -> None:
    await add_as_before(history, history_db, [entry(FULL), entry(SIMPLE), entry("somebody else")])
    await history.add([entry(FULL), entry(SIMPLE)])
    for query in ("身体健康", "身體健康"):
        assert await texts(history, query) == [SIMPLE, FULL, SIMPLE, FULL]
    assert await texts(history, "else 身") == []


async def test_they_are_indexed_in_the_background(
    history: SqlHistory, history_db: HistoryDatabase
) -> None:
    await add_as_before(history, history_db, [entry(FULL) for _ in range(45)])
    sweeper = Sweeper(history, RetentionPolicy(0.0))
    sweeper.start()

    async def done() -> bool:
        return await outdated(history_db) == 0

    await until(done)
    await sweeper.close()
    assert await texts(history, "身体健康") == [FULL] * 45
    assert await texts(history, "體") == [FULL] * 45
    await history.delete(ANONYMOUS, (await history.entries(0, 1))[0].id)
    assert len(await texts(history, "身體")) == 44


async def test_rotation_indexes_too(history_db: HistoryDatabase) -> None:
    async with history_db.open(ring("k1")) as history:
        await add_as_before(history, history_db, [entry(FULL)])
        assert (await history.reseal(0, 10, PlainRing())).sealed == 1
    assert await outdated(history_db) == 0
    async with history_db.open() as history:
        assert await texts(history, "身体") == [FULL]


async def test_what_can_not_be_opened_is_passed_over_and_holds_up_nothing(
    history_db: HistoryDatabase,
) -> None:
    keys = ring("k1")
    async with history_db.open(keys) as history:
        await add_as_before(history, history_db, [entry(FULL) for _ in range(3)])
    async with history_db.open(ring("k2")) as history:
        assert await history.reindex(0, 2) is not None
        assert await history.reindex(0, 10) is None
    assert await outdated(history_db) == 3, "it waits for the key"
    async with history_db.open(keys) as history:
        assert await history.reindex(0, 10) is None
        assert await texts(history, "身体") == [FULL] * 3
    assert await outdated(history_db) == 0


async def test_what_no_text_can_have_finds_nothing(history: SqlHistory) -> None:
    await history.add([entry("👍 yes, 好！"), entry("no")])
    for query in ("👍", "😀", "，", "!?", "%", "👍 ！"):
        assert await texts(history, query) == []
    assert await texts(history, "👍 yes!") == ["👍 yes, 好！"]
    assert len(await texts(history, "  ")) == 2
