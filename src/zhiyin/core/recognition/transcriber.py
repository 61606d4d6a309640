"""Transcription of one recording, the same for every API: prepare, decode, collect, cache."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeVar

from zhiyin.core.recognition.cache_key import result_key
from zhiyin.core.recognition.context import Context
from zhiyin.core.recognition.prepare import Preparation, Preparer
from zhiyin.core.recognition.result_cache import CacheKey, CachePolicy, ResultCache
from zhiyin.core.scheduling.admission import Admission
from zhiyin.core.scheduling.batching import Lane
from zhiyin.core.scheduling.registry import Registry
from zhiyin.core.scheduling.scheduler import Scheduler
from zhiyin.core.text_steps import TextSteps
from zhiyin.domain.audio import Notice, Piece
from zhiyin.domain.caller import Caller
from zhiyin.domain.engine import Clip, ClipResult, ModelInfo
from zhiyin.domain.errors import DeadlineExceeded
from zhiyin.domain.events import Event, Finished, Progress, SegmentReady
from zhiyin.domain.options import TranscribeOptions
from zhiyin.domain.source import AudioSource
from zhiyin.domain.spoken import SpokenLanguages
from zhiyin.domain.transcript import Segment, Transcript
from zhiyin.ports.text import TextContext

T = TypeVar("T")
OnFinished = Callable[[Transcript], None]

_UNDECLARED_S = 15.0  # taken for recordings that don't declare their length, as a browser's
_UNSURE = 0.5  # a piece whose language is less probable is in that of its neighbours
_MOST_HELD = 4  # such pieces at the beginning, until there is one that is sure


@dataclass(frozen=True, slots=True)
class Transcriber:
    """Recognizes recordings. `ahead` clips of one request wait at the engine at once.

    `results` None: nothing is shared or cached.
    """

    registry: Registry
    preparer: Preparer
    results: ResultCache | None = None
    ahead: int = 16
    steps: TextSteps = field(default_factory=TextSteps)

    async def transcribe(
        self,
        source: AudioSource,
        options: TranscribeOptions,
        caller: Caller,
        *,
        lane: Lane = Lane.ONE_SHOT,
        timeout_s: float | None = None,
        recall: CachePolicy | None = None,
        on_finished: OnFinished | None = None,
    ) -> Transcript:
        """The whole transcript. Raises AsrError; see `stream`."""
        run = self.stream(
            source, options, caller, lane=lane, timeout_s=timeout_s, recall=recall,
            on_finished=on_finished,
        )  # fmt: skip
        async with aclosing(run):
            async for event in run:
                if isinstance(event, Finished):
                    return event.transcript
        raise AssertionError("a run ends with Finished or an error")

    async def stream(
        self,
        source: AudioSource,
        options: TranscribeOptions,
        caller: Caller,
        *,
        lane: Lane = Lane.ONE_SHOT,
        timeout_s: float | None = None,
        recall: CachePolicy | None = None,
        on_finished: OnFinished | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Events in order, `Finished` last; cached results are replayed where `recall` allows it.

        `on_finished` is called with the transcript just before `Finished` comes.

        Raises AsrError: InvalidRequest, UnknownModel, UndecodableAudio, TooLong, Overloaded,
        DeadlineExceeded after `timeout_s` seconds, EngineFailed. Closing the generator takes
        the request's waiting clips out of the queue.
        """
        model = self.registry.check(options)
        loop = asyncio.get_running_loop()
        deadline = None if timeout_s is None else loop.time() + timeout_s
        scheduler = await _before(deadline, self.registry.scheduler(model))
        job = _Job(source, options, caller, model, scheduler, lane, deadline)
        async with aclosing(await _before(deadline, self._events(job, recall))) as events:
            while (event := await _before(deadline, anext(events, None))) is not None:
                if on_finished is not None and isinstance(event, Finished):
                    on_finished(event.transcript)
                yield event

    async def _events(self, job: _Job, recall: CachePolicy | None) -> AsyncGenerator[Event, None]:
        if self.results is None or recall is None:
            return self._recognize(job)
        # A request for sampling wants another text each time.
        if not recall.allowed or job.options.decode.temperature > 0 or not job.scheduler.version:
            self.results.bypass()
            return self._recognize(job)
        digest = job.source.digest or await self.preparer.digest(job.source)
        key = result_key(
            digest, job.options, job.model, job.scheduler.version, self.results.edition
        )
        return self.results.stream(
            recall, CacheKey(job.caller.owner, key, job.lane), lambda: self._recognize(job)
        )

    async def _recognize(self, job: _Job) -> AsyncGenerator[Event, None]:
        longest = job.model.capabilities.max_seconds
        options = job.options
        preparation = await self.preparer.open(
            job.source, gated=options.vad, max_piece=longest, track=options.track
        )
        try:
            now = asyncio.get_running_loop().time()
            left = None if job.deadline is None else job.deadline - now
            expected = preparation.declared or _UNDECLARED_S
            # Meanwhile the model may have been unloaded.
            scheduler = await self.registry.scheduler(job.model)
            with scheduler.admit(job.caller, job.lane, expected, left) as admission:
                run = _Run(preparation, admission, job.options, job.model, self.ahead, self.steps)
                while (event := await run.next()) is not None:
                    yield event
        finally:
            await preparation.close()


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be recognized, by whom, and until which time of the loop."""

    source: AudioSource
    options: TranscribeOptions
    caller: Caller
    model: ModelInfo
    scheduler: Scheduler
    lane: Lane
    deadline: float | None


async def _before(deadline: float | None, work: Awaitable[T]) -> T:
    """Await `work` until the loop's time `deadline`; DeadlineExceeded after it."""
    try:
        async with asyncio.timeout_at(deadline):
            return await work
    except TimeoutError as error:
        raise DeadlineExceeded("The result did not come within the time limit.") from error


class _Run:
    """The state of one request while its pieces go through the engine."""

    def __init__(
        self,
        preparation: Preparation,
        admission: Admission,
        options: TranscribeOptions,
        model: ModelInfo,
        ahead: int,
        steps: TextSteps,
    ) -> None:
        self._steps = steps
        self._text = options.text
        self._preparation = preparation
        self._admission = admission
        self._model = model
        self._decode = options.decode
        self._asked = options.decode.language
        self._spoken = SpokenLanguages()
        self._held: list[tuple[Piece, ClipResult]] = []
        self._ahead = 1 if options.previous_text else ahead
        self._context = Context(options.decode.prompt) if options.previous_text else None
        self._waiting: deque[tuple[Piece, asyncio.Future[ClipResult]]] = deque()
        self._exhausted = False
        self._finished = False
        self._languages: dict[str, tuple[float, float]] = {}  # language -> seconds, probability
        self._segments: list[Segment] = []
        self._events: deque[Event] = deque([Progress(0.0, preparation.declared)])

    async def next(self) -> Event | None:
        """The next event; None after `Finished`."""
        while not self._events:
            await self._fill()
            if self._waiting:
                await self._collect()
            elif self._exhausted:
                if self._finished:
                    return None
                await self._release()
                self._finished = True
                self._events.append(Finished(self._transcript()))
        return self._events.popleft()

    async def _fill(self) -> None:
        """Submit pieces ahead; one at a time while nothing is known of the language."""
        known = self._asked is not None or self._spoken.expected is not None
        limit = self._ahead if known else 1
        while not self._exhausted and len(self._waiting) < limit:
            piece = await self._preparation.next()
            if piece is None:
                self._exhausted = True
                return
            if piece.music and "music" not in self._model.capabilities.features:
                continue
            prompt = self._decode.prompt if self._context is None else self._context.prompt
            self._waiting.append((piece, self._submit(piece, prompt)))

    def _submit(self, piece: Piece, prompt: str) -> asyncio.Future[ClipResult]:
        options = replace(self._decode, prompt=prompt)
        expected = None if self._asked is not None else self._spoken.expected
        clip = Clip(
            piece.samples,
            options,
            piece.speech,
            expected,
            music=piece.music,
            voiced_s=piece.voiced_s,
        )
        return asyncio.wrap_future(self._admission.submit(clip))

    async def _collect(self) -> None:
        piece, future = self._waiting.popleft()
        result = await future
        if self._context is not None:
            if self._context.misled(result, piece):
                result = await self._submit(piece, self._decode.prompt)
            self._context.add(result)
        if self._is_too_early(result):
            self._held.append((piece, result))
            return
        result = await self._believed(piece, result)
        self._spoken.add(result)
        await self._release()
        self._take(piece, result)
        self._admission.remaining((self._preparation.declared or piece.end) - piece.end)
        self._events.append(Progress(piece.end, self._preparation.declared))

    def _is_too_early(self, result: ClipResult) -> bool:
        """Whether the language of a first piece is better judged by what comes next."""
        unknown = self._spoken.expected is None and bool(result.segments)
        return unknown and _is_unsure(result) and len(self._held) < _MOST_HELD

    async def _release(self) -> None:
        """Take the pieces that were held back."""
        held, self._held = self._held, []
        for piece, result in held:
            self._take(piece, await self._believed(piece, result))

    async def _believed(self, piece: Piece, result: ClipResult) -> ClipResult:
        """The result, or another in the language that is expected by now."""
        expected = self._spoken.expected
        if expected in (None, result.language) or not _is_unsure(result):
            return result
        return await self._submit(piece, self._decode.prompt)

    def _take(self, piece: Piece, result: ClipResult) -> None:
        """Make events of a result."""
        self._note_language(result)
        for segment in result.segments:
            spoken = segment.language or result.language
            written = self._decode.text_language(self._spoken.written_as(spoken))
            context = TextContext(written, self._text)
            placed = replace(segment.shifted(piece.start), language=spoken)
            placed = self._steps.segment(placed, context)
            self._events.append(SegmentReady(len(self._segments), placed))
            self._segments.append(placed)

    def _note_language(self, result: ClipResult) -> None:
        seconds_of = {result.language: 0.0}
        for s in result.segments:
            language = s.language or result.language
            seconds_of[language] = seconds_of.get(language, 0.0) + s.end - s.start
        for language, speech_s in seconds_of.items():
            seconds, best = self._languages.get(language, (0.0, 0.0))
            probability = result.language_probability or 0.0
            own = probability if language == result.language else 0.0
            self._languages[language] = (seconds + speech_s, max(best, own))

    def _transcript(self) -> Transcript:
        language, (_, probability) = max(
            self._languages.items(), key=lambda item: item[1], default=("und", (0.0, 0.0))
        )
        return Transcript(
            tuple(self._segments),
            language=self._asked or language,
            language_probability=None if self._asked else probability,
            duration=self._preparation.read,
            engine=self._model.engine,
            model=self._model.id,
            task=self._decode.task,
            notices=self._notices(),
        )

    def _notices(self) -> tuple[Notice, ...]:
        notices = self._preparation.notices
        if not self._segments:
            notices += (Notice("no_speech", "No speech was found in the recording."),)
        return notices


def _is_unsure(result: ClipResult) -> bool:
    probability = result.language_probability
    return probability is not None and probability < _UNSURE
