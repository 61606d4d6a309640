"""Whether a hypothesis is text that the decoder made up over silence or noise. Pure, over one clip.

Whisper's own figures (no-speech probability, mean log-probability) do not tell a short word from a
laugh: they overlap, and int8 on a processor without VNNI moves them by a tenth. How long the speech
detector found speech does: of 302 single words in Mandarin and English 2 have less than a quarter
of a second of it, of 397 noises without a voice 3 have more, and none half a second. So the seconds
of detected speech decide how much the decoder has to be sure, and a phrase that it is known to make
up over noise needs more than any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from zhiyin.engines.whisper.guard import Hypothesis
from zhiyin.engines.whisper.policy import DecodePolicy, Pairs

_TOKENS_PER_SECOND = 8.0  # of detected speech; a word has hardly more

_MARKS = re.compile(r"[\W_]+")

# What Whisper was trained to write where subtitles of films and videos had no speech below them.
_STOCK = frozenset(
    {
        "you", "bye", "byebye", "thanks", "thankyou", "thankyousomuch", "thankyouverymuch",
        "thankyouforwatching", "thanksforwatching", "pleasesubscribe", "music", "applause",
        "laughter", "谢谢", "謝謝", "谢谢大家", "謝謝大家", "谢谢观看", "謝謝觀看",
        "谢谢收看", "謝謝收看", "感谢观看", "感謝觀看", "音乐", "音樂",
        "ご視聴ありがとうございました", "ありがとうございました", "시청해주셔서감사합니다",
        "продолжениеследует", "untertitelungdeszdf2020", "soustitresréaliséspara",
    }
)  # fmt: skip
_CREDITS = (
    "字幕由", "字幕志愿者", "字幕製作", "字幕制作", "请不吝点赞", "請不吝點贊",
    "明镜与点点", "明鏡與點點",
    "优优独播剧场", "thanksforwatching", "thankyouforwatching", "subscribetomychannel", "amaraorg",
    "субтитры", "sottotitoli", "legendaspela",
)  # fmt: skip


def is_silent(h: Hypothesis, policy: DecodePolicy, speech_s: float | None) -> bool:
    """Whether the text is not to be believed.

    `speech_s` is how long speech was detected, in seconds; None without detection.
    """
    if _is_beyond(h, _pairs(h, policy, speech_s)):
        return True
    likely = speech_s is not None and speech_s >= policy.likely_speech_s
    return not likely and is_stock(h.text) and _is_beyond(h, policy.faint_silence)


def is_stock(text: str) -> bool:
    """Whether a text is one of those that Whisper writes where there is nothing to write."""
    plain = _MARKS.sub("", text).casefold()
    return plain in _STOCK or any(phrase in plain for phrase in _CREDITS)


def _pairs(h: Hypothesis, policy: DecodePolicy, speech_s: float | None) -> Pairs:
    if speech_s is None or speech_s >= policy.words_speech_s:
        return policy.silence
    if speech_s < policy.faint_speech_s:
        return policy.faint_silence
    if speech_s < policy.likely_speech_s:
        return policy.brief_silence
    return policy.word_silence if _is_a_word(h, speech_s) else policy.silence


def _is_a_word(h: Hypothesis, speech_s: float) -> bool:
    """Whether the text could be said in that time; a line of subtitles or a loop could not."""
    in_time = len(h.tokens) <= 1 + _TOKENS_PER_SECOND * speech_s
    return in_time and not h.cut and not is_stock(h.text)


def _is_beyond(h: Hypothesis, pairs: Iterable[tuple[float, float]]) -> bool:
    return any(h.no_speech_prob > p and h.avg_logprob < score for p, score in pairs)
