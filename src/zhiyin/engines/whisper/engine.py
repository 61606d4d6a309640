"""Whisper on CTranslate2 as an `Engine`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from zhiyin.domain.engine import Again, Clip, ClipResult, EngineCapabilities, EngineContext, Plan
from zhiyin.domain.errors import AsrError, EngineFailed
from zhiyin.engines.whisper import decoding, takes
from zhiyin.engines.whisper.placement import Placement, place
from zhiyin.engines.whisper.policy import ModelPolicy
from zhiyin.engines.whisper.weights import fingerprint


class WhisperEngine:
    """One Whisper model. `folder` is asked for at load, when weights are verified.

    `weights` is the SHA-256 that they are verified against, None when it is not known.
    """

    def __init__(
        self,
        folder: Callable[[], Path],
        capabilities: EngineCapabilities,
        context: EngineContext,
        policy: ModelPolicy,
        weights: str | None = None,
    ) -> None:
        self.capabilities = capabilities
        self.version = ""
        self._weights = weights
        self._folder = folder
        self._context = context
        self._policy = policy
        self._placement: Placement | None = None
        self._running = 0
        self._bulk = 0
        self._count = threading.Lock()

    @property
    def concurrency(self) -> int:
        """Calls at once; chosen at load."""
        return 1 if self._placement is None else self._placement.concurrency

    def load(self) -> None:
        """Verify the weights and bring them into memory."""
        folder = self._folder()
        self._placement = place(folder, self._context)
        backend = self._placement.alone
        parts = [fingerprint(folder, self._weights), backend.device, backend.compute_type]
        self.version = "|".join([*parts, *_libraries(), repr(self._policy)])

    def close(self) -> None:
        """Free the memory."""
        if self._placement is not None:
            self._placement.close()
            self._placement = None

    def plan(self, clip: Clip) -> Plan:
        """The window that will be encoded; clips of one window and policy share a call."""
        return takes.plan(clip, self._policy)

    def transcribe_batch(self, clips: Sequence[Clip]) -> list[ClipResult | Again | AsrError]:
        """One pass over each clip; see `ports.engine`."""
        placement = self._placement
        if placement is None:
            raise EngineFailed("The engine is not loaded.")
        bulk = any(clip.bulk for clip in clips)
        with self._count:
            # A short clip may have all threads beside long recordings, whose own run at a low
            # priority; several short ones do more on a thread each.
            rivals = self._running if bulk else self._running - self._bulk
            backend = placement.many if rivals or len(clips) > 1 else placement.alone
            self._running += 1
            self._bulk += bulk
        try:
            return [*decoding.Pass(backend, self._policy, clips).run()]
        except RuntimeError as error:  # CTranslate2's only kind
            raise EngineFailed("Whisper failed on this recording.") from error
        finally:
            with self._count:
                self._running -= 1
                self._bulk -= bulk


def _libraries() -> Iterator[str]:
    for name in ("ctranslate2", "faster-whisper", "tokenizers"):
        yield f"{name} {version(name)}"
