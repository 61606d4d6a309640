"""Wiring of recognition: from bytes to pieces, and the cache of results."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from zhiyin.audio.decode import AvDecoder
from zhiyin.audio.isolation.processes import SUPPORTED, DecoderProcesses, ProcessPolicy
from zhiyin.audio.isolation.recording import ProcessDecoder
from zhiyin.audio.isolation.sandbox import ProcessLimits
from zhiyin.audio.vad import SileroVad
from zhiyin.config import Settings
from zhiyin.core.recognition.prepare import Preparer
from zhiyin.core.segmentation.cutting import CutPolicy
from zhiyin.domain.audio import AudioLimits
from zhiyin.domain.errors import MissingExtra
from zhiyin.ports.cache import Cache
from zhiyin.ports.cipher import Cipher
from zhiyin.store.cache_memory import MemoryCache
from zhiyin.store.cache_sealed import SealedCache


def make_processes(settings: Settings) -> DecoderProcesses | None:
    """Where foreign recordings are decoded; None where that is off, or on Windows."""
    audio = settings.audio
    if not SUPPORTED or audio.decoder_processes == 0:
        return None
    limits = ProcessLimits(audio.decoder_memory_mb << 20, audio.decoder_cpu_s)
    return DecoderProcesses(ProcessPolicy(audio.decoder_processes, audio.decoder_stall_s, limits))


def make_preparer(
    settings: Settings,
    pool: ThreadPoolExecutor,
    processes: DecoderProcesses | None = None,
    opening: ThreadPoolExecutor | None = None,
) -> Preparer:
    """What turns recordings into pieces, on the threads of `pool`; decoded in `processes`."""
    audio = settings.audio
    cut = CutPolicy(
        split_gap_s=audio.split_gap_s, max_piece_s=audio.max_piece_s, enough_s=audio.piece_s
    )
    decoder = AvDecoder() if processes is None else ProcessDecoder(processes)
    return Preparer(decoder, SileroVad(), AudioLimits(audio.max_seconds), cut, pool, opening)


def make_cache(settings: Settings, cipher: Cipher) -> Cache | None:
    """The cache of results, None when it is off. Raises MissingExtra or ConfigError.

    What leaves this process is sealed.
    """
    cache = settings.cache
    largest = cache.max_value_kb << 10
    if cache.url == "off":
        return None
    if cache.url.startswith("memory://"):
        return MemoryCache(int(cache.max_mb * (1 << 20)), cache.ttl_s, largest)
    try:
        from zhiyin.store.cache_redis import RedisCache
    except ImportError as error:
        raise MissingExtra("The cache in Redis needs: pip install 'zhiyin[redis]'") from error
    return SealedCache(RedisCache(cache.url, cache.ttl_s, largest, cache.timeout_ms / 1000), cipher)
