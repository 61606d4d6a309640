"""Web port: downloads from and webhooks to URLs of clients."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol


class Web(Protocol):
    """Sends requests to clients' URLs, as far as the operator allows their addresses.

    Raises ForbiddenAddress for what is not allowed, Unreachable for what does not answer well.
    """

    async def check(self, url: str) -> None:
        """Refuse URLs that could never be fetched: a wrong URL, a private address."""
        ...

    def fetch(self, url: str, max_bytes: int) -> AsyncGenerator[bytes, None]:
        """The body, in chunks. Raises TooLarge over `max_bytes`; close it after use."""
        ...

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """POST; the status of the response, redirects not followed."""
        ...

    async def close(self) -> None:
        """Release the connections."""
        ...
