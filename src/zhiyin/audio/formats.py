"""Containers and codecs that are read, and what one frame of sound may be.

A short list on purpose: every demuxer and decoder of FFmpeg parses bytes of strangers. What is
here is stated in docs/api.md, and tested one by one where there is an encoder to test it with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard

# Playlist demuxers (hls, concat, dash, sdp) open further files and addresses that the caller
# names, so only formats that carry their own sound are let in.
DEMUXERS = (
    "wav", "w64", "aiff", "au", "caf", "voc", "nistsphere", "flac", "tta", "wv", "ogg", "mp3",
    "aac", "loas", "ac3", "eac3", "dts", "amr", "gsm", "mov", "matroska", "avi", "asf", "flv",
    "mpeg", "mpegts", "mxf", "nut",
)  # fmt: skip

DECODERS = (
    "pcm_u8", "pcm_s8", "pcm_s8_planar", "pcm_alaw", "pcm_mulaw", "pcm_dvd",
    "pcm_s16le", "pcm_s16be", "pcm_s16le_planar", "pcm_s16be_planar", "pcm_u16le", "pcm_u16be",
    "pcm_s24le", "pcm_s24be", "pcm_s24le_planar", "pcm_u24le", "pcm_u24be",
    "pcm_s32le", "pcm_s32be", "pcm_s32le_planar", "pcm_u32le", "pcm_u32be",
    "pcm_s64le", "pcm_s64be", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be",
    "adpcm_ima_wav", "adpcm_ima_qt", "adpcm_ms", "adpcm_swf", "adpcm_yamaha",
    "g722", "g723_1", "g726", "g726le", "gsm", "gsm_ms", "amrnb", "amrwb", "speex", "nellymoser",
    "flac", "alac", "tta", "wavpack", "mlp", "truehd",
    "mp2", "mp2float", "mp3", "mp3float", "aac", "aac_latm", "ac3", "eac3", "dca",
    "vorbis", "opus", "wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice",
)  # fmt: skip
"""Sound only: with them FFmpeg opens no decoder for pictures (covers, films) and subtitles, which
it would otherwise do for every stream as it opens a file."""

MIN_RATE = 4_000
MAX_RATE = 768_000
"""Hertz. A frame of 65,535 samples takes 15 bytes; at 1 Hz it would be 18 hours of sound."""

MAX_CHANNELS = 64

_MAX_FRAME = 1 << 22
"""Samples of all channels that one frame may have: 32 MB at the most."""

_MAX_STREAMS = 128

AV_ERRORS = (av.FFmpegError, OSError, ValueError, RuntimeError)
"""What PyAV raises for damaged files."""

_MAX_PLAIN_FRAME = 1 << 24
"""Likewise of samples without a codec, which take as much in the file: some programs write minutes
of them as one packet."""

_CODEC_OPTIONS = {"codec_whitelist": ",".join(DECODERS), "max_samples": str(_MAX_FRAME)}
_OPTIONS = _CODEC_OPTIONS | {
    "format_whitelist": ",".join(DEMUXERS),
    "protocol_whitelist": "",
    "max_streams": str(_MAX_STREAMS),
}


def open_container(file: Any, *, demuxer: str | None = None, **options: str) -> InputContainer:
    """Open a file, or of what `demuxer` reads. Raises AV_ERRORS."""
    container: InputContainer = av.open(
        file, mode="r", format=demuxer, metadata_errors="ignore", options=_OPTIONS | options
    )
    for stream in container.streams:
        if isinstance(stream, AudioStream) and _meant(stream):
            stream.codec_context.options = _CODEC_OPTIONS | _plain_options(stream)
    return container


def sound_tracks(container: InputContainer) -> list[AudioStream]:
    """The sound tracks whose codec is read."""
    return [stream for stream in container.streams.audio if _meant(stream)]


def select(container: InputContainer, tracks: Sequence[AudioStream]) -> None:
    """Have the demuxer drop the packets of everything else."""
    wanted = {track.index for track in tracks}
    for stream in container.streams:
        stream.discard = Discard.default if stream.index in wanted else Discard.all


def refused(frame: AudioFrame) -> str | None:
    """What is wrong with a frame's shape, as the second half of a sentence; or None."""
    if not MIN_RATE <= frame.sample_rate <= MAX_RATE:
        return (
            f"has {frame.sample_rate} samples a second; "
            f"between {MIN_RATE} and {MAX_RATE} are accepted."
        )
    channels = frame.layout.nb_channels
    if not 1 <= channels <= MAX_CHANNELS:
        return f"has {channels} channels; at most {MAX_CHANNELS} are accepted."
    return None


def _plain_options(stream: AudioStream) -> dict[str, str]:
    plain = stream.codec_context.name.startswith("pcm_")
    return {"max_samples": str(_MAX_PLAIN_FRAME)} if plain else {}


def _meant(stream: AudioStream) -> bool:
    return stream.codec_context is not None and stream.codec_context.codec.name in DECODERS
