"""Fails when a file or function outgrows the house rules (docs/architecture.md, "Style")."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

FOLDERS = ("src", "tests", "bench", "tools")
MAX_FILE, MAX_FUNCTION = 400, 50
MEDIAN_FILE, MEDIAN_FUNCTION = 120, 12

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length in lines of every function, docstring not counted."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            doc = node.body[0] if ast.get_docstring(node) else None
            spare = (doc.end_lineno or 0) - doc.lineno + 1 if doc else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - spare


def main() -> int:
    """Print every offence; the exit code."""
    root = Path(__file__).parent.parent
    files = [p for folder in FOLDERS for p in sorted((root / folder).rglob("*.py"))]
    offences: list[str] = []
    lengths: list[int] = []
    sizes: list[int] = []
    for path in files:
        lines = path.read_text().count("\n")
        if lines:
            sizes.append(lines)
        if lines > MAX_FILE:
            offences.append(f"{path.relative_to(root)}: {lines} lines (at most {MAX_FILE})")
        for name, length in functions(path):
            lengths.append(length)
            if length > MAX_FUNCTION:
                where = f"{path.relative_to(root)}: {name}"
                offences.append(f"{where}: {length} lines (at most {MAX_FUNCTION})")
    if median(sizes) > MEDIAN_FILE:
        offences.append(f"median file has {median(sizes):g} lines (at most {MEDIAN_FILE})")
    if median(lengths) > MEDIAN_FUNCTION:
        offences.append(f"median function has {median(lengths):g} lines ({MEDIAN_FUNCTION})")
    print("\n".join(offences) or f"sizes: {len(files)} files, median {median(sizes):g} lines")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
