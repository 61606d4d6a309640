"""Every history keeps the promises of `ports.history`, with and without encryption."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.support.history_databases import START, HistoryDatabase, entry, ring, texts
from zhiyin.domain.caller import ANONYMOUS
from zhiyin.domain.errors import NotFound
from zhiyin.domain.history import HistoryQuery
from zhiyin.domain.search import found_in, terms
from zhiyin.store.history_sql.store import SqlHistory

NASTY = [
    "' OR 1=1 --", "'; DROP TABLE transcripts; --", '" OR ""="', "%", "_", "\\", "a%' ESCAPE '!",
    "\x00", "￥", "😀", "<script>alert(1)</script>", ") UNION SELECT * FROM owner_keys --",
]  # fmt: skip


@pytest.fixture(params=["plain", "encrypted"])
async def history(
    history_db: HistoryDatabase, request: pytest.FixtureRequest
) -> AsyncIterator[SqlHistory]:
    keys = ring("k1") if request.param == "encrypted" else None
    async with history_db.open(keys) as opened:
        yield opened


async def test_what_is_kept_comes_back_whole(history: SqlHistory) -> None:
    kept = entry("打开客厅的灯 \x00 😀 \n'\"")
    assert await history.add([kept]) == 1
    assert await history.get(ANONYMOUS, kept.id) == kept
    assert await history.get(ANONYMOUS, kept.caller.request_id) == kept
    (summary,) = (await history.page(HistoryQuery(ANONYMOUS))).summaries
    assert summary.text == kept.transcript.text
    assert (summary.id, summary.time, summary.caller) == (kept.id, kept.time, kept.caller)
    assert summary.duration_s == kept.transcript.duration
    assert summary.latency_s == kept.latency_s


async def test_a_known_id_is_passed_over(history: SqlHistory) -> None:
    one, two = entry("one"), entry("two")
    assert await history.add([one]) == 1
    assert await history.add([one, two]) == 1
    assert await history.add([one, two]) == 0
    assert await texts(history) == ["two", "one"]


async def test_of_equal_request_ids_the_newest_counts(history: SqlHistory) -> None:
    old, new = entry("old", request_id="mine"), entry("new", request_id="mine")
    await history.add([old, new])
    assert await history.get(ANONYMOUS, "mine") == new
    await history.delete(ANONYMOUS, "mine")
    assert await history.get(ANONYMOUS, "mine") == old


async def test_pages_are_in_order_and_lose_and_double_nothing(history: SqlHistory) -> None:
    kept = [entry(f"text {n}") for n in range(230)]
    random.Random(1).shuffle(kept)
    await history.add(kept)
    newest = [e.transcript.text for e in sorted(kept, key=lambda e: -e.id)]
    assert await texts(history) == newest
    page = await history.page(HistoryQuery(ANONYMOUS, limit=100))
    await history.add([entry("newer than all")])
    after = await history.page(HistoryQuery(ANONYMOUS, before=page.before, limit=100))
    assert [s.text for s in after.summaries] == newest[100:200]


async def test_filters(history: SqlHistory) -> None:
    kept = [
        entry("a", language="zh", model="small", time=START),
        entry("b", language="en", model="small", time=START + timedelta(microseconds=1)),
        entry("c", language="en", model="base", time=START + timedelta(hours=1)),
    ]
    await history.add(kept)

    async def found(**filters: object) -> str:
        page = await history.page(HistoryQuery(ANONYMOUS, **filters))  # type: ignore[arg-type]
        return "".join(s.text or "?" for s in page.summaries)

    assert await found(language="en") == "cb"
    assert await found(model="small") == "ba"
    assert await found(language="en", model="small") == "b"
    assert await found(since=START + timedelta(microseconds=1)) == "cb"
    assert await found(until=START + timedelta(microseconds=1)) == "a"
    assert await found(since=START, until=START + timedelta(minutes=1), language="en") == "b"
    assert await found(language="ZH") == ""


async def test_owners_see_nothing_of_each_other(history: SqlHistory) -> None:
    ann, upper = entry("secret of ann", owner="ann"), entry("secret of Ann", owner="Ann")
    await history.add([ann, upper, entry("secret of bob", owner="bob")])
    assert await texts(history, "secret", owner="ann") == ["secret of ann"]
    assert await texts(history, owner="ann") == ["secret of ann"]
    for wanted in (ann.id, ann.caller.request_id):
        with pytest.raises(NotFound):
            await history.get("bob", wanted)
        with pytest.raises(NotFound):
            await history.delete("bob", wanted)
    assert await history.get("ann", ann.id) == ann


async def test_search_finds_what_is_there_and_nothing_else(history: SqlHistory) -> None:
    chance = random.Random(2)
    chars = "打开客厅的灯关上窗户今天气很好 abcABC，。"
    kept = [entry("".join(chance.choices(chars, k=chance.randint(0, 25)))) for _ in range(600)]
    await history.add(kept)
    for query in [
        "打开",
        "客厅的",
        "灯",
        "灯 窗",
        "a",
        "ab",
        "c灯",
        "BC",
        "开客厅",
        "天 气 很",
        "。",
    ]:
        wanted = [e.transcript.text for e in reversed(kept)
                  if found_in(terms(query), e.transcript.text)]  # fmt: skip
        assert await texts(history, query) == wanted, query


async def test_ten_thousand_are_listed_and_searched_rightly(history_db: HistoryDatabase) -> None:
    chance = random.Random(3)
    words = ["打开", "关上", "客厅", "卧室", "的", "灯", "窗户", "turn", "off", "Light", "，"]
    kept = [
        entry("".join(chance.choices(words, k=chance.randint(1, 12))), language=language)
        for _ in range(5_000)
        for language in ("zh", "en")
    ]
    async with history_db.open(ring("k1")) as history:
        for begin in range(0, len(kept), 1_000):
            await history.add(kept[begin : begin + 1_000])
        newest = [e.transcript.text for e in reversed(kept)]
        assert await texts(history) == newest
        for query in ("客厅的灯", "turn off", "灯", "offlight 窗户", "卧室卧室卧室", "nowhere"):
            wanted = [text for text in newest if found_in(terms(query), text)]
            assert await texts(history, query) == wanted, query


async def test_a_search_that_reads_much_goes_on_with_a_cursor(history: SqlHistory) -> None:
    await history.add([entry("the needle: q")] + [entry("hay") for _ in range(2_500)])
    page = await history.page(HistoryQuery(ANONYMOUS, terms("q")))
    assert page.summaries == ()
    assert page.before is not None
    assert await texts(history, "q") == ["the needle: q"]


@pytest.mark.parametrize("nasty", NASTY)
async def test_nothing_is_taken_for_sql(history: SqlHistory, nasty: str) -> None:
    hidden = entry("hidden", owner="bob")
    mine = entry(f"x{nasty}x", owner="ann", request_id=nasty, language=nasty[:16], model=nasty)
    await history.add([hidden, mine])
    assert await texts(history, f"x{nasty}", owner="ann") == [mine.transcript.text]
    query = HistoryQuery(nasty, terms(nasty), nasty, nasty)
    assert (await history.page(query)).summaries == ()
    named = HistoryQuery("ann", (), nasty[:16], nasty)
    assert len((await history.page(named)).summaries) == 1
    assert await history.get("ann", nasty) == mine
    await history.delete("ann", nasty)
    with pytest.raises(NotFound):
        await history.get(nasty, nasty)
    assert await texts(history, owner="bob") == ["hidden"]


async def test_deleted_is_deleted_with_its_tokens(history: SqlHistory) -> None:
    one, two = entry("gone for good"), entry("stays for good")
    await history.add([one, two])
    await history.delete(ANONYMOUS, one.id)
    for wanted in (one.id, one.caller.request_id):
        with pytest.raises(NotFound):
            await history.get(ANONYMOUS, wanted)
        with pytest.raises(NotFound):
            await history.delete(ANONYMOUS, wanted)
    assert await texts(history, "good") == ["stays for good"]


async def test_what_is_too_old_goes_a_bounded_number_at_a_time(history: SqlHistory) -> None:
    kept = [entry(f"{n}", time=START + timedelta(days=n)) for n in range(30)]
    await history.add(kept)
    until = START + timedelta(days=20)
    assert [await history.expire(until, 8) for _ in range(4)] == [8, 8, 4, 0]
    assert len(await texts(history)) == 10


async def test_erasing_an_owner_leaves_the_others(history: SqlHistory) -> None:
    await history.add([entry(f"{n}", owner=owner) for n in range(700) for owner in ("ann", "bob")])
    erased = await history.erase("ann")
    assert erased.transcripts == 700
    assert await texts(history, owner="ann") == []
    assert len(await texts(history, owner="bob")) == 700
    assert (await history.erase("ann")).transcripts == 0
    await history.add([entry("again", owner="ann")])
    assert await texts(history, owner="ann") == ["again"]


async def test_all_entries_in_order_for_moving(history: SqlHistory) -> None:
    kept = [entry(f"{n}", owner=f"o{n % 3}") for n in range(50)]
    await history.add(kept)
    found = await history.entries(0, 30)
    found += await history.entries(found[-1].id, 30)
    assert found == kept
