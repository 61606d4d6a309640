"""Heavy packages that only some peers need."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

# Without torch's own pin, what asks for torch brings gigabytes of CUDA.
_PIP = "pip install torch==2.13.0 && pip install -c constraints.txt -e '.[bench-peers]'"


def needed(module: str) -> ModuleType:
    """The imported module. Raises ImportError that names the pip line when it is absent."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"{error}; to have this peer: {_PIP}") from error
