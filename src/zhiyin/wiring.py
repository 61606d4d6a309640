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
from typing import TYPE_CHECKING

from zhiyin.audio.decode import AvDecoder
from zhiyin.audio.sound import AvLiveDecoder
from zhiyin.audio.vad import SileroVad
from zhiyin.config import Settings
from zhiyin.core.cutting import CutPolicy
from zhiyin.core.erasure import Erasure, OwnedHistory, OwnedJobs, OwnedRecordings
from zhiyin.core.live import LiveLimits, LiveService
from zhiyin.core.office import JobOffice
from zhiyin.core.prepare import Preparer
from zhiyin.core.recorder import Recorder
from zhiyin.core.registry import Registry, RegistryPolicy
from zhiyin.core.results import Results
from zhiyin.core.retention import RetentionPolicy, Sweeper
from zhiyin.core.room import RoomLimits
from zhiyin.core.rooms import Rooms
from zhiyin.core.scheduler import Scheduler
from zhiyin.core.scribe import Scribe, ScribePolicy
from zhiyin.core.session import SessionPolicy
from zhiyin.core.tickets import SchedulerLimits
from zhiyin.core.transcribe import Transcriber
from zhiyin.core.warmup import warm_up
from zhiyin.domain.audio import AudioLimits
from zhiyin.domain.engine import EngineContext
from zhiyin.domain.errors import AsrError, ConfigError, MissingExtra
from zhiyin.ops.edition import edition
from zhiyin.ports.cache import Cache
from zhiyin.ports.captions import CaptionStore
from zhiyin.ports.cipher import Cipher, KeyRing
from zhiyin.ports.decoder import Decoder
from zhiyin.ports.engine import Engine, EngineProvider
from zhiyin.ports.erasure import Erasable
from zhiyin.ports.history import Archive, History
from zhiyin.ports.sound import LiveDecoder
from zhiyin.store.cache_memory import MemoryCache
from zhiyin.store.cache_sealed import SealedCache
from zhiyin.store.captions_memory import MemoryCaptions
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.history_off import NoHistory
from zhiyin.text.script import OpenCCScripts
from zhiyin.wiring_jobs import job_office

if TYPE_CHECKING:
    from zhiyin.store.history_sql.store import SqlHistory

log = logging.getLogger(__name__)

_HISTORY_FILE = "history.db"
SAMPLES = Path(__file__).parent / "samples"


@dataclass(slots=True)
class Services:
    """The finished service; an async context manager that loads and frees the models."""

    settings: Settings
    registry: Registry
    transcriber: Transcriber
    live: LiveService
    rooms: Rooms
    sound: LiveDecoder
    decoder: Decoder
    office: JobOffice | None
    recorder: Recorder
    history: History
    scribe: Scribe
    sweeper: Sweeper
    results: Results | None
    erasure: Erasure
    tickets: Cipher
    _archive: Archive | None
    _pool: ThreadPoolExecutor
    _loading: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to load the default model, to write the history, and to look for other servers."""
        self.rooms.start()
        self.scribe.start()
        self.sweeper.start()
        self._loading = asyncio.create_task(self._load_default())
        if self.office is not None:
            self.office.start()

    @property
    def jobs(self) -> JobOffice:
        """Jobs, in a process that was built with them."""
        assert self.office is not None, "built without jobs"
        return self.office

    @property
    def troubles(self) -> dict[str, str]:
        """What is not there at the moment, though recognition goes on."""
        return {"history": self.scribe.trouble} if self.scribe.trouble else {}

    @property
    def ready(self) -> bool:
        """Whether the default model is loaded and has recognized something."""
        try:
            model = self.registry.resolve("")
        except AsrError:
            return False
        return self.registry.state(model.id) == "ready"

    async def close(self) -> None:
        """Stop everything, running batches excepted; jobs under way are given back."""
        if self.office is not None:
            await self.office.close()
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        await self.live.close()
        await self.rooms.close()
        await self.registry.close()
        if self.results is not None:
            await self.results.close()
        await self.sweeper.close()
        await self.scribe.close()
        if self._archive is not None:
            await self._archive.close()
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


def build(settings: Settings, workers: int | None = None, *, remember: bool = True) -> Services:
    """Everything for these settings; no model is loaded yet. Raises ConfigError, MissingExtra.

    `workers` is the number of jobs at once in this process; None is a process without jobs.
    Without `remember` nothing is kept, whatever the settings say.
    """
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
    ring = key_ring(settings)
    cache = make_cache(settings, ring) if remember else None
    results = None if cache is None else Results(cache, f"{edition()} {preparer.edition}")
    transcriber = Transcriber(registry, preparer, results)
    stored = make_history(settings, ring) if remember and _has_history(settings) else None
    history = (stored if settings.history.enabled else None) or NoHistory()
    scribe = Scribe(history, ScribePolicy(waiting=settings.history.max_waiting))
    live = LiveService(
        registry,
        preparer.vad,
        pool,
        _live_limits(settings),
        SessionPolicy(),
        scribe=scribe,
        scripts=OpenCCScripts(),
    )
    rooms = Rooms(_caption_store(settings, ring), _room_limits(settings))
    office = None if workers is None else job_office(settings, ring, transcriber, scribe, workers)
    return Services(
        settings, registry, transcriber, live, rooms, AvLiveDecoder(), decoder, office,
        Recorder(transcriber, scribe), history, scribe, _sweeper(settings, history), results,
        Erasure(_places(scribe, stored or history, office, rooms, results)), _tickets(ring),
        stored, pool,
    )  # fmt: skip


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


def _has_history(settings: Settings) -> bool:
    """Whether transcripts are kept, or may have been before that was switched off."""
    chosen = settings.history
    file = settings.data_dir / _HISTORY_FILE
    return chosen.enabled or bool(chosen.url.get_secret_value()) or file.exists()


def _places(
    scribe: Scribe,
    history: History,
    office: JobOffice | None,
    rooms: Rooms,
    results: Results | None,
) -> list[Erasable]:
    """Where something of an owner may be; recordings are found by the jobs."""
    places: list[Erasable] = [OwnedHistory(scribe, history)]
    if office is not None:
        places += [OwnedRecordings(office.service), OwnedJobs(office.service)]
    return [*places, rooms, *([] if results is None else [results])]


def make_history(settings: Settings, ring: KeyRing | None = None) -> SqlHistory:
    """The history, unopened, with the keys of the settings or others.

    Raises ConfigError, MissingExtra.
    """
    from zhiyin.store.history_sql.database import Database, DatabaseOptions
    from zhiyin.store.history_sql.store import SqlHistory

    chosen = settings.history
    file = settings.data_dir / _HISTORY_FILE
    url = chosen.url.get_secret_value() or f"sqlite+aiosqlite:///{file}"
    database = Database(url, DatabaseOptions(chosen.connections, chosen.timeout_s))
    return SqlHistory(database, ring or key_ring(settings))


def key_ring(settings: Settings) -> KeyRing:
    """The keys for what is kept; without any, nothing is encrypted. Raises ConfigError."""
    chosen = settings.encryption
    text = chosen.keys.get_secret_value()
    if chosen.keys_file:
        if text:
            raise ConfigError("Give encryption.keys or encryption.keys_file, not both.")
        try:
            text = Path(chosen.keys_file).expanduser().read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError("encryption.keys_file can't be read.") from error
    elif not text:
        return PlainRing()
    from zhiyin.store.cipher_aesgcm import AesRing, parse_keys

    return AesRing(parse_keys(text))


def _tickets(ring: KeyRing) -> Cipher:
    """Seals what clients hold: by the keys, or by one that this process makes up."""
    from zhiyin.store.cipher_aesgcm import AesCipher, generate, parse_keys

    return ring if ring.names else AesCipher(parse_keys(generate()))


def _sweeper(settings: Settings, history: History) -> Sweeper:
    kept_s = settings.history.retention_days * 86_400
    return Sweeper(history, RetentionPolicy(kept_s, settings.history.sweep_s))


def _live_limits(settings: Settings) -> LiveLimits:
    live = settings.live
    return LiveLimits(
        live.max_sessions, live.max_seconds, max_events=live.max_events, silence_s=live.silence_s
    )


def _room_limits(settings: Settings) -> RoomLimits:
    rooms = settings.captions
    return RoomLimits(
        rooms.max_rooms, rooms.max_viewers, rooms.history, rooms.history_s, rooms.waiting,
        rooms.lease_s / 3,
    )  # fmt: skip


def _caption_store(settings: Settings, cipher: Cipher) -> CaptionStore:
    rooms = settings.captions
    if rooms.url.startswith("memory:"):
        return MemoryCaptions(
            history=rooms.history, history_s=rooms.history_s, lease_s=rooms.lease_s,
            max_rooms=rooms.max_rooms,
        )  # fmt: skip
    try:
        from zhiyin.store.captions_redis import RedisCaptions
    except ImportError as error:
        raise MissingExtra("captions.url needs: pip install 'zhiyin[redis]'") from error
    return RedisCaptions(
        rooms.url, cipher, history=rooms.history, history_s=rooms.history_s,
        lease_s=rooms.lease_s, timeout_s=rooms.timeout_s,
    )  # fmt: skip


def make_preparer(settings: Settings, pool: ThreadPoolExecutor) -> Preparer:
    """What turns recordings into pieces, on the threads of `pool`."""
    audio = settings.audio
    cut = CutPolicy(split_gap=audio.split_gap_s, max_piece=audio.max_piece_s, enough=audio.piece_s)
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
