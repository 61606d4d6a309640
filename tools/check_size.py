"""Size limits: fails for a file over 400 lines, or a function in src over 50."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("src", "tests", "bench", "tools")
MAX_FILE, MAX_FUNCTION = 400, 50

LONGER: dict[str, str] = {}
"""Files that are longer by nature, with the reason, such as
`"src/zhiyin/domain/languages.py": "a table of all languages"`."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length in lines of every function, docstring not counted."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, Function):
            doc = node.body[0] if ast.get_docstring(node) else None
            doc_lines = (doc.end_lineno or 0) - doc.lineno + 1 if doc else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - doc_lines


def offences(path: Path) -> Iterator[str]:
    """What is too long in a file, and a row of `LONGER` that it does not need any more."""
    name = path.relative_to(ROOT).as_posix()
    lines = path.read_text("utf-8").count("\n")
    if lines > MAX_FILE and name not in LONGER:
        yield f"{name}: {lines} lines (at most {MAX_FILE}, or a row with a reason in LONGER)"
    if lines <= MAX_FILE and name in LONGER:
        yield f"{name}: {lines} lines; take its row out of LONGER"
    if name.startswith("src/"):
        for function, length in functions(path):
            if length > MAX_FUNCTION:
                yield f"{name}: {function}: {length} lines (at most {MAX_FUNCTION})"


def main() -> int:
    """Print every offence; the exit code."""
    files = [p for folder in FOLDERS for p in sorted((ROOT / folder).rglob("*.py"))]
    found = [offence for path in files for offence in offences(path)]
    found += [f"{name}: in LONGER, but missing" for name in LONGER if not (ROOT / name).is_file()]
    print("\n".join(found) or f"sizes: {len(files)} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
