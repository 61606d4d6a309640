"""Error class to close code and error type: one table, looked up along the MRO."""

from __future__ import annotations

from typing import Any, NamedTuple

from zhiyin.access.errors import clean
from zhiyin.domain import errors as e


class Answer(NamedTuple):
    """The close code when a session can't go on (RFC 6455, 7.4), and OpenAI's `type`."""

    code: int
    type: str


_CLIENT, _SERVER = "invalid_request_error", "server_error"
POLICY, MISMATCH, TOO_BIG, INTERNAL, LATER = 1008, 1007, 1009, 1011, 1013
TAKEN = 4409

ANSWERS: dict[type[e.AsrError], Answer] = {
    e.InvalidRequest: Answer(POLICY, _CLIENT),
    e.Unauthenticated: Answer(POLICY, "authentication_error"),
    e.ForeignOrigin: Answer(POLICY, _CLIENT),
    e.UnknownHost: Answer(POLICY, _CLIENT),
    e.UnknownModel: Answer(POLICY, _CLIENT),
    e.ModelNotInstalled: Answer(POLICY, _CLIENT),
    e.UnknownRoom: Answer(POLICY, _CLIENT),
    e.UnknownJob: Answer(POLICY, _CLIENT),
    e.NotFound: Answer(POLICY, _CLIENT),
    e.Conflict: Answer(POLICY, _CLIENT),
    e.UndecodableAudio: Answer(MISMATCH, _CLIENT),
    e.TooLarge: Answer(TOO_BIG, _CLIENT),
    e.TooLong: Answer(POLICY, _CLIENT),
    e.SessionTaken: Answer(TAKEN, _CLIENT),
    e.DeadlineExceeded: Answer(POLICY, _CLIENT),  # of the client: it sent nothing for too long
    e.SlowReader: Answer(LATER, _CLIENT),
    e.SlowSender: Answer(LATER, _CLIENT),
    e.Overloaded: Answer(LATER, "rate_limit_error"),
    e.Unavailable: Answer(LATER, _SERVER),
    e.Unreachable: Answer(LATER, _SERVER),
    e.MissingBlob: Answer(INTERNAL, _SERVER),
    e.MissingExtra: Answer(INTERNAL, _SERVER),
    e.EngineFailed: Answer(INTERNAL, _SERVER),
    e.BadWeights: Answer(INTERNAL, _SERVER),
    e.ConfigError: Answer(INTERNAL, _SERVER),
    e.CannotDecrypt: Answer(INTERNAL, _SERVER),
    e.AsrError: Answer(INTERNAL, _SERVER),
}
"""Every AsrError has a row here or a base class with one; `tests/unit/test_errors.py` checks."""


def close_code(problem: e.AsrError) -> int:
    """What the socket is closed with when this ended the session."""
    return e.row_for(ANSWERS, problem).code


def fields(problem: e.AsrError) -> dict[str, Any]:
    """The error as in every other answer: message, type, param, code; text that can be sent."""
    return {
        "message": clean(problem.message),
        "type": e.row_for(ANSWERS, problem).type,
        "param": None if problem.param is None else clean(problem.param),
        "code": problem.code,
    }


def error_event(problem: e.AsrError) -> dict[str, Any]:
    """An error event, in the API's own shape."""
    return {"type": "error", "error": fields(problem)}
