"""Whoever speaks in a room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from zhiyin.core.captions.subscribers import Subscription
from zhiyin.domain.captions import Caption, CaptionEvent
from zhiyin.domain.live import Final, LiveEvent, Partial, Warned


class Speaker:
    """Turns the events of a live session into captions; `inbox` is what the speaker reads.

    Ids begin at `first_id`. The inbox fails when somebody else has come to speak in the room.
    """

    def __init__(
        self,
        inbox: Subscription,
        tell: Callable[[CaptionEvent], None],
        leave: Callable[[], Awaitable[None]],
        first_id: int = 0,
    ) -> None:
        self.inbox = inbox
        self._tell = tell
        self._leave = leave
        self._first_id = first_id
        self._starts: dict[int, float] = {}
        self._finished = False

    def publish(self, event: LiveEvent) -> None:
        """Tell everybody what the session told."""
        told = event if isinstance(event, Warned) else self._caption(event)
        if told is not None:
            self._tell(told)

    async def finish(self) -> None:
        """Say that this was all; returns when the next one may speak, or soon after."""
        if not self._finished:
            self._finished = True
            await self._leave()

    def _caption(self, event: LiveEvent) -> Caption | None:
        if isinstance(event, Partial):
            text = event.stable + event.unstable
            start = self._starts.setdefault(event.segment_id, event.audio_end)
            number = self._first_id + event.segment_id
            return Caption(number, text, event.stable, False, start, event.audio_end, "")
        if isinstance(event, Final):
            self._starts.pop(event.segment_id, None)
            number = self._first_id + event.segment_id
            return Caption(
                number, event.shown, event.shown, True, event.start, event.end, event.language
            )
        return None
