"""Made-up transcripts for the bench of the history."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from zhiyin.domain.caller import ANONYMOUS, Origin
from zhiyin.domain.history import HistoryEntry, new_id
from zhiyin.domain.transcript import Segment, Transcript
from zhiyin.store.history_sql.store import SqlHistory

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_WORDS = {
    "zh": "打开 关上 客厅 卧室 厨房 的 灯 窗户 请 帮我 明天 早上 七点 叫醒 天气 怎么样 播放 音乐 "
    "温度 调到 二十六 度 会议 改到 下午 三点 谢谢 知道了 不用 公司 项目 进展 顺利 下周 出差",
    "en": "turn on off the kitchen bedroom light window please tomorrow morning seven wake me "
    "weather how is play music set temperature degrees meeting moved to afternoon thanks no "
    "project goes well next week travel company",
}
RARE, FREQUENT, ABSENT = "琉璃", "客厅", "饕餮"
_EVERY = 1000  # one in so many has the rare word
_AT_ONCE = 500


def transcripts(count: int, seed: int) -> Iterator[HistoryEntry]:
    """Entries of one owner, a second apart, of 4 to 30 words, one in five English."""
    chance = random.Random(seed)
    for number in range(count):
        language = "en" if number % 5 == 0 else "zh"
        words = chance.choices(_WORDS[language].split(), k=chance.randint(4, 30))
        if number % _EVERY == 7:
            words.append(RARE)
        text = (" " if language == "en" else "").join(words)
        seconds = len(words) / 2.5
        segment = Segment(text, 0.0, seconds, 0.9)
        made = Transcript((segment,), language, 0.99, seconds, "whisper", "whisper-base")
        time = _BEGIN + timedelta(seconds=number)
        caller = Origin(ANONYMOUS, f"req_{number:032x}", "recognize")
        yield HistoryEntry(new_id(time), time, caller, 0.4, made)


async def fill(history: SqlHistory, count: int, seed: int) -> None:
    """Write them."""
    rows = transcripts(count, seed)
    while some := list(islice(rows, _AT_ONCE)):
        await history.add(some)
