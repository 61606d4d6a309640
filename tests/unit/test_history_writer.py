"""The history writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.support.history_databases import entry
from tests.support.waiting import until
from zhiyin.core.history.writer import HistoryWriter, HistoryWriterPolicy
from zhiyin.domain.errors import AsrError, CannotDecrypt, Unavailable
from zhiyin.domain.history import HistoryEntry
from zhiyin.ops.observer_memory import MemoryObserver
from zhiyin.ports.observer import UNOBSERVED, Observer
from zhiyin.store.history_off import NoHistory

QUICK = HistoryWriterPolicy(waiting=10, linger_s=0.0, retry_s=0.01, max_retry_s=0.02, drain_s=0.5)


class Shelf(NoHistory):
    """A history in memory; texts with "bad" in them are refused with `error`."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.away = False
        self.error: AsrError = Unavailable("refused")

    async def prepare(self) -> None:
        if self.away:
            raise Unavailable("away")

    async def add(self, entries: Sequence[HistoryEntry]) -> int:
        await self.prepare()
        found = [e.transcript.text for e in entries]
        if any("bad" in text for text in found):
            raise self.error
        self.kept += found
        return len(found)


@asynccontextmanager
async def history_writer(
    session_table: Shelf,
    policy: HistoryWriterPolicy = QUICK,
    observer: Observer = UNOBSERVED,
) -> AsyncIterator[HistoryWriter]:
    made = HistoryWriter(session_table, policy, observer)
    made.start()
    yield made
    await made.close()


async def test_everything_is_written_in_order() -> None:
    session_table = Shelf()
    async with history_writer(session_table) as made:
        for n in range(10):
            assert made.enqueue(entry(f"{n}"))
    assert session_table.kept == [f"{n}" for n in range(10)]


async def test_while_it_is_away_things_wait_and_what_is_too_much_is_dropped() -> None:
    observer = MemoryObserver()
    session_table = Shelf()
    session_table.away = True
    async with history_writer(session_table, observer=observer) as made:
        taken = [made.enqueue(entry(f"{n}")) for n in range(13)]
        assert taken == [True] * 10 + [False] * 3
        await until(lambda: made.degraded_reason == "away")
        session_table.away = False
        await until(lambda: len(session_table.kept) == 10)
        assert made.degraded_reason == ""
        counts = observer.totals("history")
        assert (counts["kept"], counts["dropped"]) == (10, 3)
        assert made.enqueue(entry("more"))
        await until(lambda: session_table.kept[-1] == "more")


async def test_the_size_of_what_waits_is_bounded() -> None:
    made = HistoryWriter(Shelf(), HistoryWriterPolicy(waiting_chars=1000))
    assert made.enqueue(entry("x" * 900))
    assert not made.enqueue(entry("x" * 101))
    assert made.enqueue(entry("x" * 100))
    assert made.waiting == 2


async def test_what_can_never_be_written_is_dropped_alone() -> None:
    observer = MemoryObserver()
    session_table = Shelf()
    session_table.error = CannotDecrypt("no key")
    async with history_writer(session_table, observer=observer) as made:
        for word in ("one", "bad", "two"):
            made.enqueue(entry(word))
        await until(lambda: session_table.kept == ["one", "two"])
        await until(lambda: observer.totals("history")["dropped"] == 1)


async def test_an_entry_that_never_goes_through_does_not_hold_up_the_others() -> None:
    observer = MemoryObserver()
    session_table = Shelf()
    async with history_writer(session_table, observer=observer) as made:
        made.enqueue(entry("bad"))
        for n in range(3):
            made.enqueue(entry(f"{n}"))
            await until(lambda n=n: len(session_table.kept) == n + 1)  # type: ignore[misc]
        await until(lambda: observer.totals("history")["dropped"] == 1)
        assert made.degraded_reason == "" or made.waiting == 0


async def test_nothing_is_dropped_as_long_as_nothing_goes_through() -> None:
    observer = MemoryObserver()
    session_table = Shelf()
    async with history_writer(session_table, observer=observer) as made:
        made.enqueue(entry("bad luck"))
        await until(lambda: observer.totals("history")["failures"] > 10)
        assert observer.totals("history")["dropped"] == 0
        assert made.waiting == 1


async def test_closing_writes_what_waits_but_does_not_wait_for_a_database_that_is_away() -> None:
    session_table = Shelf()
    slow = HistoryWriterPolicy(linger_s=0.1)
    async with history_writer(session_table, slow) as made:
        made.enqueue(entry("last"))
    assert session_table.kept == ["last"]
    session_table.away = True
    async with asyncio.timeout(5), history_writer(session_table, slow) as made:
        made.enqueue(entry("lost"))
        await until(lambda: bool(made.degraded_reason))
    assert session_table.kept == ["last"]
