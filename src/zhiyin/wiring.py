"""Puts the service together. The only file that names concrete classes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType

from zhiyin.audio.decode import AvDecoder
from zhiyin.audio.sound import AvLiveDecoder
from zhiyin.audio.vad import SileroVad
from zhiyin.config import Settings
from zhiyin.core.cutting import CutPolicy
from zhiyin.core.live import LiveLimits, LiveService
from zhiyin.core.prepare import Preparer
from zhiyin.core.registry import Registry, RegistryPolicy
from zhiyin.core.results import Results
from zhiyin.core.scheduler import Scheduler
from zhiyin.core.session import SessionPolicy
from zhiyin.core.tickets import SchedulerLimits
from zhiyin.core.transcribe import Transcriber
from zhiyin.core.warmup import warm_up
from zhiyin.domain.audio import AudioLimits
from zhiyin.domain.engine import EngineContext
from zhiyin.domain.errors import AsrError, ConfigError, MissingExtra
from zhiyin.ops.edition import edition
from zhiyin.ports.cache import Cache
from zhiyin.ports.decoder import Decoder
from zhiyin.ports.engine import Engine, EngineProvider
from zhiyin.ports.sound import LiveDecoder
from zhiyin.store.cache_memory import MemoryCache

log = logging.getLogger(__name__)

SAMPLES = Path(__file__).parent / "samples"


@dataclass(slots=True)
class Services:
    """The finished service; an async context manager that loads and frees the models."""

    settings: Settings
    registry: Registry
    transcriber: Transcriber
    live: LiveService
    sound: LiveDecoder
    decoder: Decoder
    results: Results | None
    _pool: ThreadPoolExecutor
    _loading: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to load the default model in the background."""
        self._loading = asyncio.create_task(self._load_default())

    @property
    def ready(self) -> bool:
        """Whether the default model is loaded and has recognized something."""
        try:
            model = self.registry.resolve("")
        except AsrError:
            return False
        return self.registry.state(model.id) == "ready"

    async def close(self) -> None:
        """Stop everything, running batches excepted."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        await self.live.close()
        await self.registry.close()
        if self.results is not None:
            await self.results.close()
        self._pool.shutdown(wait=False)

    async def __aenter__(self) -> Services:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _load_default(self) -> None:
        try:
            await self.registry.scheduler(self.registry.resolve(""))
        except AsrError as error:
            log.error("the default model could not be loaded: %s", error.message)


def build(settings: Settings) -> Services:
    """Everything for these settings; no model is loaded yet. Raises ConfigError."""
    pool = ThreadPoolExecutor(settings.audio.workers, thread_name_prefix="zhiyin-audio")
    decoder = AvDecoder()
    queue = settings.scheduler
    limits = SchedulerLimits(queue.max_requests, queue.max_backlog_s, queue.stuck_s)

    def prove(engine: Engine, clock: Callable[[], float]) -> list[tuple[float, float]]:
        return warm_up(engine, decoder, SAMPLES / "en.flac", clock)

    def make_scheduler(make: Callable[[], Engine]) -> Scheduler:
        return Scheduler(make, limits=limits, warm_up=prove)

    registry = Registry(providers(settings), _registry_policy(settings), make_scheduler)
    preparer = make_preparer(settings, pool)
    live = LiveService(registry, preparer.vad, pool, _live_limits(settings), SessionPolicy())
    cache = make_cache(settings)
    results = None if cache is None else Results(cache, f"{edition()} {preparer.edition}")
    transcriber = Transcriber(registry, preparer, results)
    sound = AvLiveDecoder()
    return Services(settings, registry, transcriber, live, sound, decoder, results, pool)


def make_cache(settings: Settings) -> Cache | None:
    """The cache of results, None when it is off. Raises MissingExtra or ConfigError.

    A cache that seals its values wraps the one that keeps them here.
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
    return RedisCache(cache.url, cache.ttl_s, largest, cache.timeout_ms / 1000)


def _live_limits(settings: Settings) -> LiveLimits:
    live = settings.live
    return LiveLimits(live.max_sessions, live.max_seconds)


def make_preparer(settings: Settings, pool: ThreadPoolExecutor) -> Preparer:
    """What turns recordings into pieces, on the threads of `pool`."""
    audio = settings.audio
    cut = CutPolicy(split_gap=audio.split_gap_s, max_piece=audio.max_piece_s)
    return Preparer(AvDecoder(), SileroVad(), AudioLimits(audio.max_seconds), cut, pool)


def providers(settings: Settings) -> list[EngineProvider]:
    """The engines that are installed, by entry point, ours and others' alike."""
    context = EngineContext(
        settings.data_dir / "models",
        settings.models.folders,
        settings.engine.device,
        settings.engine.compute_type,
        settings.engine.threads,
        settings.engine.replicas,
    )
    found: list[EngineProvider] = []
    for entry in entry_points(group="zhiyin.engines"):
        try:
            found.append(entry.load()(context))
        except ImportError as error:
            log.warning("engine %s can't be loaded: %s", entry.name, error)
    if not found:
        raise ConfigError("No recognition engine is installed. Reinstall zhiyin with pip.")
    return found


def _registry_policy(settings: Settings) -> RegistryPolicy:
    models = settings.models
    aliases = dict(models.aliases)
    if "aliases" not in models.model_fields_set:
        # Aliases follow the default model unless the operator says otherwise.
        aliases = dict.fromkeys(aliases, models.default)
    return RegistryPolicy(models.default, aliases, models.max_loaded)
