"""Whose a request is, and all that is kept of it."""

from __future__ import annotations

ANONYMOUS = "anonymous"
"""Everybody, as long as there are no API keys."""
