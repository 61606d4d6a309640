"""Circuit breaker: fail at once while a server is known to be unavailable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from zhiyin.domain.backoff import backoff_s
from zhiyin.domain.errors import Unavailable

T = TypeVar("T")
log = logging.getLogger(__name__)

_FIRST_S, _LONGEST_S = 0.5, 15.0


class Breaker:
    """Circuit breaker: open after a failure, closed once a task's `probe` succeeds.

    `probe` raises while the server is unavailable; `failures` are the driver's errors for that.
    Opening and closing are logged once each. Used from the event loop.
    """

    def __init__(
        self,
        name: str,
        probe: Callable[[], Awaitable[None]],
        failures: tuple[type[Exception], ...],
        first_s: float = _FIRST_S,
    ) -> None:
        self._name = name
        self._probe = probe
        self._failures = failures
        self._first_s = first_s
        self._probing: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """Whether calls are refused."""
        return self._probing is not None

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work`. Raises Unavailable."""
        if self._probing is not None:
            raise Unavailable(f"{self._name} is away.")
        try:
            return await work()
        except self._failures as error:
            self._trip(error)
            raise Unavailable(f"{self._name} can't be reached.") from error

    async def close(self) -> None:
        """Stop probing."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    def _trip(self, error: Exception) -> None:
        if self._probing is None:  # else a concurrent call has opened it
            log.warning("%s is away (%s); it is done without", self._name, type(error).__name__)
            self._probing = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        tries = 0
        while True:
            tries += 1
            await asyncio.sleep(backoff_s(tries, self._first_s, _LONGEST_S))
            try:
                await self._probe()
            except self._failures:
                continue
            break
        log.warning("%s is back", self._name)
        self._probing = None
