"""Music is told from noise, and becomes pieces where no speech was detected."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.support import media
from tests.support.made_sounds import beeps, brown, chords, clicks, hum, noise
from tests.support.scripted_engine import options, service
from zhiyin.audio.decode import AvDecoder
from zhiyin.audio.vad import SileroVad
from zhiyin.core.recognition.prepare import Preparer
from zhiyin.core.segmentation.cutting import CutPolicy, Cutter
from zhiyin.core.segmentation.music import MusicCutter, is_music
from zhiyin.domain.audio import SAMPLE_RATE, AudioLimits, Piece, Samples
from zhiyin.domain.caller import Caller
from zhiyin.domain.engine import EngineCapabilities
from zhiyin.domain.source import AudioSource
from zhiyin.engines.scripted import ScriptedEngine
from zhiyin.ports.vad import FRAME


def test_chords_are_music_beneath_noise_too() -> None:
    music = chords(10)
    assert is_music(music)
    assert is_music(0.05 * music)
    assert is_music(music + noise(10, 0.01))


@pytest.mark.parametrize("make", [noise, brown, hum, clicks, beeps])
def test_noises_are_no_music(make: object) -> None:
    assert callable(make)
    assert not is_music(make(10.0))


def test_silence_is_no_music() -> None:
    assert not is_music(np.zeros(10 * SAMPLE_RATE, np.float32))
    assert not is_music(0.0001 * chords(10))


def pieces(sound: Samples, speech: list[tuple[float, float]], block_s: float = 1.0) -> list[Piece]:
    """What a cutter makes of sound that comes in blocks, with speech detected in these spans."""
    sound = np.pad(sound, (0, -len(sound) % FRAME))
    times = np.arange(len(sound) // FRAME) * FRAME / SAMPLE_RATE
    probs = np.zeros(len(times), np.float32)
    for begin, end in speech:
        probs[(times >= begin) & (times < end)] = 0.9
    cutter, found = MusicCutter(CutPolicy()), []
    step = round(block_s * SAMPLE_RATE / FRAME)
    for at in range(0, len(probs), step):
        block = sound[at * FRAME : (at + step) * FRAME]
        found += [*cutter.push(block, probs[at : at + step])]
    found += [*cutter.finish()]
    assert cutter.found == any(p.music for p in found)
    return found


def test_a_song_is_one_piece() -> None:
    (song,) = pieces(chords(29), [])
    assert song.music
    assert (song.start, song.speech) == (0.0, ())
    assert song.duration == pytest.approx(29, abs=0.05)


def test_noise_and_short_jingles_are_passed_over() -> None:
    assert not pieces(noise(20), [])
    assert not pieces(np.concatenate([noise(9, 0.001), chords(3), noise(9, 0.001)]), [])


def test_speech_is_cut_as_ever_where_there_is_music_around_it() -> None:
    sound = np.concatenate([chords(9), noise(6), chords(9)])
    before, speech, after = pieces(sound, [(10.2, 13.8)])
    assert (before.music, speech.music, after.music) == (True, False, True)
    assert speech.speech is not None
    assert len(speech.speech) == 1
    assert before.end <= speech.start
    assert speech.end <= after.start


def test_speech_alone_is_what_the_cutter_makes_of_it() -> None:
    sound, speech = noise(30), [(2.0, 5.0), (9.0, 9.5), (20.0, 28.0)]
    times = np.arange(len(sound) // FRAME) * FRAME / SAMPLE_RATE
    probs = np.zeros(len(times), np.float32)
    for begin, end in speech:
        probs[(times >= begin) & (times < end)] = 0.9
    cutter = Cutter(CutPolicy())
    plain = [*cutter.push(sound[: len(probs) * FRAME], probs), *cutter.finish()]
    ours = pieces(sound[: len(probs) * FRAME], speech)
    assert [(p.start, p.duration, p.music) for p in ours] == [
        (p.start, p.duration, False) for p in plain
    ]


def test_what_little_speech_is_detected_in_singing_stays_in_the_song() -> None:
    (song,) = pieces(chords(25), [(12.0, 12.5), (18.0, 18.3)])
    assert song.music
    assert song.speech is not None
    assert [round(begin, 1) for begin, _ in song.speech] == [12.0, 18.0]


def test_long_music_is_cut_and_nothing_is_lost() -> None:
    found = pieces(chords(100), [(50.0, 50.4)], block_s=2.0)
    assert all(p.music and p.duration <= 30 for p in found)
    assert found[0].start == 0
    for one, other in pairwise(found):
        assert other.start == pytest.approx(one.end)
    assert found[-1].end == pytest.approx(100, abs=0.05)
    assert sum(len(p.speech or ()) for p in found) in (1, 2)


class MusicalEngine(ScriptedEngine):
    """It takes clips of music as well."""

    @property
    def capabilities(self) -> EngineCapabilities:
        """Everything."""
        plain = super().capabilities
        return replace(plain, features=plain.features | {"music"})


@pytest.mark.parametrize(("engine", "clips"), [(ScriptedEngine(), 0), (MusicalEngine(), 1)])
async def test_music_is_warned_of_and_goes_to_engines_that_know_it(
    engine: ScriptedEngine, clips: int
) -> None:
    data = media.wav(chords(10))
    with ThreadPoolExecutor(1) as pool:
        preparer = Preparer(AvDecoder(), SileroVad(), AudioLimits(60), CutPolicy(), pool)
        async with service(engine) as plain:
            source = AudioSource(io.BytesIO(data), len(data))
            transcriber = replace(plain, preparer=preparer)
            transcript = await transcriber.transcribe(source, options(), Caller())
    assert transcript.notices[0].code == "music"
    assert [clip.music for call in engine.calls for clip in call] == [True] * clips
