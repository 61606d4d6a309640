"""A transcript survives being stored, whichever version wrote it; nothing else passes for one."""

from __future__ import annotations

import json
import zlib
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.domain import transcript_codec
from zhiyin.domain.audio import Notice
from zhiyin.domain.options import DecodeOptions, TranscribeOptions
from zhiyin.domain.options_codec import dump_options, load_options
from zhiyin.domain.transcript import DecodingStats, Segment, Transcript, Word
from zhiyin.domain.transcript_codec import dump_transcript, load_transcript, pack, unpack

NUMBERS = st.floats(allow_nan=False)
TEXTS = st.text() | st.sampled_from(["打开客厅的灯。", "\ud800", "\x00", "🎈"])


def every(kind: type[Any], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of a dataclass with every field drawn, also those that have a default."""
    drawn = {
        f.name: more[f.name] if f.name in more else st.from_type(_plain(f)) for f in fields(kind)
    }
    return st.builds(kind, **drawn)


def _plain(field: Any) -> Any:
    return {"str": str, "float": float, "str | None": str | None, "float | None": float | None}[
        field.type
    ]


def tuples(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(of, max_size=4).map(tuple)


st.register_type_strategy(str, TEXTS)
st.register_type_strategy(float, NUMBERS)
STATS = every(DecodingStats, tokens=tuples(st.integers(0, 60_000)))
SEGMENTS = every(Segment, words=tuples(every(Word)), stats=STATS)
TRANSCRIPTS = every(Transcript, segments=tuples(SEGMENTS), notices=tuples(every(Notice)))
ONE = Transcript((Segment("你好", 0.1, 1.5, 0.9),), "zh", None, 2.0, "whisper", "base")


@given(TRANSCRIPTS)
def test_every_transcript_comes_back(transcript: Transcript) -> None:
    packed = pack(transcript)
    assert unpack(packed) == transcript
    assert pack(transcript) == packed


@given(st.binary(), st.integers(0, 200), st.booleans())
def test_damaged_bytes_are_no_transcript(junk: bytes, at: int, cut: bool) -> None:
    good = pack(ONE)
    at = min(at, len(good))
    bad = good[:at] + junk + (b"" if cut else good[at + len(junk) :])
    if bad == good:
        return
    with suppress(ValueError):
        assert unpack(bad) == ONE  # what is behind the checksum's back says the same


@pytest.mark.parametrize(
    "inside",
    [b"", b"[]", b"{}", b"1", b"[[1],0,0,0,0,0,0,[]]", b'[[],"","","",1,1,1,1]', b"[" * 9999],
)
def test_what_another_program_packed_is_no_transcript(inside: bytes) -> None:
    header = pack(ONE)[: len(transcript_codec._HEADER)]
    with pytest.raises(ValueError, match=r"."):
        unpack(header + zlib.compress(inside))


def test_another_version_is_no_transcript() -> None:
    value = bytearray(pack(ONE))
    value[len(transcript_codec._HEADER) - 1] ^= 1
    for other in (bytes(value), OF_OLDER_CACHE):
        with pytest.raises(ValueError, match="version"):
            unpack(other)


@given(TRANSCRIPTS)
def test_what_lives_long_comes_back_or_is_refused(transcript: Transcript) -> None:
    try:
        data = dump_transcript(transcript)
    except UnicodeEncodeError:  # half a surrogate pair
        assert "\\ud800" in repr(transcript)
        return
    assert load_transcript(data) == transcript


OLD = Transcript(
    (
        Segment(
            "打开客厅的灯", 0.25, 1.5, 0.9, (Word("灯", 0.25, 0.5, 0.75),), "S1",
            DecodingStats((1, 2), 0.2, -0.3, 1.1, 0.01),
        ),
        Segment("你好", 1.5, 2.0, 0.5),
    ),
    "zh", 0.99, 3.36, "whisper", "base", "transcribe", (Notice("clipped", "It is loud."),),
)  # fmt: skip
OF_OLDER_JOBS = """
{"duration":3.36,"engine":"whisper","language":"zh","language_probability":0.99,"model":"base",
"notices":[{"code":"clipped","message":"It is loud."}],"segments":[{"confidence":0.9,"end":1.5,
"speaker":"S1","start":0.25,"stats":{"avg_logprob":-0.3,"compression_ratio":1.1,
"no_speech_prob":0.01,"temperature":0.2,"tokens":[1,2]},"text":"打开客厅的灯","words":[
{"confidence":0.75,"end":0.5,"start":0.25,"text":"灯"}]},{"confidence":0.5,"end":2.0,
"speaker":null,"start":1.5,"stats":{"avg_logprob":0.0,"compression_ratio":0.0,
"no_speech_prob":0.0,"temperature":0.0,"tokens":[]},"text":"你好","words":[]}],
"task":"transcribe"}
"""
OF_OLDER_HISTORY = """
{"segments":[{"text":"打开客厅的灯","start":0.25,"end":1.5,"confidence":0.9,"words":[{"text":"灯",
"start":0.25,"end":0.5,"confidence":0.75}],"speaker":"S1","stats":{"tokens":[1,2],
"temperature":0.2,"avg_logprob":-0.3,"compression_ratio":1.1,"no_speech_prob":0.01}},
{"text":"你好","start":1.5,"end":2.0,"confidence":0.5,"words":[],"speaker":null,"stats":
{"tokens":[],"temperature":0.0,"avg_logprob":0.0,"compression_ratio":0.0,"no_speech_prob":0.0}}],
"language":"zh","language_probability":0.99,"duration":3.36,"engine":"whisper","model":"base",
"task":"transcribe","notices":[{"code":"clipped","message":"It is loud."}]}
"""
OF_OLDER_CACHE = b"zyT1\xf0\x1f&:x\x01\x8b\x8e\x8eV"  # how such a value began


@pytest.mark.parametrize("written", [OF_OLDER_JOBS, OF_OLDER_HISTORY])
def test_what_older_versions_wrote_is_read(written: str) -> None:
    assert load_transcript(written.encode()) == OLD
    body = json.loads(written)
    del body["notices"], body["task"]
    for segment in body["segments"]:
        del segment["speaker"], segment["stats"]["tokens"]
    del body["segments"][1]["words"], body["segments"][1]["stats"]
    stats = replace(OLD.segments[0].stats, tokens=())
    first = replace(OLD.segments[0], speaker=None, stats=stats)
    older = replace(OLD, segments=(first, OLD.segments[1]), notices=())
    assert load_transcript(json.dumps(body).encode()) == older, "what had no such fields yet"


def test_what_newer_versions_wrote_is_read() -> None:
    body = json.loads(dump_transcript(OLD))
    segment = body["segments"][0]
    known = (body, segment, segment["stats"], segment["words"][0], body["notices"][0])
    for part in known:
        part["emotion"] = {"text": ["Licht"]}
    assert load_transcript(json.dumps(body).encode()) == OLD


def test_options_of_older_and_newer_versions_are_read() -> None:
    options = TranscribeOptions("m", DecodeOptions("zh", prompt="提示", words=True), vad=False)
    assert load_options(dump_options(options)) == options
    older = b'{"decode":{"language":"zh","prompt":"\xe6\x8f\x90\xe7\xa4\xba","words":true},'
    older += b'"model":"m","vad":false}'
    assert load_options(older) == options
    newer = json.loads(dump_options(options))
    newer["script"] = newer["decode"]["topic"] = "new"
    assert load_options(json.dumps(newer).encode()) == options


def test_a_track_is_kept_and_none_leaves_no_mark() -> None:
    """Jobs of older versions, which had none, stay equal to those of this one."""
    options = TranscribeOptions("m")
    assert "track" not in json.loads(dump_options(options))
    second = replace(options, track=2)
    assert load_options(dump_options(second)) == second


@pytest.mark.parametrize("junk", [b"", b"1", b"[]", b"{}", b'{"segments": [1]}', b"\xff", b"["])
def test_junk_is_no_transcript(junk: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_transcript(junk)


def test_a_value_cannot_swell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript_codec, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="too long"):
        unpack(pack(replace(ONE, model="x" * 2000)))


def test_it_is_compact() -> None:
    words = tuple(Word(f"word{i % 50}", i * 0.3, i * 0.3 + 0.25, 0.9) for i in range(10_000))
    segment = Segment("a text", 0.0, 3000.0, 0.9, words)
    assert len(pack(replace(ONE, segments=(segment,)))) < 15 * len(words)
