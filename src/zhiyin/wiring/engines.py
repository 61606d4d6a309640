"""Wiring of the engines: those that are installed, and the queue in front of each model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from zhiyin.config import Settings
from zhiyin.core.scheduling.entries import SchedulerLimits
from zhiyin.core.scheduling.registry import Registry, RegistryPolicy
from zhiyin.core.scheduling.scheduler import Scheduler
from zhiyin.core.scheduling.warmup import warm_up
from zhiyin.domain.engine import EngineContext
from zhiyin.domain.errors import ConfigError
from zhiyin.ports.decoder import Decoder
from zhiyin.ports.engine import Engine, EngineProvider
from zhiyin.ports.observer import Observer
from zhiyin.wiring.data_folder import data_folder

log = logging.getLogger(__name__)

SAMPLES = Path(__file__).parents[1] / "samples"


def make_registry(
    settings: Settings, decoder: Decoder, observer: Observer, on_stuck: Callable[[], None]
) -> Registry:
    """All models of all engines; none is loaded yet. `on_stuck`: see `Scheduler`.

    Raises ConfigError.
    """
    queue = settings.scheduler
    limits = SchedulerLimits(queue.max_requests, queue.max_backlog_s, queue.stuck_s)

    def prove(engine: Engine, clock: Callable[[], float]) -> list[tuple[float, float]]:
        return warm_up(engine, decoder, SAMPLES / "en.flac", clock)

    def make_scheduler(make: Callable[[], Engine]) -> Scheduler:
        return Scheduler(make, limits=limits, warm_up=prove, observer=observer, on_stuck=on_stuck)

    return Registry(providers(settings), _registry_policy(settings), make_scheduler)


def providers(settings: Settings) -> list[EngineProvider]:
    """The engines that are installed, by entry point, ours and others' alike."""
    context = EngineContext(
        data_folder(settings) / "models",
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
        # Aliases follow the default model unless the operator sets them.
        aliases = dict.fromkeys(aliases, models.default)
    return RegistryPolicy(models.default, aliases, models.max_loaded)
