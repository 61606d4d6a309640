"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tools.make_docs import PAGES

from zhiyin.access.errors import STATUS
from zhiyin.access.http.forms import JobForm, RecognizeForm, TranscriptionForm
from zhiyin.domain import errors

ROOT = Path(__file__).parents[2]
API = (ROOT / "docs" / "api.md").read_text()


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_fresh(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == PAGES[name](), "run: python -m tools.make_docs"


@pytest.mark.parametrize("field", sorted({*RecognizeForm.model_fields} | {"file"}))
def test_every_field_of_recognize_is_documented(field: str) -> None:
    assert f"| `{field}` |" in API


@pytest.mark.parametrize("field", sorted(JobForm.model_fields))
def test_every_field_of_jobs_is_documented(field: str) -> None:
    part = API.partition("## Jobs")[2].partition("\n## ")[0]
    assert f"`{field}`" in part


@pytest.mark.parametrize("field", sorted(TranscriptionForm.model_fields))
def test_every_openai_field_is_named(field: str) -> None:
    if field != "known_speaker_references":
        assert f"`{field}" in API


def test_every_error_is_documented() -> None:
    codes = {kind.code for kind in STATUS} | {errors.TooLong.code, errors.EmptyAudio.code}
    for code in codes:
        assert f"`{code}`" in API, code


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text()):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_both_readmes_show_the_same_commands() -> None:
    def code(name: str) -> list[str]:
        return re.findall(r"```\w+\n(.*?)```", (ROOT / name).read_text(), flags=re.DOTALL)

    assert code("README.md") == code("README.zh-CN.md")


def test_contributing_names_what_exists() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    paths = {path for path in re.findall(r"`([\w./-]+/[\w./-]*)`", page) if "NAME" not in path}
    assert len(paths) > 40, "nothing was read"
    bases = (ROOT, ROOT / "src" / "zhiyin")
    assert [p for p in sorted(paths) if not any((base / p).exists() for base in bases)] == []
