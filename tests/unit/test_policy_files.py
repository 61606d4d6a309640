"""Which file decides about a model's windows, and what happens when it is damaged."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from zhiyin.domain.engine import EngineContext
from zhiyin.domain.errors import ConfigError
from zhiyin.engines.whisper import policy_files
from zhiyin.engines.whisper.policy import FULL_WINDOW_S, DecodePolicy, ModelPolicy
from zhiyin.engines.whisper.policy_files import PACKAGED, CalibrationFile, PolicyEntry
from zhiyin.engines.whisper.provider import WhisperProvider

SHORT = DecodePolicy(pad_audio=True, floor_s=9.0, tail_s=4.0, beam_size=2, doubt_logprob=-0.4)
ENTRY = PolicyEntry.of(SHORT).row()


def written(path: Path, **changes: Any) -> Path:
    body: dict[str, Any] = {
        "model": "whisper-base", "compute_type": "int8", "created": "2026-01-02",
        "tolerance": 0.2, "policies": {"en": ENTRY}, "measured": {},
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body | changes))
    return path


@pytest.mark.parametrize("path", sorted(PACKAGED.glob("*.json")), ids=lambda p: p.stem)
def test_every_packaged_calibration_is_right(path: Path, tmp_path: Path) -> None:
    assert policy_files.load(path.stem, tmp_path) != ModelPolicy()
    assert json.loads(path.read_text())["model"] == path.stem


def test_a_model_without_calibration_uses_the_full_window(tmp_path: Path) -> None:
    policy = policy_files.load("whisper-enormous", tmp_path)
    assert [policy.of(lang).window(1.0) for lang in ("en", "zh", None)] == [FULL_WINDOW_S] * 3


def test_the_operators_file_wins(tmp_path: Path) -> None:
    written(tmp_path / "calibration" / "whisper-base.json")
    engine = WhisperProvider(EngineContext(tmp_path / "models")).create("whisper-base")
    assert engine._policy == ModelPolicy(languages={"en": SHORT})


def test_policies_for_the_rest_and_for_undetected_clips_are_honoured(tmp_path: Path) -> None:
    written(tmp_path / "m.json", default=ENTRY | {"floor": 11.0}, unheard=ENTRY | {"floor": 13.0})
    policy = policy_files.load("m", tmp_path)
    assert [policy.of(lang).floor_s for lang in ("en", "fr", None)] == [9.0, 11.0, 13.0]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"policies": {"en": ENTRY | {"flor": 3}}}, "en.flor"),
        ({"policies": {"en": ENTRY | {"floor": 31}}}, "en.floor"),
        ({"policies": {"en": ENTRY | {"beam_size": 0}}}, "en.beam_size"),
        ({"policies": {"en": ENTRY | {"pad_audio": "yes"}}}, "en.pad_audio"),
        ({"policies": {"english": ENTRY}}, "english"),
        ({"polices": {}}, "polices"),
        ({"created": "yesterday"}, "created"),
    ],
)
def test_a_wrong_file_is_refused_and_named(
    changes: dict[str, Any], word: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "calibration" / "whisper-base.json", **changes)
    with pytest.raises(ConfigError) as raised:
        WhisperProvider(EngineContext(tmp_path / "models")).create("whisper-base")
    assert str(path) in raised.value.message
    assert word in raised.value.message


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[]"])
def test_a_damaged_file_is_refused_and_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"m\.json"):
        policy_files.load("m", tmp_path)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = policy_files.file_of("m", tmp_path / "new" / "folder")
    today = dt.date(2026, 1, 2)
    entries = {"en": PolicyEntry.of(SHORT)}
    content = CalibrationFile(
        model="m", compute_type="int8", created=today, tolerance=0.2, policies=entries, measured={}
    )
    for _ in range(2):
        policy_files.save(path, content)
    assert policy_files.load("m", path.parent) == ModelPolicy(languages={"en": SHORT})
    assert list(path.parent.iterdir()) == [path]


def test_what_is_saved_has_the_names_it_always_had(tmp_path: Path) -> None:
    content = CalibrationFile(
        model="m", compute_type="int8", created=dt.date(2026, 1, 2), tolerance=0.2,
        policies={"en": PolicyEntry.of(SHORT)}, measured={},
    )  # fmt: skip
    policy_files.save(tmp_path / "m.json", content)
    assert json.loads((tmp_path / "m.json").read_text())["policies"]["en"] == {
        "floor": 9.0, "tail": 4.0, "pad_audio": True, "beam_size": 2, "doubt_logprob": -0.4,
    }  # fmt: skip
