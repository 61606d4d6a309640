"""The type of JSON objects that are sent to clients."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
"""An object, ready for `json.dumps`."""
