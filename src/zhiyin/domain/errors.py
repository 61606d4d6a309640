"""The error tree. Codes are stable and machine-readable; messages are for the caller.

Nothing here knows a wire format: each API has one table from class to response.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Row = TypeVar("Row")


class AsrError(Exception):
    """Base of everything zhiyin raises on purpose.

    `code` is stable, `param` names the offending request field (or None), `retryable` says
    whether the same request may succeed later, `retry_after_s` when that may be.
    """

    code = "internal_error"
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        if code is not None:
            self.code = code


class InvalidRequest(AsrError):
    """The request itself is wrong: a missing, unknown or malformed field."""

    code = "invalid_request"


class UnsupportedOption(InvalidRequest):
    """A valid option that the chosen model cannot serve (language, task, format)."""

    code = "unsupported_option"


class ForbiddenAddress(InvalidRequest):
    """A URL that this service must not reach, or that is none."""

    code = "forbidden_address"


class Unauthenticated(AsrError):
    """The key or token is unknown or has expired."""

    code = "invalid_api_key"


class ForeignOrigin(AsrError):
    """A page of another site sent the request."""

    code = "foreign_origin"


class UnknownHost(AsrError):
    """The request is for a host name that is not this server's."""

    code = "unknown_host"


class UnknownModel(AsrError):
    """No engine offers a model of that name."""

    code = "model_not_found"


class UnknownRoom(AsrError):
    """Nothing is known of a caption room."""

    code = "room_not_found"


class ModelNotInstalled(AsrError):
    """The model is known, but its weights are not on this machine."""

    code = "model_not_installed"


class UnknownJob(AsrError):
    """There is no such job, or not for this caller."""

    code = "job_not_found"


class Conflict(AsrError):
    """The request conflicts with the current state."""

    code = "conflict"


class BadWeights(AsrError):
    """The weights on disk are damaged or not what they claim to be."""

    code = "bad_weights"


class UndecodableAudio(AsrError):
    """The bytes are not audio that can be read."""

    code = "undecodable_audio"


class EmptyAudio(UndecodableAudio):
    """No bytes, or a container without a single sample."""

    code = "empty_audio"


class TooLarge(AsrError):
    """More bytes than the limit allows."""

    code = "file_too_large"


class TooLong(TooLarge):
    """More seconds of audio than the limit allows."""

    code = "audio_too_long"


class Overloaded(AsrError):
    """The queue is full; nothing was done."""

    code = "overloaded"
    retryable = True


class SlowReader(AsrError):
    """A live client reads too slowly."""

    code = "too_slow"


class SlowSender(AsrError):
    """The body of a request comes too slowly."""

    code = "request_timeout"


class SessionTaken(AsrError):
    """Another connection goes on with this live session."""

    code = "session_taken"


class DeadlineExceeded(AsrError):
    """Timeout: no result within the request's time limit."""

    code = "deadline_exceeded"


class EngineFailed(AsrError):
    """The engine failed on this clip."""

    code = "engine_failed"


class Unavailable(AsrError):
    """The service is starting, stopping, or its engine is not there."""

    code = "unavailable"
    retryable = True


class StorageFull(Unavailable):
    """There is no room for a recording; nothing was stored."""

    code = "storage_full"


class Unreachable(AsrError):
    """A URL that a client named does not respond, or with an error."""

    code = "unreachable"
    retryable = True


class MissingBlob(AsrError):
    """A stored recording or transcript is gone: expired or deleted."""

    code = "gone"


class MissingExtra(Unavailable):
    """A part is not installed; the message carries the install line."""

    code = "missing_extra"
    retryable = False


class NotFound(AsrError):
    """There is no such record, or it has another owner."""

    code = "not_found"


class CannotDecrypt(AsrError):
    """What is stored can't be read: the key is wrong or lost, or the data is not what it was."""

    code = "cannot_decrypt"


class ConfigError(AsrError):
    """A setting is wrong; the start is refused."""

    code = "bad_config"


def row_for(table: Mapping[type[AsrError], Row], error: AsrError) -> Row:
    """The row of an error in a table: of its class, else of the nearest base with one."""
    return next(table[kind] for kind in type(error).__mro__ if kind in table)
