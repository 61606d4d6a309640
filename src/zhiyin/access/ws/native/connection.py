"""A connection of the native protocol, between a client and its session."""

from __future__ import annotations

import asyncio

from zhiyin.access.json_types import Json
from zhiyin.access.ws.dialect import Attachment, converse, read_messages, send_events
from zhiyin.access.ws.errors import error_event
from zhiyin.access.ws.native.resumable import ResumableSession
from zhiyin.access.ws.native.schemas import Start, read, read_first
from zhiyin.access.ws.native.sessions import SessionTable
from zhiyin.access.ws.transport import Transport
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import AsrError, InvalidRequest, SessionTaken


async def serve(transport: Transport, sessions: SessionTable, caller: Caller) -> None:
    """Serve a client from its first message to the close. Raises AsrError, WebSocketDisconnect."""
    session, after = await _find_session(transport, sessions, caller)
    attachment = await session.attach(after)
    try:
        await transport.send(session.ready())
        await Connection(transport, session, attachment).run()
    except SessionTaken:
        raise
    except AsrError:
        sessions.drop(session)
        raise
    finally:
        sessions.leave(session, attachment)


async def _find_session(
    transport: Transport, sessions: SessionTable, caller: Caller
) -> tuple[ResumableSession, int]:
    """What the first message asks for, and the last event that its client has seen."""
    message = await transport.receive()
    if isinstance(message, bytes):
        raise InvalidRequest(
            'The first message must be text: {"type": "start", ...}.', code="not_started"
        )
    first = read_first(message)
    if isinstance(first, Start):
        return await sessions.open(first, caller), 0
    return sessions.find(first.session_id, first.last_event, caller.owner), first.last_event


class Connection:
    """Implements `access.ws.dialect.Dialect` for a session that this connection holds.

    A wrong message is answered, and ignored. When the session can't go on, what was received until
    then is still decoded and sent.
    """

    def __init__(
        self, transport: Transport, session: ResumableSession, attachment: Attachment
    ) -> None:
        self._transport = transport
        self._session = session
        self._attachment = attachment
        self._problem: AsrError | None = None

    async def run(self) -> None:
        """Read and send until the session is over."""
        events = self._session.log.read(self._attachment)
        await converse(send_events(self._transport, events), self._read(), self._attachment)
        await self._transport.close(self._problem)

    @property
    def reading(self) -> bool:
        """Until the session can't go on."""
        return self._problem is None

    @property
    def patient(self) -> bool:
        """After the end of the audio."""
        return self._session.ended

    async def handle(self, message: str | bytes) -> None:
        """Audio or a control message."""
        if isinstance(message, bytes):
            await self._session.write(self._attachment, message)
            self._transport.note_sound()
            return
        wanted = read(message).type
        if wanted == "commit":
            await self._session.commit(self._attachment)
        elif wanted == "eof":
            await self._session.finish(self._attachment, self._end_with)
        else:
            await self._answer({"type": "pong"})

    async def fail(self, error: AsrError) -> None:
        """Answer an error; all but a wrong message end the session, or this connection."""
        if isinstance(error, SessionTaken):
            raise error
        if isinstance(error, InvalidRequest):
            await self._answer(error_event(error))
        else:
            self._end_with(error)

    async def _read(self) -> None:
        await read_messages(self._transport, self)
        await self._session.finish(self._attachment, self._end_with, cut=True)

    async def _answer(self, body: Json) -> None:
        """Answer a message; what came with it waits until the answer is on its way."""
        self._session.answer(self._attachment, body)
        await asyncio.sleep(0)

    def _end_with(self, problem: AsrError) -> None:
        """The session can't go on; what was wrong first counts."""
        if self._problem is None:
            self._problem = problem
            self._session.answer(self._attachment, error_event(problem))
