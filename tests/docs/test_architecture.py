"""docs/architecture.md draws the tree and the layers as they are."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "zhiyin"
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
REVISIONS = "versions"  # migrations, which are data


def block(first: str) -> list[str]:
    """The lines of the code block that begins so, without comments."""
    (found,) = re.findall(rf"```\n({re.escape(first)} .*?)```", PAGE, flags=re.DOTALL)
    return [line.partition("#")[0].rstrip() for line in str(found).splitlines()]


def drawn(lines: Iterable[str]) -> tuple[set[str], set[str]]:
    """Folders and modules of a drawing.

    A line is a folder (two spaces a level, a slash at its end) and modules of it, or, indented
    further, more modules of the folder above.
    """
    folders: set[str] = set()
    modules: set[str] = set()
    path: list[str] = []
    for line in lines:
        names = line.split()
        if names and names[0].endswith("/"):
            depth = (len(line) - len(line.lstrip())) // 2
            path = [*path[:depth], names.pop(0).removesuffix("/")]
            assert len(path) == depth + 1, f"a folder without its parent: {line}"
            folders.add("/".join(path[1:]))
        twice = modules & {"/".join([*path[1:], name]) for name in names}
        assert not twice, f"drawn twice: {twice}"
        modules |= {"/".join([*path[1:], name]) for name in names}
    return folders, modules


def test_the_tree_is_the_one_on_disk() -> None:
    folders, modules = drawn(block("src/zhiyin/"))
    files = [p.relative_to(SRC) for p in SRC.rglob("*.py") if p.parent.name != REVISIONS]
    there = {p.with_suffix("").as_posix() for p in files if p.stem != "__init__"}
    packages = {"" if p.parent == Path() else p.parent.as_posix() for p in files}
    assert sorted(there - modules) == [], "modules that are not in docs/architecture.md"
    assert sorted(modules - there) == [], "modules that are only in docs/architecture.md"
    assert sorted(packages - folders) == [], "packages that are not in docs/architecture.md"
    assert [f for f in sorted(folders) if not (SRC / f).is_dir()] == [], "folders that are gone"


def test_the_layers_are_those_of_the_contracts() -> None:
    shown: dict[str, str] = {}
    for line in block("zhiyin"):
        words = line.split()
        if not line.startswith(" "):
            container = words.pop(0)
        shown[container] = " ".join([*shown.get(container, "").split(), *words])
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layered = [c for c in settings["contracts"] if c["type"] == "layers"]
    assert shown == {c["containers"][0]: " > ".join(c["layers"]) for c in layered}


def test_a_drawing_is_read() -> None:
    lines = [
        "top/   __main__",
        "  one/   a b",
        "         c",
        "    deep/   d",
        "  web/",
        "  two/  e",
    ]
    folders, modules = drawn(lines)
    assert folders == {"", "one", "one/deep", "web", "two"}
    assert modules == {"__main__", "one/a", "one/b", "one/c", "one/deep/d", "two/e"}
