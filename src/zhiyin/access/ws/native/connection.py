"""A connection of the native protocol, between a client and its session."""

from __future__ import annotations

import asyncio
from functools import partial

from starlette.websockets import WebSocketDisconnect

from zhiyin.access.json_types import Json
from zhiyin.access.ws.errors import error_event
from zhiyin.access.ws.native.resumable import ResumableSession
from zhiyin.access.ws.native.schemas import Start, read, read_first
from zhiyin.access.ws.native.sessions import SessionTable
from zhiyin.access.ws.transport import Attachment, Transport, converse
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import AsrError, InvalidRequest, SessionTaken


class Connection:
    """From the first message to the close."""

    def __init__(self, wire: Transport, sessions: SessionTable, caller: Caller) -> None:
        self._wire = wire
        self._caller = caller
        self._sessions = sessions
        self._problem: AsrError | None = None

    async def run(self) -> None:
        """Serve the client until one of the two ends it."""
        try:
            held, after = await self._session()
        except WebSocketDisconnect:
            return
        except AsrError as error:
            await self._wire.refuse(error)
            return
        hold = await held.attach(after)
        try:
            await self._wire.send(held.ready())
            await converse(self._tell(held, hold), self._listen(held, hold), hold)
        except WebSocketDisconnect:
            pass  # it may come back
        except SessionTaken as error:
            await self._wire.refuse(error)
        except AsrError as error:
            self._sessions.drop(held)
            await self._wire.refuse(error)
        else:
            await self._wire.close(self._problem)
        finally:
            self._sessions.leave(held, hold)

    async def _session(self) -> tuple[ResumableSession, int]:
        """What the first message asks for, and the last event that its client has seen."""
        message = await self._wire.receive()
        if isinstance(message, bytes):
            raise InvalidRequest(
                'The first message must be text: {"type": "start", ...}.', code="not_started"
            )
        first = read_first(message)
        if isinstance(first, Start):
            return await self._sessions.open(first, self._caller), 0
        held = self._sessions.find(first.session_id, first.last_event, self._caller.owner)
        return held, first.last_event

    async def _tell(self, held: ResumableSession, hold: Attachment) -> None:
        async for event in held.outbox.read(hold):
            await self._wire.send(event)

    async def _listen(self, held: ResumableSession, hold: Attachment) -> None:
        """Take messages; one that is wrong is answered, and forgotten.

        When the session can't go on, what was said until then is still told.
        """
        while self._problem is None:
            try:
                message = await self._wire.receive(patient=held.ended)
                await self._obey(held, hold, message)
            except InvalidRequest as error:
                await self._answer(held, hold, error_event(error))
            except SessionTaken:
                raise
            except AsrError as error:
                self._blame(held, hold, error)
                await held.finish(hold, partial(self._blame, held, hold))

    async def _obey(self, held: ResumableSession, hold: Attachment, message: str | bytes) -> None:
        if isinstance(message, bytes):
            await held.feed(hold, message)
            return
        wanted = read(message).type
        if wanted == "commit":
            await held.commit(hold)
        elif wanted == "eof":
            await held.finish(hold, partial(self._blame, held, hold))
        else:
            await self._answer(held, hold, {"type": "pong"})

    async def _answer(self, held: ResumableSession, hold: Attachment, body: Json) -> None:
        """Answer a message; what came with it waits until the answer is on its way."""
        held.answer(hold, body)
        await asyncio.sleep(0)

    def _blame(self, held: ResumableSession, hold: Attachment, problem: AsrError) -> None:
        """The session can't go on; what was wrong first counts."""
        if self._problem is None:
            self._problem = problem
            held.answer(hold, error_event(problem))
