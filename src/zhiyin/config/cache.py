"""Settings of the result cache."""

from __future__ import annotations

from pydantic import Field, field_validator

from zhiyin.config.base import Group

_CACHES = ("memory", "redis", "rediss", "unix", "off")


class CacheSettings(Group):
    """The result cache; see docs/operations.md."""

    url: str = Field(
        "memory://", description="memory://, redis://HOST:PORT/NUMBER, rediss://, unix:// or off."
    )
    ttl_s: float = Field(3600, gt=0, le=2_592_000, description="How long a result is kept.")
    max_mb: float = Field(64, ge=1, le=65_536, description="memory://: MiB of results.")
    max_value_kb: int = Field(
        1024, ge=1, le=16_384, description="Largest result that is kept, compressed, in KiB."
    )
    timeout_ms: int = Field(
        250, ge=10, le=10_000, description="redis://: a slower server counts as unreachable."
    )

    @field_validator("url")
    @classmethod
    def _known(cls, value: str) -> str:
        scheme, found, _ = value.partition("://")
        if scheme not in _CACHES or bool(found) == (scheme == "off"):
            raise ValueError("use memory://, redis://..., rediss://..., unix://... or off")
        return value
