"""Speaker of a room: turns the events of a live session into captions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from zhiyin.core.captions.subscribers import Subscription
from zhiyin.domain.captions import Caption, CaptionEvent
from zhiyin.domain.live import Final, LiveEvent, Partial, Warned


class Speaker:
    """Publishes captions with ids from `first_id` on; `inbox` is what the speaker's client reads.

    The inbox fails when another speaker has taken the room.
    """

    def __init__(
        self,
        inbox: Subscription,
        emit: Callable[[CaptionEvent], None],
        leave: Callable[[], Awaitable[None]],
        first_id: int = 0,
    ) -> None:
        self.inbox = inbox
        self._emit = emit
        self._leave = leave
        self._first_id = first_id
        self._starts: dict[int, float] = {}
        self._finished = False

    def publish(self, event: LiveEvent) -> None:
        """Publish the session's event as a caption, if it makes one; warnings as they are."""
        caption = event if isinstance(event, Warned) else self._caption(event)
        if caption is not None:
            self._emit(caption)

    async def finish(self) -> None:
        """End the turn; returns when the next speaker may begin, or after a short timeout."""
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
