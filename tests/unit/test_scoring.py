"""Hand-made cases for the scoring rules of `bench`."""

from __future__ import annotations

import pytest

pytest.importorskip("opencc")
pytest.importorskip("rapidfuzz")
pytest.importorskip("whisper_normalizer")

from zhiyin.scoring import Edits, metric, score, total, units, visible_characters
from zhiyin.scoring.numerals import digits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # structured numbers
        ("十五", "15"),
        ("二十", "20"),
        ("一百零五", "105"),
        ("一百五", "150"),
        ("一百五十", "150"),
        ("一千零一夜", "1001夜"),
        ("两千零一十六", "2016"),
        ("二万五千里", "25000里"),
        ("一万二", "12000"),
        ("十万", "100000"),
        ("一亿三千万", "130000000"),
        ("一万亿", "1000000000000"),
        ("三百四十一点五万元", "3415000元"),
        ("一百四十四亿美元", "14400000000美元"),
        ("一点二万余元", "12000余元"),
        # digit strings, as in telephone numbers and years
        ("二零一六年", "2016年"),
        ("二〇一六年", "2016年"),
        ("幺三六二八零", "136280"),
        ("007号", "007号"),
        ("f零十五", "f015"),
        # a machine's own ways to write the same
        ("341.5万元", "3415000元"),
        ("3,415,000元", "3415000元"),
        ("144 亿美元", "14400000000美元"),
        ("3百", "300"),
        ("1万2000", "12000"),
        # decimals, clocks, percentages, fractions
        ("一点五倍", "1点5倍"),
        ("1.5倍", "1点5倍"),
        ("三点二十", "3点20"),
        ("3:20", "3点20"),
        ("3.5.", "3点5."),
        ("162.866.930", "162.866.930"),
        ("百分之三点五", "百分之3点5"),
        ("3.5%", "百分之3点5"),
        ("三分之一", "3分之1"),
        ("1/3", "3分之1"),
        ("1.00005万", "10000点5"),
        # words that hold a numeral: harmless, because the other side gets the same
        ("一起", "1起"),
        ("一些", "1些"),
        ("万一", "万1"),
        ("十分", "10分"),
        ("千万别", "千万别"),
        ("数百亿", "数百亿"),
        ("百度", "百度"),
        ("二三十个", "230个"),
        ("二十三十", "2030"),
        ("十一十二月", "1112月"),
        ("乱七八糟", "乱78糟"),
        ("一点一点", "1点1点"),
        ("", ""),
    ],
)
def test_chinese_numerals_become_digits(text: str, expected: str) -> None:
    assert digits(text) == expected


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("我们一起去吧", "我們一起去吧!"),
        ("购房者主要集中在二十五到三十五岁之间", "购房者主要集中在25到35岁之间。"),
        ("自六月底", "自6月底"),
        ("国务院派出八个督察组", "国务院派出8个督察组"),
        ("十分感谢", "十分感謝"),
        ("苹果表配A P P L E P A Y", "苹果表配 Apple Pay"),
        ("奔驰F零十五的设计灵感", "奔驰F015的设计灵感"),
        ("清点出三百多斤硬币总共一点二万余元", "清点出300多斤硬币,总共1.2万余元"),
        ("这座工厂耗费一百四十四亿美元建设", "這座工廠耗費144億美元建設"),
        ("头发", "頭髮"),
        ("全角ＡＢＣ１２３", "全角abc123"),
    ],
)
def test_equal_chinese_speech_costs_nothing(spoken: str, written: str) -> None:
    assert score(spoken, written, "zh").total == 0
    assert score(written, spoken, "zh").total == 0


def test_chinese_counts_characters() -> None:
    assert score("床前明月光", "窗前明月", "zh") == Edits(1, 1, 0, 5)
    assert score("你好", "你好啊!", "zh") == Edits(0, 0, 1, 2)


def test_a_misheard_numeral_word_is_still_an_error() -> None:
    assert score("万一", "万", "zh").total == 1
    assert score("一起", "已起", "zh").total == 1


def test_cantonese_is_scored_as_chinese() -> None:
    assert score("开客厅嘅灯。", "開客廳嘅燈", "yue") == Edits(0, 0, 0, 5)
    assert score("开客厅嘅灯", "开客厅的灯", "yue") == Edits(1, 0, 0, 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # what openai-whisper 20250625 itself gives
        ("Mr. Smith's colour isn't grey", "mister smith is color is not gray"),
        ("um, twenty-one dollars [noise] (laughs)", "$21"),
        ("oh three six", "036"),
        ("one hundred", "100"),
        ("kinda the cause, dunno", "kinda the cause dunno"),
        ("café 1,000", "cafe 1000"),
    ],
)
def test_english_is_whispers_own_normalization(text: str, expected: str) -> None:
    assert " ".join(units(text, "en")) == expected


def test_english_counts_words() -> None:
    assert score("thirty three", "33.", "en").total == 0
    assert score("he could wait no longer", "He can wait longer.", "en") == Edits(1, 1, 0, 5)


def test_other_languages_count_words_without_case_and_punctuation() -> None:
    assert score("бедняга, ребят!", "Бедняга ребят", "ru") == Edits(0, 0, 0, 2)
    assert score("détails de l'audio", "Details de l’audio.", "fr") == Edits(1, 0, 0, 4)
    assert score("ﬁn Straße", "fin straße", "de").total == 0
    assert units("हिन्दी में", "hi") == ["हिन्दी", "में"]


def test_unspaced_languages_count_characters() -> None:
    assert score("今日は、晴れ", "今日は雨", "ja") == Edits(1, 1, 0, 5)


def test_mixed_speech_counts_characters_and_words() -> None:
    assert units("交易额二十亿 There's a Pot。", "zh-en") == [
        *"交易额",
        "2000000000",
        "theres",
        "a",
        "pot",
    ]
    assert score("我的iPhone坏了", "我的 iphone 怀了", "zh-en") == Edits(1, 0, 0, 5)


def test_metric_names() -> None:
    named = {lang: metric(lang) for lang in ("en", "fr", "zh", "yue", "ja", "zh-en")}
    assert named == {
        "en": "WER",
        "fr": "WER",
        "zh": "CER",
        "yue": "CER",
        "ja": "CER",
        "zh-en": "MER",
    }


def test_micro_average_weighs_by_units() -> None:
    both = total([Edits(1, 0, 0, 1), Edits(0, 0, 1, 9)])
    assert both == Edits(1, 0, 1, 10)
    assert both.percent == 20.0
    assert total([]).percent is None


def test_invented_text_is_counted_without_punctuation() -> None:
    assert visible_characters(" Thank you. ") == 8
    assert visible_characters("...♪") == 0
