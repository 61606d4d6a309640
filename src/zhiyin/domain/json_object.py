"""Dataclasses as JSON objects that outlive the process: by the names of fields, not positions.

So a field with a default may be added: older objects lack it, and read as if they had the
default; older code passes over what it does not know.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")
_NAMES: dict[type[Any], tuple[str, ...]] = {}  # an hour of speech has 10,000 words


def to_object(value: Any) -> dict[str, Any]:
    """All fields of a dataclass, as they are."""
    return {name: getattr(value, name) for name in _names(type(value))}


def from_object(kind: type[T], body: dict[str, Any], **read: Any) -> T:
    """The dataclass with the fields of `body` that it knows, and those that are `read` already.

    Raises TypeError when a field without a default is missing, or `body` is no object.
    """
    known = {name: body[name] for name in _names(kind) if name in body}
    return kind(**known | read)


def to_json(body: dict[str, Any]) -> str:
    """JSON in one order: equal objects give equal text."""
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _names(kind: type[Any]) -> tuple[str, ...]:
    found = _NAMES.get(kind)
    if found is None:
        found = _NAMES[kind] = tuple(field.name for field in fields(kind))
    return found
