"""Tracebacks for the log without exception messages, which may quote user data."""

from __future__ import annotations

from collections.abc import Iterator

from structlog.tracebacks import Stack, Trace, extract

_FRAMES = 20  # of each exception, the innermost


def outline(error: BaseException) -> str:
    """Each exception of the chain: class, and file, line and function of its frames."""
    chain = _chain(extract(type(error), error, error.__traceback__))
    return "\n".join(["Traceback (without messages):", *chain])


def _chain(trace: Trace, indent: str = "") -> Iterator[str]:
    for at, stack in enumerate(trace.stacks):
        yield f"{indent}{'from ' if at else ''}{stack.exc_type}"
        yield from (f"{indent}  {place}" for place in _places(stack))
        for part in stack.exceptions:
            yield from _chain(part, indent + "  | ")


def _places(stack: Stack) -> Iterator[str]:
    for frame in stack.frames[-_FRAMES:]:
        if frame.filename:  # structlog marks with an empty one that it left some out
            yield f"{frame.filename}:{frame.lineno} {frame.name}"
