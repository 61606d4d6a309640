"""`python -m bench.decoding`: decoding in processes of its own, against the same in the caller."""

from __future__ import annotations

import io
import resource
import tempfile
import time
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Annotated, BinaryIO

import av
import av.container
import numpy as np
import psutil
import typer
from rich.console import Console

import zhiyin
from bench import options, provenance
from bench.sound import s16le
from zhiyin.audio.decode import AvDecoder
from zhiyin.audio.isolation.live import ProcessLiveDecoder
from zhiyin.audio.isolation.processes import DecoderProcesses, ProcessPolicy
from zhiyin.audio.isolation.recording import ProcessDecoder
from zhiyin.audio.isolation.sandbox import ProcessLimits
from zhiyin.audio.sound import AvLiveDecoder
from zhiyin.domain.audio import SAMPLE_RATE, AudioLimits, Samples
from zhiyin.domain.live import AudioFormat
from zhiyin.domain.source import AudioSource
from zhiyin.ports.decoder import Decoder
from zhiyin.ports.sound import LiveDecoder

RESULT = provenance.RESULTS / "decoding.json"
_LIMITS = AudioLimits(4 * 3600.0)
_LONG_S = 600
_LIVE_BYTES = 800  # about 100 ms


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one recording, or of one push in a live stream: medians and sums, in seconds."""

    times: int
    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Compared:
    """The same sound both ways, in turn."""

    name: str
    audio_s: float
    own: Cost
    process: Cost


def main(
    *,
    times: Annotated[int, typer.Option(help="Short recordings, each way.", min=1)] = 200,
    long_times: Annotated[
        int, typer.Option(help="Recordings of ten minutes, each way.", min=1)
    ] = 3,
    json: options.Json = RESULT,
) -> None:
    """Decode the same recordings in this process and in decoder processes, in turn."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    limits = ProcessLimits(512 << 20, 600)
    processes = DecoderProcesses(ProcessPolicy(200, 60.0, limits))
    begun = time.perf_counter()
    try:
        _seconds(ProcessDecoder(processes), _sample())
        started_s = time.perf_counter() - begun
        found = [*_files(processes, times, long_times), _live(processes, times)]
        memory = _memory(processes)
    finally:
        processes.close()
    content = {
        "start_s": started_s,
        "own_memory_mb": memory,
        "results": [asdict(one) for one in found],
    }
    Console(stderr=True).print(content)
    provenance.write(json, provenance.head(given) | content)


def _files(processes: DecoderProcesses, times: int, long_times: int) -> list[Compared]:
    sound = _samples(_sample())
    long = np.tile(sound, 1 + _LONG_S * SAMPLE_RATE // len(sound))[: _LONG_S * SAMPLE_RATE]
    ways = (AvDecoder(), ProcessDecoder(processes))
    with tempfile.TemporaryFile() as wav, tempfile.TemporaryFile() as opus:
        _encode(wav, long, "wav", "pcm_s16le", SAMPLE_RATE)
        _encode(opus, long, "ogg", "libopus", 48_000)
        cases: tuple[tuple[str, BinaryIO, int], ...] = (
            ("short FLAC", _sample(), times),
            ("ten minutes of WAV", wav, long_times),
            ("ten minutes of Opus", opus, long_times),
        )
        return [_compare(name, stream, ways, count) for name, stream, count in cases]


def _compare(name: str, stream: BinaryIO, ways: tuple[Decoder, Decoder], times: int) -> Compared:
    audio_s = 0.0
    costs: tuple[list[tuple[float, float]], ...] = ([], [])
    for _ in range(times):
        for way, cost in zip(ways, costs, strict=True):
            begun, cpu = time.perf_counter(), _cpu_s()
            audio_s = _seconds(way, stream)
            wall_s = time.perf_counter() - begun
            _wait_for_the_end_of_decoders()
            cost.append((wall_s, _cpu_s() - cpu))
    return Compared(name, audio_s, *(_cost(cost) for cost in costs))


def _live(processes: DecoderProcesses, times: int) -> Compared:
    stream = io.BytesIO()
    sound = _samples(_sample())
    _encode(stream, sound, "webm", "libopus", 48_000)
    data = stream.getvalue()
    ways: tuple[LiveDecoder, LiveDecoder] = (AvLiveDecoder(), ProcessLiveDecoder(processes))
    costs: tuple[list[tuple[float, float]], ...] = ([], [])
    for _ in range(max(1, times // 20)):
        for way, cost in zip(ways, costs, strict=True):
            decoder = way.open(AudioFormat("webm", 48_000))
            for at in range(0, len(data), _LIVE_BYTES):
                begun, cpu = time.perf_counter(), _cpu_s()
                decoder.push(data[at : at + _LIVE_BYTES])
                cost.append((time.perf_counter() - begun, _cpu_s() - cpu))
            decoder.finish()
            decoder.close()
    piece_s = len(sound) / SAMPLE_RATE * _LIVE_BYTES / len(data)
    return Compared("live WebM, a push", piece_s, *(_cost(cost) for cost in costs))


def _cost(found: list[tuple[float, float]]) -> Cost:
    return Cost(
        len(found), median(wall for wall, _ in found), sum(cpu for _, cpu in found) / len(found)
    )


def _cpu_s() -> float:
    """Of this process, its fork server and the decoders that have ended."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    total = own.ru_utime + own.ru_stime
    for child in psutil.Process().children():
        used = child.cpu_times()
        total += used.user + used.system + used.children_user + used.children_system
        for decoder in child.children():
            running = decoder.cpu_times()
            total += running.user + running.system
    return total


def _wait_for_the_end_of_decoders() -> None:
    """They are killed, and counted when they have ended."""
    while any(server.children() for server in psutil.Process().children()):
        time.sleep(0.001)


def _memory(processes: DecoderProcesses) -> dict[str, float]:
    """MB that no other process has, of the fork server and of one decoder in its work."""
    stream = _sample()
    decoded = ProcessDecoder(processes).open(_source(stream), _LIMITS)
    next(decoded.blocks())
    (server,) = psutil.Process().children()
    (decoder,) = server.children()
    megabytes = {
        "fork server": server.memory_full_info().uss / 1e6,
        "decoder": decoder.memory_full_info().uss / 1e6,
    }
    decoded.close()
    return megabytes


def _seconds(decoder: Decoder, stream: BinaryIO) -> float:
    decoded = decoder.open(_source(stream), _LIMITS)
    try:
        return sum(len(block) for block in decoded.blocks()) / SAMPLE_RATE
    finally:
        decoded.close()


def _source(stream: BinaryIO) -> AudioSource:
    return AudioSource(stream, stream.seek(0, io.SEEK_END))


def _sample() -> BinaryIO:
    return io.BytesIO((Path(zhiyin.__file__).parent / "samples" / "en.flac").read_bytes())


def _samples(stream: BinaryIO) -> Samples:
    return np.concatenate(list(AvDecoder().open(_source(stream), _LIMITS).blocks()))


def _encode(stream: BinaryIO, sound: Samples, container: str, codec: str, rate: int) -> None:
    with av.open(stream, "w", format=container) as made:
        track = made.add_stream(codec, rate=rate)
        assert isinstance(track, av.AudioStream)
        track.layout = "mono"
        resampler = av.AudioResampler(
            format=track.format.name, layout="mono", rate=rate,
            frame_size=track.codec_context.frame_size or 0,
        )  # fmt: skip

        def put(frame: av.AudioFrame | None) -> None:
            for out in resampler.resample(frame):
                made.mux(track.encode(out))

        for at in range(0, len(sound), SAMPLE_RATE):
            part = np.frombuffer(s16le(sound[at : at + SAMPLE_RATE]), "<i2").reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
            frame.sample_rate, frame.pts = SAMPLE_RATE, at
            frame.time_base = Fraction(1, SAMPLE_RATE)
            put(frame)
        put(None)
        made.mux(track.encode(None))


if __name__ == "__main__":
    typer.run(main)
