"""A request's place at the queue, held from admission to its last clip."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

from zhiyin.core.scheduling.batching import Lane
from zhiyin.core.scheduling.entries import AdmittedRequest
from zhiyin.core.scheduling.queue import Queue
from zhiyin.domain.engine import Clip, ClipResult


@dataclass(frozen=True, eq=False, slots=True)
class Admission:
    """One admitted request: its clips are always taken. A context manager; leaving releases it."""

    queue: Queue
    request: AdmittedRequest

    @property
    def lost(self) -> bool:
        """Whether its engine was given up: nothing can be submitted any more."""
        return not self.queue.is_open

    def submit(self, clip: Clip, lane: Lane | None = None) -> Future[ClipResult]:
        """Queue a clip, in the request's lane or another; cancelling the future takes it out."""
        request = self.request
        future = self.queue.submit(request, clip, request.lane if lane is None else lane)
        request.futures.add(future)
        future.add_done_callback(request.futures.discard)
        return future

    def remaining(self, audio_s: float) -> None:
        """Set how many seconds of the request's audio are still to come."""
        self.request.backlog_s = self.queue.cost.request(audio_s)

    def release(self) -> None:
        """The request is over; what it still has in the queue is dropped."""
        self.queue.release(self.request)

    def __enter__(self) -> Admission:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()
