"""Session table of `/v1/stream`; sessions without a connection wait here for their clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from zhiyin.access.ws.dialect import Attachment
from zhiyin.access.ws.native.resumable import ResumableSession, new_id
from zhiyin.access.ws.native.schemas import Start
from zhiyin.core.live.service import LiveService
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.live import AudioFormat

Ending = Coroutine[Any, Any, None]


class SessionTable:
    """Used from the event loop only. `grace_s` is how long a session waits for its client.

    One that has ended waits as well: its last events may not have arrived.
    """

    def __init__(self, live: LiveService, grace_s: float) -> None:
        self._live = live
        self._grace_s = grace_s
        self._sessions: dict[str, ResumableSession] = {}
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> int:
        """Sessions that are kept."""
        return len(self._sessions)

    async def open(self, start: Start, caller: Caller) -> ResumableSession:
        """A new session. Raises InvalidRequest, UnknownModel, Overloaded, Unavailable."""
        caller = caller.at("stream", store=start.store, request_id=new_id())
        audio_format = AudioFormat(start.encoding, start.sample_rate)
        live = await self._live.open(start.options(self._live.defaults), audio_format, caller)
        session = ResumableSession(live, start, max_events=self._live.limits.max_events)
        self._sessions[session.id] = session
        return session

    def find(self, session_id: str, after: int, owner: str) -> ResumableSession:
        """The owner's session of that name; it waits no longer. Raises InvalidRequest.

        The events after that number must still be there.
        """
        session = self._sessions.get(session_id)
        if session is None or session.owner != owner:
            raise InvalidRequest(
                "There is no such session, or it has ended. Start a new one.",
                code="session_not_found",
                param="session_id",
            )
        session.log.check(after)
        self._stay(session)
        return session

    def leave(self, session: ResumableSession, attachment: Attachment) -> None:
        """A connection is gone; if it held the session, that waits for another one."""
        if not session.detach(attachment) or session.id not in self._sessions:
            return
        self._stay(session)
        loop = asyncio.get_running_loop()
        self._waiting[session.id] = loop.call_later(self._grace_s, self._give_up, session)
        if len(self._waiting) > self._live.limits.max_sessions:
            self.drop(self._least_missed())

    def drop(self, session: ResumableSession) -> None:
        """End a session that can't be resumed."""
        self._remove(session, ResumableSession.close)

    def _give_up(self, session: ResumableSession) -> None:
        """The client did not come back; the history still gets the last words."""
        self._remove(session, ResumableSession.wind_up)

    def _remove(self, session: ResumableSession, end: Callable[[ResumableSession], Ending]) -> None:
        self._stay(session)
        if self._sessions.pop(session.id, None) is not None:
            task = asyncio.create_task(end(session))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _stay(self, session: ResumableSession) -> None:
        timer = self._waiting.pop(session.id, None)
        if timer is not None:
            timer.cancel()

    def _least_missed(self) -> ResumableSession:
        """The oldest whose events are all logged, else the oldest."""
        waiting = [self._sessions[name] for name in self._waiting]
        return next((s for s in waiting if s.over), waiting[0])
