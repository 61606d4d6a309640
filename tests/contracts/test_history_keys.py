"""Encryption of the history, looked at from outside: raw files, swapped rows, lost keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from tools.mariadb import MariaDb

from tests.support.history_databases import HistoryDatabase, entry, ring, texts
from zhiyin.domain.caller import ANONYMOUS
from zhiyin.domain.errors import CannotDecrypt
from zhiyin.domain.history import HistoryQuery
from zhiyin.ports.cipher import KeyRing
from zhiyin.store.cipher_aesgcm import AesRing, generate, parse_keys
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.history_sql.store import SqlHistory

WORDS = "打开客厅的灯 and quokkas"
TRACES = (WORDS, "客厅", "quokka")


async def run(history: SqlHistory, statement: str) -> None:
    async with history._database.transaction(write=True) as connection:
        await connection.execute(text(statement))


async def reseal(history: SqlHistory, keys: KeyRing, limit: int = 7) -> tuple[int, int]:
    sealed = unreadable = 0
    after: int | None = 0
    while after is not None:
        done = await history.reseal(after, limit, keys)
        sealed, unreadable, after = sealed + done.sealed, unreadable + done.unreadable, done.after
    return sealed, unreadable


def seen(raw: bytes) -> list[str]:
    forms = [(trace, form) for trace in TRACES for form in ("utf-8", "utf-16-le", "utf-16-be")]
    return [trace for trace, form in forms if trace.encode(form) in raw]


@pytest.fixture(params=["sqlite", "mariadb"])
async def alone(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[HistoryDatabase]:
    """A database on whose disk there is nothing else."""
    if request.param == "sqlite":
        file = tmp_path / "history.db"
        yield HistoryDatabase(f"sqlite+aiosqlite:///{file}", file=file)
        return
    with MariaDb(tmp_path / "server") as server:
        server.sql("CREATE DATABASE history")
        history_db = HistoryDatabase(server.url("history"), server=server)
        async with history_db.open() as history:
            await history.migrate()
        yield history_db


async def test_without_a_key_text_can_be_read_in_the_files(alone: HistoryDatabase) -> None:
    """Proves that the next test looks in the right place."""
    async with alone.open() as history:
        await history.add([entry(WORDS)])
    assert WORDS in seen(alone.raw())


async def test_with_a_key_nothing_can_be_read_in_the_files(alone: HistoryDatabase) -> None:
    async with alone.open(ring("k1")) as history:
        await history.add([entry(WORDS) for _ in range(50)])
        assert await texts(history, "客厅") == [WORDS] * 50
        assert await texts(history, "nothing of that kind") == []
        live = alone.raw() if alone.file is not None else b""  # with the journal of an open file
    assert seen(live + alone.raw()) == []


async def test_erased_text_is_gone_from_the_file(tmp_path: Path) -> None:
    """MariaDB keeps old versions for a while: there, encryption answers for it."""
    file = tmp_path / "history.db"
    alone = HistoryDatabase(f"sqlite+aiosqlite:///{file}", file=file)
    async with alone.open() as history:
        await history.add([entry(WORDS, owner="ann") for _ in range(50)])
        await history.erase("ann")
        assert seen(alone.raw()) == []


async def test_a_wrong_key_is_an_error_and_never_garbage(history_db: HistoryDatabase) -> None:
    kept = entry(WORDS)
    async with history_db.open(ring("k1")) as history:
        await history.add([kept])
    for keys in (ring("k1"), ring("k2"), PlainRing()):
        async with history_db.open(keys) as history:
            for work in (
                history.prepare(), history.get(ANONYMOUS, kept.id), texts(history),
                history.add([entry("new")]), history.entries(0, 10),
            ):  # fmt: skip
                with pytest.raises(CannotDecrypt):
                    await work
            await history.delete(ANONYMOUS, kept.id)
            await run(history, "SELECT 1")
        async with history_db.open(ring("k9")) as history:
            await history.erase(ANONYMOUS)
        async with history_db.open(ring("k1")) as history:
            await history.add([kept])


async def test_swapped_and_forged_rows_are_noticed(history_db: HistoryDatabase) -> None:
    one, two = entry("what ann said"), entry("what bob said")
    async with history_db.open(ring("k1")) as history:
        await history.add([one, two])
        await run(
            history,
            f"UPDATE transcripts SET text = (SELECT text FROM (SELECT text FROM transcripts "
            f"WHERE id = {two.id}) x), details = (SELECT details FROM (SELECT details FROM "
            f"transcripts WHERE id = {two.id}) y) WHERE id = {one.id}",
        )
        with pytest.raises(CannotDecrypt, match="another record"):
            await history.get(ANONYMOUS, one.id)
        assert await texts(history) == ["what bob said", None]
        await run(history, f"UPDATE transcripts SET text = details WHERE id = {two.id}")
        assert await texts(history) == [None, None]
        assert await history.get(ANONYMOUS, two.id) == two
        forged = "UPDATE transcripts SET key_id = '', text = x'0041', details = x'007b7d'"
        await run(history, forged)
        assert await texts(history) == [None, None]
        with pytest.raises(CannotDecrypt, match="without encryption"):
            await history.get(ANONYMOUS, two.id)
        await run(history, "UPDATE transcripts SET owner = 'bob'")
        assert await texts(history, owner="bob") == [None, None]


async def test_an_owner_without_key_is_unreadable_for_good(history_db: HistoryDatabase) -> None:
    keys = ring("k1")
    kept = entry(WORDS, owner="ann")
    async with history_db.open(keys) as history:
        await history.add([kept, entry("stays", owner="bob")])
        await run(history, "DELETE FROM owner_keys WHERE owner = 'ann'")
        with pytest.raises(CannotDecrypt, match="lost"):
            await history.get("ann", kept.id)
        assert await texts(history, owner="ann") == [None]
        assert await texts(history, WORDS, owner="ann") == []
        assert await texts(history, owner="bob") == ["stays"]
        await history.add([entry("new", owner="ann")])
        assert await texts(history, owner="ann") == ["new", None]
        assert (await history.erase("ann")).transcripts == 2


async def test_rotation_makes_the_old_key_useless(history_db: HistoryDatabase) -> None:
    old, new = generate("k1"), generate("k2")
    kept = [entry(f"text {n} 客厅", owner=f"o{n % 3}") for n in range(40)]
    async with history_db.open(AesRing(parse_keys(old))) as history:
        await history.add(kept)
    both = AesRing(parse_keys(f"{new},{old}"))
    async with history_db.open(both) as history:
        assert len(await texts(history, "客厅", owner="o0")) == 14
        assert await reseal(history, both) == (40, 0)
        assert [(use.ring_key, use.count) for use in await history.keys()] == [("k2", 3)]
        assert await reseal(history, both) == (0, 0)
    async with history_db.open(AesRing(parse_keys(new))) as history:
        assert await history.entries(0, 100) == kept
        assert len(await texts(history, "客厅", owner="o0")) == 14
        assert await texts(history, "text 39", owner="o0") == [kept[39].transcript.text]
    async with history_db.open(AesRing(parse_keys(old))) as history:
        with pytest.raises(CannotDecrypt):
            await history.prepare()


async def test_the_service_goes_on_during_a_rotation(history_db: HistoryDatabase) -> None:
    old, new = generate("k1"), generate("k2")
    both = AesRing(parse_keys(f"{new},{old}"))
    async with history_db.open(AesRing(parse_keys(old))) as history:
        await history.add([entry(f"old {n}") for n in range(60)])
    async with history_db.open(both) as serving, history_db.open(both) as rotating:
        after: int | None = 0
        written = 0
        while after is not None:
            after = (await rotating.reseal(after, 10, both)).after
            found = await texts(serving, "old")
            assert len(found) == 60, "a search looks under both keys"
            await serving.add([entry(f"new {written}")])
            written += 1
        assert len(await texts(serving, "new")) == written
        assert len(await texts(serving)) == 60 + written


async def test_rotation_while_others_write(history_db: HistoryDatabase) -> None:
    old, new = generate("k1"), generate("k2")
    both = AesRing(parse_keys(f"{new},{old}"))
    async with history_db.open(both) as serving, history_db.open(both) as rotating:
        await serving.add([entry(f"old {n}") for n in range(60)])

        async def write() -> None:
            for n in range(60):
                await serving.add([entry(f"new {n}")])

        await asyncio.gather(write(), reseal(rotating, both, 5))
        await reseal(rotating, both)
        assert len(await texts(serving)) == 120
        assert None not in await texts(serving)


async def test_encryption_can_be_switched_on_later_and_off_again(
    history_db: HistoryDatabase,
) -> None:
    kept = [entry(f"{WORDS} {n}") for n in range(20)]
    keys = ring("k1")
    async with history_db.open() as history:
        await history.add(kept)
    async with history_db.open(keys) as history:
        assert set(await texts(history)) == {None}
        with pytest.raises(CannotDecrypt, match="zhiyin keys rotate"):
            await history.get(ANONYMOUS, kept[0].id)
        assert await reseal(history, keys) == (20, 0)
        assert await history.entries(0, 100) == kept
        assert await texts(history, "quokkas 7") == [
            kept[17].transcript.text,
            kept[7].transcript.text,
        ]
    if history_db.file is not None:
        assert seen(history_db.raw()) == []
    async with history_db.open(keys) as history:
        assert await reseal(history, PlainRing()) == (20, 0)
    async with history_db.open() as history:
        assert await history.entries(0, 100) == kept
        assert len(await texts(history, "客厅")) == 20


async def test_what_does_not_open_is_left_alone_by_a_rotation(history_db: HistoryDatabase) -> None:
    old, new = generate("k1"), generate("k2")
    one, two = entry("damaged"), entry("fine")
    async with history_db.open(AesRing(parse_keys(old))) as history:
        await history.add([one, two])
        await run(history, f"UPDATE transcripts SET text = x'01026b31' WHERE id = {one.id}")
    both = AesRing(parse_keys(f"{new},{old}"))
    async with history_db.open(both) as history:
        assert await reseal(history, both) == (1, 1)
        assert {use.ring_key for use in await history.keys()} == {"k1", "k2"}
        assert await history.get(ANONYMOUS, one.id) == one, "its details are whole, its key kept"
        assert await texts(history) == ["fine", None]


async def test_searching_an_encrypted_list_needs_the_key(history_db: HistoryDatabase) -> None:
    async with history_db.open(ring("k1")) as history:
        await history.add([entry(WORDS)])
        page = await history.page(HistoryQuery(ANONYMOUS, ("客厅",)))
        assert len(page.summaries) == 1
