"""Live streams whose few bytes hold much sound: it comes in steps, and sessions have a limit."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support import hostile
from tests.support.hostile import LONGEST, flac, flac_frame
from zhiyin.audio.sound import AvLiveDecoder
from zhiyin.core.live.decoding import FrameDecoder
from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.errors import TooLong, UndecodableAudio
from zhiyin.domain.live import AudioFormat, Encoding
from zhiyin.ports.sound import LiveSound
from zhiyin.ports.vad import FRAME

STEP_S = 11.0


class AllSpeech:
    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        return np.ones(len(samples) // FRAME, np.float32)


def stream(container: str, count: int, rate: int) -> bytes:
    model = flac([flac_frame(0, rate)], rate)
    return hostile.packed([flac_frame(n, rate) for n in range(count)], container, model)


def drained(sound: LiveSound) -> list[int]:
    """Samples of each further step."""
    steps = []
    while sound.pending:
        steps.append(len(sound.push(b"")))
    return steps


@pytest.mark.parametrize("encoding", ["ogg", "webm"])
def test_much_sound_of_few_bytes_comes_in_steps(encoding: Encoding) -> None:
    count, rate = 12, 4000
    sound = AvLiveDecoder().open(AudioFormat(encoding, 0))
    data = stream("matroska" if encoding == "webm" else encoding, count, rate)
    steps = [len(sound.push(data)), *drained(sound)]
    steps += [len(sound.finish()), *drained(sound)]
    sound.close()
    assert max(steps) <= STEP_S * SAMPLE_RATE
    assert sum(steps) / SAMPLE_RATE == pytest.approx(count * LONGEST / rate, abs=0.1)
    assert sound.received.seconds == pytest.approx(count * LONGEST / rate, abs=0.1)


def test_the_limit_of_a_session_ends_a_message_in_the_middle() -> None:
    sound = AvLiveDecoder().open(AudioFormat("ogg", 0))
    decoder = FrameDecoder(sound, AllSpeech(), 60.0)
    decoder.write(stream("ogg", 400, 4000))
    with pytest.raises(TooLong):
        _written(decoder, 60)
    assert 40.0 < sound.received.seconds <= 60.0 + STEP_S
    decoder.close()
    assert not sound.pending


def _written(decoder: FrameDecoder, steps: int) -> None:
    for _ in range(steps):
        decoder.write(b"")


def _whole(sound: LiveSound, data: bytes) -> None:
    sound.push(data)
    sound.finish()


@pytest.mark.parametrize("rate", [1, 100, 3999])
def test_low_rates_are_refused(rate: int) -> None:
    data = hostile.packed(
        [flac_frame(n, rate) for n in range(2)], "ogg", flac([flac_frame(0, 48_000)], 48_000)
    )
    sound = AvLiveDecoder().open(AudioFormat("ogg", 0))
    with pytest.raises(UndecodableAudio, match="samples a second") as caught:
        _whole(sound, data)
    assert caught.value.param == "encoding"
    sound.close()


@pytest.mark.parametrize(("count", "heard"), [(3, 3), (3000, 0)])
def test_a_packet_of_very_many_frames_is_no_sound(count: int, heard: int) -> None:
    rate = 48_000
    packet = b"".join(flac_frame(n, rate) for n in range(count))
    sound = AvLiveDecoder().open(AudioFormat("ogg", 0))
    got = len(sound.push(hostile.packed([packet], "ogg", flac([flac_frame(0, rate)], rate))))
    got += len(sound.finish())
    assert got / SAMPLE_RATE == pytest.approx(heard * LONGEST / rate, abs=0.1)
    sound.close()


def with_tags(count: int) -> bytes:
    """Opus in Ogg with so many tags, of which FFmpeg compares each with all before it."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ogg") as made:
        made.metadata.update({f"K{n}": "v" for n in range(count)})
        stream = made.add_stream("libopus", rate=48_000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), "s16", "mono")
        frame.sample_rate = 48_000
        made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return buffer.getvalue()


def test_few_tags_are_no_matter() -> None:
    sound = AvLiveDecoder().open(AudioFormat("ogg", 0))
    assert len(sound.push(with_tags(20))) + len(sound.finish()) > 0
    sound.close()


@pytest.mark.parametrize("before", [b"", with_tags(0)], ids=["at first", "chained"])
def test_very_many_tags_are_not_read(before: bytes) -> None:
    sound = AvLiveDecoder().open(AudioFormat("ogg", 0))
    data = before + with_tags(10_000)
    with pytest.raises(UndecodableAudio):
        _in_pieces(sound, data, 16 << 10)
    sound.close()


def _in_pieces(sound: LiveSound, data: bytes, size: int) -> None:
    for at in range(0, len(data), size):
        sound.push(data[at : at + size])
    sound.finish()
