"""OpenAPI document at /docs: request bodies made from the form models, responses, errors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_MEANINGS = {
    400: "The request or the recording is wrong; `param` names the field.",
    404: "There is no such model or job.",
    409: "It does not go with the state of the job or with an earlier request.",
    413: "Too many bytes, or too many seconds of audio.",
    429: "The queue is full; `Retry-After` says when to retry.",
    500: "The engine failed on this recording.",
    503: "The service is starting or stopping.",
    504: "The result did not come within the time limit.",
}
_HEADERS = {
    "X-Zhiyin-Cache": {
        "description": "Use of the result cache: hit, miss, or bypass when it was not read.",
        "schema": {"type": "string", "enum": ["hit", "miss", "bypass"]},
    }
}


def request_body(form: type[BaseModel], *, needs_file: bool = True) -> dict[str, Any]:
    """The multipart body: the file and the form's fields."""
    schema = form.model_json_schema()
    fields = {name: _plain(field) for name, field in schema["properties"].items()}
    file = {"type": "string", "format": "binary", "description": "Any audio or video file."}
    body = {
        "type": "object",
        "required": [*(["file"] if needs_file else []), *schema.get("required", [])],
        "properties": {"file": file, **fields},
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body}}}}


def responses(
    example: Any, *, formats: dict[str, Any] | None = None, status: int = 200
) -> dict[int | str, Any]:
    """The successful response with an example, and the errors."""
    content: dict[str, Any] = {"application/json": {"example": example}}
    for kind, text in (formats or {}).items():
        content[kind] = {"schema": {"type": "string"}, "example": text}
    answers: dict[int | str, Any] = {status: {"description": "Accepted.", "content": content}}
    if status == 200:
        answers[status] = {"description": "The text.", "content": content, "headers": _HEADERS}
    for wrong, meaning in _MEANINGS.items():
        answers[wrong] = {
            "description": meaning,
            "content": {"application/json": {"schema": _ERROR}},
        }
    return answers


def _plain(field: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in field.items() if key != "title"}
