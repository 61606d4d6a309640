"""Validation of what clients send, for HTTP and WebSocket: pydantic's errors as InvalidRequest."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ValidationError

from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.languages import parse_language

Form = TypeVar("Form", bound=BaseModel)


def _language(value: str) -> str:
    parse_language(value)
    return value


Language = Annotated[str, AfterValidator(_language)]


def validated(model: type[Form], fields: dict[str, object]) -> Form:
    """The fields as `model`; pydantic's first error as InvalidRequest."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else None
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, InvalidRequest):
            raise cause from error
        if first["type"] == "missing":
            raise missing(str(name)) from error
        if first["type"] == "extra_forbidden":
            raise InvalidRequest(
                f"There is no field '{str(name)[:40]}' here.", code="unknown_parameter",
                param=str(name)[:40],
            ) from error  # fmt: skip
        message = f"The field '{name}' is wrong: {complaint(first['msg'])}."
        raise InvalidRequest(message, code="invalid_value", param=name) from error


def complaint(message: str) -> str:
    """Pydantic's message without its own prefix."""
    return message.removeprefix("Value error, ")


def missing(name: str, hint: str = "") -> InvalidRequest:
    """The error for a required field that is missing."""
    message = f"The field '{name}' is missing. {hint}".strip()
    return InvalidRequest(message, code="missing_required_parameter", param=name)
