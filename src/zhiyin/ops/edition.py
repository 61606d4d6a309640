"""Version of the code and libraries that determine transcripts; part of cache keys."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import zhiyin

_PACKAGES = ("audio", "core", "domain", "engines", "text")
_LIBRARIES = ("av", "faster-whisper", "numpy", "onnxruntime")  # faster-whisper brings the detector


def edition() -> str:
    """A digest that changes with the code between a recording and its text.

    A version number kept by hand would be forgotten one day, and stale results served; that a
    changed comment invalidates the cache costs little.
    """
    digest = hashlib.sha256()
    root = Path(zhiyin.__file__).parent
    for path in sorted(_sources(root)):
        digest.update(
            f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}".encode()
        )
    return " ".join([zhiyin.__version__, digest.hexdigest(), *map(_installed, _LIBRARIES)])


def _sources(root: Path) -> Iterator[Path]:
    for package in _PACKAGES:
        for suffix in ("*.py", "*.json"):
            yield from (root / package).rglob(suffix)


def _installed(library: str) -> str:
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return library
