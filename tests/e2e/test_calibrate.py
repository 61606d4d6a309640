"""`zhiyin calibrate` with the real model, and an engine that follows what it wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import media
from tests.support.command_line import zhiyin
from tests.support.processes import environment
from zhiyin.cli.calibrate import _calibrator
from zhiyin.domain.engine import Clip, ClipResult, EngineContext, ModelInfo
from zhiyin.domain.errors import UnsupportedOption
from zhiyin.domain.options import DecodeOptions
from zhiyin.engines.scripted import ScriptedEngine
from zhiyin.engines.whisper.policy_files import PolicyEntry
from zhiyin.engines.whisper.provider import WhisperProvider
from zhiyin.testing import recognize

COLUMNS = {"floor", "tail", "pad_audio", "beam_size", "doubt_logprob"}


def manifest(folder: Path, *names: str, broken: bool = False) -> Path:
    rows = ["file\tlang\treference"]
    rows += [f"{media.path(n)}\t{n[:2]}\t{media.reference(n)}" for n in names]
    if broken:
        (folder / "notes.wav").write_text("no sound here\n" * 20)
        rows.append("notes.wav\ten\tNo sound here.")
    path = folder / "manifest.tsv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of its own, so that other tests keep the packaged calibration."""
    made = tmp_path_factory.mktemp("calibrated")
    WhisperProvider(EngineContext(data_dir / "models")).path("whisper-base")
    (made / "models").symlink_to(data_dir / "models")
    return made


@pytest.fixture(scope="module")
def done(folder: Path) -> subprocess.CompletedProcess[str]:
    """The run that all tests look at."""
    path = manifest(folder, "en_short", "en_story", "zh_short", broken=True)
    return zhiyin(
        "calibrate", "base", "--manifest", str(path), "--windows", "8+3,12+5", data_dir=folder
    )


@pytest.fixture(scope="module")
def content(folder: Path, done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The file it wrote."""
    assert done.returncode == 0, done.stderr
    path = folder / "calibration" / "whisper-base.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_the_file_has_policies_and_what_was_measured(content: dict[str, Any]) -> None:
    assert (content["model"], content["compute_type"]) == ("whisper-base", "int8")
    assert set(content["policies"]) == set(content["measured"]) == {"en", "zh"}
    for language, policy in content["policies"].items():
        measured = content["measured"][language]
        chosen, reference = measured["chosen"], measured["reference"]
        assert set(policy) == COLUMNS
        assert {name: chosen[name] for name in COLUMNS} == policy
        assert (measured["recordings"], measured["clips"]) == (1, 1)
        assert 2 < measured["audio_s"] < 5
        assert measured["units"] in {6, 7}
        assert 0 < chosen["engine_s"] <= reference["engine_s"]
        assert chosen["error_percent"] <= reference["error_percent"] + content["tolerance"]
        tried = {(r["floor"], r["pad_audio"], r["beam_size"]) for r in measured["candidates"]}
        assert len(tried) == 3 * 2 * 2
        assert chosen in measured["candidates"]


def test_the_file_holds_no_text(content: dict[str, Any]) -> None:
    written = json.dumps(content, ensure_ascii=False).lower()
    for word in ("kitchen", "客厅", "en_short", "flac"):
        assert word not in written


def test_a_person_sees_what_was_chosen_and_what_was_skipped(
    content: dict[str, Any], done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert done.stdout.count("chosen") == 2
    assert str(folder / "calibration" / "whisper-base.json") in done.stdout
    for words in ("notes.wav", "en_story.ogg: longer than 28 s", "2 skipped"):
        assert words in done.stderr
    assert "kitchen" not in done.stdout + done.stderr


def test_the_next_engine_follows_it(content: dict[str, Any], folder: Path) -> None:
    context = EngineContext(folder / "models", replicas=1)
    engine = WhisperProvider(context).create("whisper-base")
    for language, policy in content["policies"].items():
        assert PolicyEntry.of(engine._policy.of(language)).row() == policy
    clip = Clip(media.samples("en_short"), DecodeOptions(language="en"))
    assert engine.plan(clip).seconds == content["policies"]["en"]["floor"] < 30
    engine.load()
    try:
        (result,) = recognize(engine, [clip])
    finally:
        engine.close()
    assert isinstance(result, ClipResult)
    assert media.heard(media.reference("en_short"), result.segments[0].text) > 0.8


def test_a_damaged_calibration_stops_the_start_with_its_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "models").symlink_to(folder / "models")
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration" / "whisper-base.json").write_text('{"model": "whisper-base"')
    heard = zhiyin("transcribe", str(media.path("en_short")), data_dir=tmp_path)
    assert heard.returncode == 2
    assert "calibration/whisper-base.json" in heard.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nope"], 2, "nope"),
        (["whisper-small"], 3, "zhiyin models pull"),
        (["base", "--languages", "klingon"], 2, "klingon"),
        (["base", "--languages", "de"], 2, "no recording"),
        (["base", "--max-seconds", "1"], 2, "None of the recordings"),
        (["base", "--windows", "3"], 2, "12+5"),
        (["base", "--output", "/proc/none/file.json"], 1, "/proc/none"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else None,
)
def test_wrong_use_is_explained(
    arguments: list[str], code: int, words: str, folder: Path, tmp_path: Path
) -> None:
    path = manifest(tmp_path, "en_short")
    done = zhiyin("calibrate", *arguments, "--manifest", str(path), data_dir=folder)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_extra_is_named_before_any_work() -> None:
    code = "import sys; sys.modules['rapidfuzz'] = None; from zhiyin.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "calibrate", "base", "--manifest", "/no/such.tsv"],
        capture_output=True, text=True, env=environment(COLUMNS="200"), check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "pip install 'zhiyin[calibrate]'" in done.stderr


def test_an_engine_without_calibration_says_so() -> None:
    class Plain:
        """A third party's provider: the four methods and no more."""

        name = "plain"

        def models(self) -> list[ModelInfo]:
            return [ModelInfo("plain-1", self.name, ScriptedEngine().capabilities, installed=True)]

        def create(self, model_id: str) -> ScriptedEngine:
            return ScriptedEngine()

        def pull(self, model_id: str) -> Path:
            return Path()

        def path(self, model_id: str) -> Path:
            return Path()

    with pytest.raises(UnsupportedOption, match="nothing to calibrate"):
        _calibrator(Plain(), Plain().models()[0])
