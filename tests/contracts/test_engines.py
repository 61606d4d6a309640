"""Every engine keeps the promises of `ports.engine`."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

from tests.support import media
from zhiyin.domain.engine import Again, Clip, ClipResult, EngineContext
from zhiyin.domain.errors import AsrError
from zhiyin.domain.options import DecodeOptions
from zhiyin.engines.scripted import ScriptedEngine, ScriptedStreamingEngine
from zhiyin.engines.whisper.policy_files import PACKAGED
from zhiyin.engines.whisper.provider import WhisperProvider
from zhiyin.testing import engine_contract, recognize


def test_scripted() -> None:
    engine_contract(ScriptedEngine(max_batch=3), media.samples("en_short"))


def test_scripted_streaming() -> None:
    engine_contract(ScriptedStreamingEngine(), media.samples("en_short"))


@pytest.mark.parametrize(("name", "language"), [("en_short", "en"), ("zh_other", "zh")])
def test_whisper(data_dir: Path, name: str, language: str) -> None:
    engine = WhisperProvider(EngineContext(data_dir / "models")).create("whisper-base")
    engine_contract(engine, media.samples(name), language)


def test_ours_come_by_entry_point() -> None:
    found = {e.name: e.load() for e in entry_points(group="zhiyin.engines")}
    assert found["whisper"] is WhisperProvider


@pytest.mark.parametrize("compute_type", ["int8", "float32"])
def test_number_formats(data_dir: Path, compute_type: str) -> None:
    context = EngineContext(data_dir / "models", device="cpu", compute_type=compute_type)
    engine = WhisperProvider(context).create("whisper-base")
    engine.load()
    try:
        clip = Clip(media.samples("en_short"), DecodeOptions(language="en"))
        (result,) = recognize(engine, [clip])
    finally:
        engine.close()
    assert isinstance(result, ClipResult)
    assert media.heard(media.reference("en_short"), result.segments[0].text) > 0.8


def test_speech_reported_where_there_is_none_invents_nothing(data_dir: Path) -> None:
    """The look for a lost end must not turn silence into text."""
    engine = WhisperProvider(EngineContext(data_dir / "models")).create("whisper-base")
    engine.load()
    try:
        speech = media.samples("en_short")
        padded = np.concatenate([speech, np.zeros(6 * media.RATE, np.float32)])
        options = DecodeOptions(language="en")
        right = recognize(engine, [Clip(padded, options, ((0.0, len(speech) / media.RATE),))])[0]
        wrong = recognize(engine, [Clip(padded, options, ((0.0, len(padded) / media.RATE),))])[0]
    finally:
        engine.close()
    assert isinstance(right, ClipResult)
    assert right == wrong


def test_a_clips_text_does_not_depend_on_its_neighbours(data_dir: Path) -> None:
    """In any company, order and size of batch; on one thread of many or on all."""
    engine = WhisperProvider(EngineContext(data_dir / "models")).create("whisper-base")
    engine.load()
    try:
        options = DecodeOptions(language="en")
        speech = media.samples("en_sentences")
        clips = [Clip(speech[i * 8000 : i * 8000 + 48_000], options) for i in range(8)]
        assert len({engine.plan(clip) for clip in clips}) == 1, "they may share a call"
        alone = [recognize(engine, [clip])[0] for clip in clips]
        both_ways = (clips, clips[::-1], clips[2:5])
        # More calls in between than it takes until the second copy of the model is there.
        for batch in (*both_ways, *[clips[3:5]] * 8, *both_ways):
            for clip, result in zip(batch, recognize(engine, batch), strict=True):
                assert _text(result) == _text(
                    alone[next(i for i, c in enumerate(clips) if c is clip)]
                )
    finally:
        engine.close()


def test_languages_share_a_call(data_dir: Path) -> None:
    """Each is decoded in its own, and none in another's words."""
    engine = WhisperProvider(EngineContext(data_dir / "models")).create("whisper-base")
    engine.load()
    try:
        # Long enough for one window, whatever its margin in a language.
        spoken = {lang: media.samples(name)[: 5 * media.RATE] for lang, name in _SPOKEN.items()}
        clips = [
            Clip(samples, DecodeOptions(language=lang, words=lang == "zh"))
            for lang, samples in spoken.items()
        ]
        kinds = [engine.plan(clip).kind for clip in clips]
        alone = [recognize(engine, [clip])[0] for clip in clips]
        together = engine.transcribe_batch(clips)
    finally:
        engine.close()
    assert len(set(kinds)) == 1, "they may share a call"
    assert [_text(r) for r in together] == [_text(r) for r in alone]
    results = [r for r in together if isinstance(r, ClipResult)]
    assert [r.language for r in results] == list(spoken)
    assert [bool(r.segments[0].words) for r in results] == [False, True]


_SPOKEN = {"en": "en_sentences", "zh": "zh_other"}


def _text(result: ClipResult | Again | AsrError) -> str:
    assert isinstance(result, ClipResult)
    return " ".join(s.text for s in result.segments)


def test_versions_tell_apart_what_gives_other_texts(data_dir: Path, tmp_path: Path) -> None:
    """Same weights, format and calibration: same version; else another one."""
    (tmp_path / "models").symlink_to(data_dir / "models")
    plain = EngineContext(tmp_path / "models", device="cpu", replicas=1)

    def version(context: EngineContext) -> str:
        engine = WhisperProvider(context).create("whisper-base")
        assert engine.version == ""
        engine.load()
        engine.close()
        return engine.version

    WhisperProvider(EngineContext(data_dir / "models")).path("whisper-base")
    first = version(plain)
    assert version(replace(plain, threads=1)) == first
    assert version(replace(plain, compute_type="float32")) != first
    packaged = json.loads((PACKAGED / "whisper-base.json").read_text())
    packaged["policies"]["en"]["beam_size"] = 3
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration" / "whisper-base.json").write_text(json.dumps(packaged))
    assert version(plain) != first
