"""A transcript survives being packed, and nothing else passes for one."""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.domain import packing
from zhiyin.domain.audio import Notice
from zhiyin.domain.packing import pack, unpack
from zhiyin.domain.transcript import DecodingStats, Segment, Transcript, Word

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
    header = pack(ONE)[: len(packing._HEADER)]
    with pytest.raises(ValueError, match=r"."):
        unpack(header + zlib.compress(inside))


def test_another_version_is_no_transcript() -> None:
    value = bytearray(pack(ONE))
    value[len(packing._HEADER) - 1] ^= 1
    with pytest.raises(ValueError, match="version"):
        unpack(bytes(value))


def test_a_value_cannot_swell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="too long"):
        unpack(pack(replace(ONE, model="x" * 2000)))


def test_it_is_compact() -> None:
    words = tuple(Word(f"word{i % 50}", i * 0.3, i * 0.3 + 0.25, 0.9) for i in range(10_000))
    segment = Segment("a text", 0.0, 3000.0, 0.9, words)
    assert len(pack(replace(ONE, segments=(segment,)))) < 15 * len(words)
