"""The key of a result changes with whatever can change its text."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import fields, replace
from typing import Any

import pytest

from zhiyin.core.recognition.cache_key import result_key
from zhiyin.domain.engine import EngineCapabilities, ModelInfo
from zhiyin.domain.options import DecodeOptions, TranscribeOptions
from zhiyin.ops.edition import edition

MODEL = ModelInfo("base", "whisper", EngineCapabilities(frozenset({"en"}), 30.0), installed=True)
OTHER: dict[str, Any] = {
    "bool": True,
    "str": "x",
    "float": 0.5,
    "int | None": 3,
    "Task": "translate",
}
PLAIN = TranscribeOptions()


def key(options: TranscribeOptions = PLAIN, **changes: Any) -> str:
    """A key with one thing changed."""
    parts: dict[str, Any] = {
        "recording": b"r" * 32, "model": MODEL, "version": "v", "edition": "e",
    } | changes  # fmt: skip
    return result_key(options=options, **parts)


def other(field: dataclasses.Field[Any], value: Any) -> Any:
    """Another value for a field of that kind."""
    changed = not value if field.type == "bool" else OTHER.get(str(field.type), "other")
    assert changed != value
    return changed


@pytest.mark.parametrize("field", fields(DecodeOptions), ids=lambda f: f.name)
def test_each_option_of_the_decoder_counts(field: dataclasses.Field[Any]) -> None:
    changed = replace(PLAIN.decode, **{field.name: other(field, getattr(PLAIN.decode, field.name))})
    assert key(replace(PLAIN, decode=changed)) != key()


@pytest.mark.parametrize(
    "field", [f for f in fields(TranscribeOptions) if f.name not in ("decode", "model")],
    ids=lambda f: f.name,
)  # fmt: skip
def test_each_option_of_a_request_counts(field: dataclasses.Field[Any]) -> None:
    assert key(replace(PLAIN, **{field.name: other(field, getattr(PLAIN, field.name))})) != key()


def test_recording_model_engine_version_and_edition_count() -> None:
    changes: list[dict[str, Any]] = [
        {"recording": b"s" * 32},
        {"model": replace(MODEL, id="small")},
        {"model": replace(MODEL, engine="vosk")},
        {"version": "w"},
        {"edition": "f"},
    ]
    keys = [key(), *(key(**change) for change in changes)]
    assert len(set(keys)) == len(keys)


def test_names_of_one_model_share_a_key() -> None:
    assert key(replace(PLAIN, model="whisper-1")) == key(replace(PLAIN, model="base"))


def test_a_key_tells_nothing() -> None:
    found = key(replace(PLAIN, decode=DecodeOptions(prompt="a secret")))
    assert re.fullmatch(r"[0-9a-f]{64}", found)


def test_the_edition_is_the_same_in_every_process() -> None:
    assert edition() == edition()
    assert re.search(r"\b[0-9a-f]{64}\b", edition())
