"""Registry of models: which engine serves a request; loads models, and unloads idle ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from zhiyin.core.offload import offload
from zhiyin.core.scheduling.cost import CostModel
from zhiyin.core.scheduling.scheduler import Scheduler
from zhiyin.domain.engine import EngineCapabilities, ModelInfo
from zhiyin.domain.errors import (
    AsrError,
    ModelNotInstalled,
    Overloaded,
    UnknownModel,
    UnsupportedOption,
)
from zhiyin.domain.options import TranscribeOptions
from zhiyin.ports.engine import Engine, EngineProvider


@dataclass(frozen=True, slots=True)
class RegistryPolicy:
    """`default` and `aliases` name models; at most `max_loaded` are in memory at once."""

    default: str
    aliases: Mapping[str, str]
    max_loaded: int = 2


class Registry:
    """All models of all engines. Used from the event loop only."""

    def __init__(
        self,
        providers: Sequence[EngineProvider],
        policy: RegistryPolicy,
        make_scheduler: Callable[[Callable[[], Engine]], Scheduler],
    ) -> None:
        self._providers = {p.name: p for p in providers}
        self._policy = policy
        self._make_scheduler = make_scheduler
        self._loaded: dict[str, Scheduler] = {}
        self._changes: dict[str, asyncio.Task[None]] = {}  # models being loaded or unloaded
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="zhiyin-load")

    @property
    def default(self) -> str:
        """The model used when a request names none."""
        return self._policy.default

    @property
    def aliases(self) -> Mapping[str, str]:
        """Other names under which models answer."""
        return self._policy.aliases

    def models(self) -> list[ModelInfo]:
        """Every model that any engine offers, installed ones first."""
        found = [m for p in self._providers.values() for m in p.models()]
        return sorted(found, key=lambda m: not m.installed)

    def resolve(self, name: str) -> ModelInfo:
        """The model of that name or alias. Raises UnknownModel or ModelNotInstalled."""
        wanted = name or self._policy.default
        wanted = self._policy.aliases.get(wanted, wanted)
        for model in self.models():
            if model.id == wanted:
                if not model.installed:
                    raise ModelNotInstalled(
                        f"The model '{wanted}' is not on this server yet. "
                        f"Its operator can fetch it with: zhiyin models pull {wanted}",
                        param="model",
                    )
                return model
        raise UnknownModel(
            f"There is no model '{name[:80]}'. GET /v1/models lists those that can be used.",
            param="model",
        )

    def check(self, options: TranscribeOptions) -> ModelInfo:
        """The model for a request, sure that it can serve it. Raises what is wrong."""
        model = self.resolve(options.model)
        _check_features(model.id, model.capabilities, options)
        return model

    def state(self, model_id: str) -> str:
        """The life state of a model's engine: "absent" when it is not loaded."""
        scheduler = self._loaded.get(model_id)
        return "absent" if scheduler is None else scheduler.state

    def cost(self, name: str) -> CostModel | None:
        """What the model's engine has learned about its speed; None while it is not loaded."""
        scheduler = self._loaded.get(self.resolve(name).id)
        return None if scheduler is None else scheduler.cost

    async def scheduler(self, model: ModelInfo) -> Scheduler:
        """The running scheduler of a model, loaded now when need be.

        A loaded one comes without suspending, whatever other models are at. It stays loaded until
        the caller's next suspension at least: admit a request before.
        """
        while (scheduler := self._running(model.id)) is None:
            change = self._changes.get(model.id)
            await asyncio.shield(change or self._begin(model.id, self._load(model)))
        return scheduler

    async def close(self) -> None:
        """Stop every engine; running batches may end, the rest is refused."""
        for scheduler in tuple(self._loaded.values()):
            await offload(self._pool, scheduler.close)
        self._pool.shutdown(wait=False)

    def _running(self, model_id: str) -> Scheduler | None:
        scheduler = self._loaded.get(model_id)
        if model_id in self._changes or scheduler is None or scheduler.state == "failed":
            return None
        return scheduler

    def _begin(self, model_id: str, change: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Load or unload a model; others who want it wait for that."""
        task = self._changes[model_id] = asyncio.create_task(change)
        task.add_done_callback(lambda _: self._changes.pop(model_id))
        return task

    async def _load(self, model: ModelInfo) -> None:
        if model.id in self._loaded:
            await self._unload(model.id)  # it has failed; its place goes to the next
        await self._make_room()
        provider = self._providers[model.engine]
        scheduler = self._make_scheduler(lambda: provider.create(model.id))
        self._loaded[model.id] = scheduler
        try:
            await asyncio.wrap_future(scheduler.start())
        except AsrError:
            del self._loaded[model.id]
            scheduler.close(0)  # its engine is gone already, its watchdog is not
            raise

    async def _make_room(self) -> None:
        """Unload the model that was used longest ago, until one more may be loaded."""
        while len(self._loaded) >= self._policy.max_loaded:
            idle = [
                (s.last_used, m)
                for m, s in self._loaded.items()
                if m not in self._changes and not s.busy
            ]
            if not idle:
                raise Overloaded(
                    "All model places are in use. Try again later.", retry_after_s=10.0
                )
            model_id = min(idle)[1]
            await self._begin(model_id, self._unload(model_id))

    async def _unload(self, model_id: str) -> None:
        await offload(self._pool, self._loaded[model_id].close)
        del self._loaded[model_id]


def _check_features(name: str, can: EngineCapabilities, options: TranscribeOptions) -> None:
    decode = options.decode
    wanted = decode.language
    if wanted is not None and wanted not in can.languages:
        raise UnsupportedOption(
            f"The model '{name}' does not know the language '{wanted}'.", param="language"
        )
    needs = {
        "task": ("translate", decode.task == "translate"),
        "language": ("detect", wanted is None and len(can.languages) > 1),
        "prompt": ("prompt", bool(decode.prompt)),
        "hotwords": ("hotwords", bool(decode.hotwords)),
        "beam_size": ("beam", decode.beam_size is not None),
    }
    for param, (feature, asked) in needs.items():
        if asked and feature not in can.features:
            raise UnsupportedOption(
                f"The model '{name}' can't do what '{param}' asks for.", param=param
            )
    if decode.words and not can.words:
        raise UnsupportedOption(f"The model '{name}' gives no word times.", param="words")
