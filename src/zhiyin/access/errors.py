"""HTTP error responses: status by error class (looked up by the MRO), OpenAI's error shape."""

from __future__ import annotations

import math

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Scope

from zhiyin.access.json_types import Json
from zhiyin.domain import errors as e
from zhiyin.ports.observer import UNOBSERVED, Observer

STATUS: dict[type[e.AsrError], int] = {
    e.InvalidRequest: 400,
    e.Unauthenticated: 401,
    e.ForeignOrigin: 403,
    e.UnknownHost: 421,
    e.UnknownModel: 404,
    e.UnknownRoom: 404,
    e.UnknownJob: 404,
    e.Conflict: 409,
    e.MissingBlob: 410,
    e.Unreachable: 400,
    e.ModelNotInstalled: 404,
    e.NotFound: 404,
    e.UndecodableAudio: 400,
    e.TooLarge: 413,
    e.SlowReader: 408,
    e.SlowSender: 408,
    e.SessionTaken: 409,
    e.Overloaded: 429,
    e.DeadlineExceeded: 504,
    e.EngineFailed: 500,
    e.BadWeights: 500,
    e.Unavailable: 503,
    e.StorageFull: 507,
    e.CannotDecrypt: 500,
    e.ConfigError: 500,
    e.AsrError: 500,
}
"""Every AsrError has a row here or a base class with one; `tests/unit/test_errors.py` checks."""

OBSERVER = "zhiyin.observer"
"""Where a scope has the observer; `access_log` puts it there."""

_HTTP = {
    400: ("The body is not valid JSON in UTF-8.", "invalid_json"),
    404: ("There is nothing at this address.", "not_found"),
    405: ("Wrong method for this address.", "method_not_allowed"),
}
"""Message and code of the errors that FastAPI raises; 400 is that of a body."""

_HTTP_BODY = "The body is a JSON object, sent with Content-Type: application/json."
_INTERNAL = "Something went wrong inside the service. The request id is in the X-Request-ID header."


def status_of(error: e.AsrError) -> int:
    """The HTTP status for an error."""
    return e.row_for(STATUS, error)


def error_type(status: int) -> str:
    """OpenAI's `type` for a status."""
    if status == 429:
        return "rate_limit_error"
    if status in (401, 403):
        return "authentication_error"
    return "invalid_request_error" if status < 500 else "server_error"


def error_body(error: e.AsrError) -> Json:
    """The error shape of the OpenAI API: all four keys, always."""
    return error_shape(status_of(error), error.message, error.param, error.code)


def error_shape(status: int, message: str, param: str | None, code: str | None) -> Json:
    """The error shape, of text that can be sent: JSON may hold half a surrogate pair."""
    kind = error_type(status)
    named = None if param is None else clean(param)
    return {"error": {"message": clean(message), "type": kind, "param": named, "code": code}}


def clean(text: str) -> str:
    """Text that UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode()


def error_response(error: e.AsrError) -> JSONResponse:
    """The whole response, with the headers that retrying clients read."""
    status = status_of(error)
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if status == 408:
        headers["Connection"] = "close"  # what still comes of its body is of no use
    if status >= 500:
        # The OpenAI client retries a failed request twice unless this header forbids it.
        headers["X-Should-Retry"] = "true" if error.retryable else "false"
    return JSONResponse(error_body(error), status, headers)


def internal_error() -> JSONResponse:
    """The response to an unexpected exception; see `access_log`."""
    return JSONResponse(error_shape(500, _INTERNAL, None, "internal_error"), 500)


def observe_error(scope: Scope, code: str) -> None:
    """Report the error of a request or connection to the observer, under its route's path."""
    observer: Observer = scope.get(OBSERVER, UNOBSERVED)
    observer.error(getattr(scope.get("route"), "path", "-"), code)


def install(app: FastAPI) -> None:
    """Register exception handlers that answer in the API's error shape."""

    @app.exception_handler(e.AsrError)
    async def _asr(request: Request, error: e.AsrError) -> JSONResponse:
        observe_error(request.scope, error.code)
        return error_response(error)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        status = error.status_code
        text, code = _HTTP.get(status, (str(error.detail), None))
        observe_error(request.scope, code or str(status))
        return JSONResponse(error_shape(status, text, None, code), status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if first["type"] == "json_invalid":  # its `loc` is the position
            return await _http(request, HTTPException(400))
        param = str(first["loc"][-1]) if first["loc"] else None
        observe_error(request.scope, "invalid_value")
        message = str(first["msg"]) if param != "body" else _HTTP_BODY
        return JSONResponse(error_shape(400, message, param, "invalid_value"), 400)
