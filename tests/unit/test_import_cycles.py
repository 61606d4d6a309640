"""No import cycle between modules; imports for type checking count, those in functions don't."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"


def modules(src: Path) -> dict[str, Path]:
    """Every module and package below `src` by its dotted name."""
    names = {path: path.relative_to(src).with_suffix("").parts for path in src.rglob("*.py")}
    return {
        ".".join(parts[:-1] if parts[-1] == "__init__" else parts): path
        for path, parts in names.items()
    }


def outside_functions(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from outside_functions(child)


def imported(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of `known` that a file names in its imports; relative imports are not in use."""
    found: set[str] = set()
    for statement in outside_functions(ast.parse(path.read_text("utf-8"))):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
            continue
        assert not statement.level, f"{path}: a relative import"
        for alias in statement.names:
            inner = f"{statement.module}.{alias.name}"
            found.add(inner if inner in known else str(statement.module))
    return found & known.keys()


def import_graph(src: Path) -> dict[str, set[str]]:
    """The modules that each module imports."""
    known = modules(src)
    return {name: imported(path, known) for name, path in known.items()}


def check_cycles(graph: dict[str, set[str]]) -> None:
    """Raises CycleError, with the modules of a cycle."""
    TopologicalSorter(graph).prepare()


def test_no_import_cycles() -> None:
    try:
        check_cycles(import_graph(SRC))
    except CycleError as error:
        pytest.fail(f"an import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize(
    "back",
    [
        "from pack import one",
        "import pack.one",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack.one import name",
    ],
)
def test_a_cycle_is_found(tmp_path: Path, back: str) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "__init__.py").write_text("")
    (pack / "one.py").write_text("import os\nfrom pack.two import name\n")
    (pack / "two.py").write_text("def late():\n    from pack.one import name\n")
    check_cycles(import_graph(tmp_path))
    (pack / "two.py").write_text(back)
    with pytest.raises(CycleError):
        check_cycles(import_graph(tmp_path))
