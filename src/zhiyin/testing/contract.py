"""What every engine must do. Call `engine_contract(engine, speech)` from your own tests.

It raises AssertionError with a sentence that says which promise of `ports.engine` was broken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.engine import Again, Clip, ClipResult
from zhiyin.domain.errors import AsrError
from zhiyin.domain.options import DecodeOptions
from zhiyin.ports.engine import Engine, Streaming


def engine_contract(engine: Engine, speech: Samples, language: str = "en") -> None:
    """Check an engine that is not yet loaded; `speech` is 1 to 10 s in `language`."""
    can = engine.capabilities
    assert can.languages, "an engine names its languages before it is loaded"
    assert language in can.languages, f"this engine does not know {language}"
    assert can.max_batch >= 1, "max_batch is at least 1"
    assert can.max_seconds > 0, "max_seconds is positive"
    engine.load()
    assert engine.version, "a loaded engine names what its texts come from"
    assert engine.concurrency >= 1, "a loaded engine takes at least one call at a time"
    try:
        _check_results(engine, speech, language)
        _check_words(engine, speech, language)
        _check_odd_clips(engine, language)
        _check_streams(engine, speech, language)
    finally:
        engine.close()


_MOST_PASSES = 10


def recognize(engine: Engine, clips: Sequence[Clip]) -> list[ClipResult | AsrError]:
    """What a scheduler would get: all passes over the clips, which are of one plan kind."""
    outcomes = engine.transcribe_batch(clips)
    assert len(outcomes) == len(clips), "one outcome per clip"
    return [_finish(engine, outcome) for outcome in outcomes]


def _finish(engine: Engine, outcome: ClipResult | Again | AsrError) -> ClipResult | AsrError:
    for _ in range(_MOST_PASSES):
        if not isinstance(outcome, Again):
            return outcome
        (outcome,) = engine.transcribe_batch([outcome.clip])
    raise AssertionError("an engine comes to an end")


def _ask(engine: Engine, *clips: Clip) -> list[ClipResult]:
    results = recognize(engine, clips)
    for result in results:
        assert not isinstance(result, AsrError), f"failed on a good clip: {result!r}"
    return [r for r in results if isinstance(r, ClipResult)]


def _check_results(engine: Engine, speech: Samples, language: str) -> None:
    clip = Clip(speech, DecodeOptions(language=language))
    (one,) = _ask(engine, clip)
    assert one.segments, "speech gives segments"
    assert one.language == language, "the language that was asked for"
    assert one.language_probability is None, "no probability for a language that was given"
    last = 0.0
    for segment in one.segments:
        assert segment.text == segment.text.strip() != "", "segment text is stripped, not empty"
        assert last <= segment.start <= segment.end, "segments are in order"
        assert segment.end <= clip.seconds + 0.05, "times lie inside the clip"
        assert 0 <= segment.confidence <= 1, "confidence is in [0, 1]"
        assert not segment.words, "no words unless they are asked for"
        last = segment.start
    again = _ask(engine, *[clip] * min(3, engine.capabilities.max_batch))
    texts = {tuple(s.text for s in r.segments) for r in [one, *again]}
    assert len(texts) == 1, "the same clip gives the same text"
    if "detect" in engine.capabilities.features:
        (found,) = _ask(engine, Clip(speech, DecodeOptions()))
        assert found.language_probability is not None, "a detected language has a probability"
        assert 0 <= found.language_probability <= 1, "a probability is in [0, 1]"


def _check_words(engine: Engine, speech: Samples, language: str) -> None:
    if not engine.capabilities.words:
        return
    (result,) = _ask(engine, Clip(speech, DecodeOptions(language=language, words=True)))
    for segment in result.segments:
        assert segment.words, "word times were asked for"
        begun = [w.start for w in segment.words]
        assert begun == sorted(begun), "words are in order"
        assert all(w.start <= w.end for w in segment.words), "words end after they begin"


def _check_odd_clips(engine: Engine, language: str) -> None:
    options = DecodeOptions(language=language)
    longest = int(engine.capabilities.max_seconds * SAMPLE_RATE)
    noise = np.random.default_rng(0).normal(0, 1e-4, min(longest, 30 * SAMPLE_RATE))
    for samples in (np.zeros(1), np.zeros(200), np.zeros(SAMPLE_RATE), noise):
        results = recognize(engine, [Clip(samples.astype(np.float32), options)])
        assert len(results) == 1, "odd clips get a result or an error, never an exception"


def _check_streams(engine: Engine, speech: Samples, language: str) -> None:
    assert isinstance(engine, Streaming) == engine.capabilities.streaming, (
        "an engine that streams says so, and has open_stream"
    )
    if not isinstance(engine, Streaming):
        return
    options = DecodeOptions(language=language, words=True)
    streams = [engine.open_stream(options) for _ in range(3)]
    for at in range(0, len(speech), SAMPLE_RATE // 10):
        for stream in streams[:2]:
            heard = stream.accept(speech[at : at + SAMPLE_RATE // 10])
            ends = [w.end for s in heard.segments for w in s.words]
            so_far = at / SAMPLE_RATE + 0.1
            assert not ends or max(ends) <= so_far + 0.05, "nothing is heard before it is said"
    first, second, empty = [stream.finish() for stream in streams]
    assert first.segments, "speech gives segments"
    assert first == second, "streams side by side do not disturb each other"
    assert not empty.segments, "a stream without sound gives no text"
    for stream in streams:
        stream.close()
