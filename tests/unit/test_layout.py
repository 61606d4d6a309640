"""What several test modules need lies in tests/support: a test module is imported by nobody."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUPPORT = ("tests", "support")


def imported(path: Path) -> Iterator[tuple[str, ...]]:
    """The dotted names of all imports of a file, in parts; also those inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = tuple(node.module.split(".")) if node.module else ()
            yield from ((*package, *module, alias.name) for alias in node.names)


def foreign(path: Path) -> list[str]:
    """The imports of test code that are not of tests/support."""
    return [
        f"{path.relative_to(ROOT)}: {'.'.join(name)}"
        for name in imported(path)
        if name[0] == "tests" and name[:2] != SUPPORT
    ]


def test_what_tests_share_lies_in_support() -> None:
    files = [p for folder in ("tests", "bench", "tools") for p in (ROOT / folder).rglob("*.py")]
    assert sum(name[:2] == SUPPORT for p in files for name in imported(p)) > 100, "nothing was read"
    assert [line for path in files for line in foreign(path)] == []


def test_support_holds_no_tests() -> None:
    """Pytest would collect them once more from every place they are imported to."""
    for path in (ROOT / "tests" / "support").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        assert not [n for n in names if n.lower().startswith("test")], path.name
