"""A Whisper engine on a virtual clock: real results, each decoded once, and a fixed cost model.

What was decoded is kept in a file, so that another policy costs only what it decodes differently,
and what a call takes does not depend on what else the machine does.
"""

from __future__ import annotations

import asyncio
import pickle
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from zhiyin.core.scheduling.batching import Lane
from zhiyin.domain.audio import Samples, Span
from zhiyin.domain.caller import Caller
from zhiyin.domain.engine import Again, Clip, ClipResult, ModelInfo
from zhiyin.domain.options import DecodeOptions, TranscribeOptions
from zhiyin.domain.segmenting import TimedText
from zhiyin.engines.whisper.backend import Backend
from zhiyin.engines.whisper.decoding import Pass
from zhiyin.engines.whisper.guard import Hypothesis
from zhiyin.engines.whisper.policy import FULL_WINDOW_S, ModelPolicy
from zhiyin.engines.whisper.spoken import Ranking

T = TypeVar("T")

# Seconds on two idle cores of a Xeon (2026-11-28), Whisper base int8: the encoder by second of
# window, and much more for the full one; the decoder by token, greedy and with beam 5.
_ENCODE_S, _ENCODE_FULL_S = 0.0052, 0.33
_CALL_S, _GREEDY_S, _BEAM_S, _SAMPLE_S, _ALIGN_S = 0.006, 0.0024, 0.0035, 0.015, 0.0008


class Memory:
    """Results by their key, in a file."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._file.execute("pragma journal_mode=wal")
        self._file.execute("create table if not exists results (key blob primary key, value blob)")

    def get(self, key: object, compute: Callable[[], T]) -> T:
        """The result of `compute`, which is called the first time."""
        digest = blake2b(repr(key).encode(), digest_size=16).digest()
        row = self._file.execute("select value from results where key = ?", (digest,)).fetchone()
        value: T
        if row is not None:
            value = pickle.loads(row[0])
            return value
        value = compute()
        self._file.execute(
            "insert or replace into results values (?, ?)", (digest, pickle.dumps(value))
        )
        return value


@dataclass(slots=True)
class _Sound:
    """A clip on its way through the encoder, which runs when it must."""

    clip: Samples
    window_s: float
    pad_audio: bool
    key: str = ""
    encoded: Any = None


class RememberedBackend:
    """A `Backend` for one clip at a time; `spent_s` is what the calls would have taken."""

    def __init__(self, backend: Backend, memory: Memory) -> None:
        self._backend = backend
        self._memory = memory
        self.spent_s = 0.0

    def features(self, clips: list[Samples], window_s: float, *, pad_audio: bool) -> _Sound:
        """The clip, known by its content."""
        (clip,) = clips
        parts = f"{window_s} {pad_audio}".encode()
        return _Sound(clip, window_s, pad_audio, blake2b(clip.tobytes() + parts).hexdigest())

    def encode(self, sound: _Sound) -> _Sound:
        """Nothing yet."""
        full = sound.window_s >= FULL_WINDOW_S
        self.spent_s += _ENCODE_FULL_S if full else _CALL_S + _ENCODE_S * sound.window_s
        return sound

    def select(self, sound: _Sound, indices: list[int]) -> _Sound:
        """The only one."""
        return sound

    def detect(self, sound: _Sound) -> list[Ranking]:
        """As the backend does."""
        self.spent_s += _CALL_S
        return self._memory.get(
            ("detect", sound.key), lambda: self._backend.detect(self._encoded(sound))
        )

    def detect_within(
        self, sound: _Sound, index: int, spans: Sequence[Span], seconds: float
    ) -> list[Ranking]:
        """As the backend does; `index` is that of the only clip."""
        self.spent_s += _CALL_S
        return self._memory.get(
            ("within", sound.key, list(spans), seconds),
            lambda: self._backend.detect_within(self._encoded(sound), index, spans, seconds),
        )

    def generate(
        self, sound: _Sound, languages: list[str], options: DecodeOptions, max_new: list[int],
        width: int, temperature: float,
    ) -> list[Hypothesis]:  # fmt: skip
        """As the backend does."""
        found = self._memory.get(
            ("generate", sound.key, languages, options.task, options.prompt, options.hotwords,
             max_new, width, temperature),
            lambda: self._backend.generate(
                self._encoded(sound), languages, options, max_new, width, temperature
            ),
        )  # fmt: skip
        each = _SAMPLE_S if temperature else _GREEDY_S if width == 1 else _BEAM_S
        self.spent_s += _CALL_S + each * len(found[0].tokens)
        return found

    def text(self, tokens: tuple[int, ...]) -> str:
        """As the backend does."""
        return self._backend.text(tokens)

    def align(
        self, sound: _Sound, language: str, options: DecodeOptions, tokens: list[tuple[int, ...]],
        seconds: list[float],
    ) -> list[list[TimedText]]:  # fmt: skip
        """As the backend does."""
        self.spent_s += _ALIGN_S * len(tokens[0])
        return self._memory.get(
            ("align", sound.key, language, options.task, tokens, seconds),
            lambda: self._backend.align(self._encoded(sound), language, options, tokens, seconds),
        )

    def _encoded(self, sound: _Sound) -> Any:
        if sound.encoded is None:
            features = self._backend.features(
                [sound.clip], sound.window_s, pad_audio=sound.pad_audio
            )
            sound.encoded = self._backend.encode(features)
        return sound.encoded


@dataclass(eq=False, slots=True)
class _Waiting:
    lane: Lane
    number: int
    clip: Clip
    future: Future[ClipResult]


class VirtualEngine:
    """Runs one call at a time, the most urgent first; `slowness` times as slow as the cost model.

    It stands for the registry, the scheduler and the admission of a live service as well. `change`
    is done to every clip.
    """

    lost = False

    def __init__(
        self,
        backend: RememberedBackend,
        policies: ModelPolicy,
        model: ModelInfo,
        slowness: float = 1.0,
        change: Callable[[Clip], Clip] = lambda clip: clip,
    ) -> None:
        self._backend = backend
        self._policies = policies
        self._model = model
        self._slowness = slowness
        self._change = change
        self._waiting: list[_Waiting] = []
        self._busy = False
        self._count = 0

    def check(self, options: TranscribeOptions) -> ModelInfo:
        """The only model."""
        return self._model

    async def scheduler(self, model: ModelInfo) -> VirtualEngine:
        """Itself."""
        return self

    def admit(self, caller: Caller, lane: Lane, audio_s: float) -> VirtualEngine:
        """Itself."""
        return self

    def release(self) -> None:
        """Nothing is held."""

    def submit(self, clip: Clip, lane: Lane) -> Future[ClipResult]:
        """Queue a clip."""
        future: Future[ClipResult] = Future()
        self._count += 1
        self._waiting.append(_Waiting(lane, self._count, self._change(clip), future))
        self._next()
        return future

    def transcribe(self, clip: Clip) -> ClipResult:
        """At once, all passes of it."""
        while isinstance(outcome := self._pass(clip), Again):
            clip = outcome.clip
        return outcome

    def _next(self) -> None:
        self._waiting = [w for w in self._waiting if not w.future.cancelled()]
        if self._busy or not self._waiting:
            return
        chosen = min(self._waiting, key=lambda w: (w.lane, w.number))
        self._waiting.remove(chosen)
        if not chosen.future.running():
            chosen.future.set_running_or_notify_cancel()
        self._busy, before = True, self._backend.spent_s
        outcome = self._pass(chosen.clip)
        took = (self._backend.spent_s - before) * self._slowness
        asyncio.get_running_loop().call_later(took, self._settle, chosen, outcome)

    def _settle(self, call: _Waiting, outcome: ClipResult | Again) -> None:
        self._busy = False
        if isinstance(outcome, Again):
            self._waiting.append(_Waiting(call.lane, call.number, outcome.clip, call.future))
        else:
            call.future.set_result(outcome)
        self._next()

    def _pass(self, clip: Clip) -> ClipResult | Again:
        return Pass(self._backend, self._policies, [clip]).run()[0]  # type: ignore[arg-type]
