"""What Whisper's engine decides without a model: weights, guards, windows."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.domain.engine import EngineContext
from zhiyin.domain.errors import BadWeights, ModelNotInstalled, UnknownModel
from zhiyin.engines.whisper.catalogue import BY_ID, MODELS
from zhiyin.engines.whisper.guard import Hypothesis, is_failed, is_silence, repeats, without_loop
from zhiyin.engines.whisper.policy import DecodePolicy
from zhiyin.engines.whisper.provider import WhisperProvider
from zhiyin.engines.whisper.weights import WeightStore, fingerprint

BASE = BY_ID["whisper-base"]


def test_the_default_model_is_put_together_and_verified(tmp_path: Path) -> None:
    folder = WeightStore(tmp_path).ready(BASE)
    digest = hashlib.sha256((folder / "model.bin").read_bytes()).hexdigest()
    assert digest == BASE.sha256
    assert (folder / "model.bin").stat().st_size == BASE.size_bytes


def test_damaged_weights_are_found_and_named(tmp_path: Path) -> None:
    store = WeightStore(tmp_path)
    folder = store.ready(BASE)
    with (folder / "model.bin").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")
    with pytest.raises(BadWeights, match=r"model\.bin is damaged"):
        store.ready(BASE)


def test_a_missing_companion_is_found(tmp_path: Path) -> None:
    store = WeightStore(tmp_path)
    (store.ready(BASE) / "tokenizer.json").unlink()
    with pytest.raises(BadWeights, match=r"tokenizer\.json"):
        store.ready(BASE)


def test_a_verified_model_is_not_read_again(tmp_path: Path) -> None:
    store = WeightStore(tmp_path)
    folder = store.ready(BASE)
    before = (folder / ".verified").stat().st_mtime_ns
    assert store.ready(BASE) == folder
    assert (folder / ".verified").stat().st_mtime_ns == before


def test_a_model_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ModelNotInstalled, match="zhiyin models pull whisper-small"):
        WeightStore(tmp_path).ready(BY_ID["whisper-small"])


def test_the_catalogue_is_consistent() -> None:
    assert len(BY_ID) == len(MODELS)
    for model in MODELS:
        assert re.fullmatch("[0-9a-f]{40}", model.revision), "nobody can change what is fetched"
        assert {"config.json", "tokenizer.json"} < set(model.files)
        assert any(name.startswith("vocabulary.") for name in model.files)
        assert len(model.sha256) == 64
        assert model.size_bytes > 70_000_000
        assert all(len(digest) == 64 for digest in model.files.values())


def test_own_folders_are_models_too(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"lang_ids": list(range(99))}))
    (folder / "model.bin").write_bytes(b"x")
    provider = WhisperProvider(EngineContext(tmp_path, {"mine": folder}))
    mine = provider.models()[0]
    assert (mine.id, mine.installed) == ("mine", True)
    assert "yue" not in mine.capabilities.languages
    with pytest.raises(BadWeights, match=r"tokenizer\.json"):
        provider.path("mine")


def test_english_only_folders_say_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    provider = WhisperProvider(EngineContext(tmp_path, {"en-only": tmp_path}))
    assert provider.models()[0].capabilities.languages == {"en"}


def test_unknown_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel):
        WhisperProvider(EngineContext(tmp_path)).create("whisper-enormous")


GOOD = Hypothesis((1, 2, 3), "fine words here", -0.2, 0.01, 0.0, finished=True)
POLICY = DecodePolicy()


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD, avg_logprob=-1.5),
        replace(GOOD, finished=False),
        replace(GOOD, text="not now. " * 40),
        replace(GOOD, tokens=(5, 6, 7) * 5),
        replace(GOOD, tokens=(9,) * 9),
    ],
    ids=["unsure", "cut off", "repetitive", "looping", "stuck"],
)
def test_unbelievable_hypotheses_are_decoded_again(bad: Hypothesis) -> None:
    assert is_failed(bad, POLICY)
    assert not is_failed(GOOD, POLICY)


def test_silence_needs_both_signs() -> None:
    assert is_silence(replace(GOOD, no_speech_prob=0.9, avg_logprob=-1.2), POLICY)
    assert not is_silence(replace(GOOD, no_speech_prob=0.9), POLICY)
    assert not is_silence(replace(GOOD, avg_logprob=-1.2), POLICY)


def test_people_may_repeat_themselves() -> None:
    assert not repeats((1, 1, 1, 1))
    assert not repeats((1, 2, 3, 1, 2, 3, 1, 2, 3))
    assert not repeats((1, 2, 3, 4) * 2)
    assert repeats((1, 2, 3, 4) * 3)
    assert repeats((1, 2, 3) * 4)
    assert repeats((4, 4, 4, 4, 4, 4, 4, 4))


@pytest.mark.parametrize(
    ("tokens", "kept"),
    [
        ((1, 2, 3, 4, 5, 6) + (7, 8, 9, 3) * 5, (1, 2, 3, 4, 5, 6, 7, 8, 9, 3)),
        ((1, 2) + (7, 8, 9) * 4 + (7, 8, 5), (1, 2, 7, 8, 9)),
        ((1,) + (4,) * 9, (1, 4)),
        ((1, 2) + (7, 8, 9) * 4 + (1, 2, 3, 4), None),
        ((1, 2, 3), None),
        ((), None),
    ],
)
def test_a_loop_at_the_end_is_cut_off_after_its_first_round(
    tokens: tuple[int, ...], kept: tuple[int, ...] | None
) -> None:
    assert without_loop(tokens) == (tokens if kept is None else kept)


@given(st.lists(st.integers(0, 3), max_size=60))
def test_cutting_a_loop_off_leaves_a_beginning(tokens: list[int]) -> None:
    kept = without_loop(tuple(tokens))
    assert kept == tuple(tokens)[: len(kept)]
    assert kept or not tokens


@given(st.floats(0.01, 30), st.floats(1, 30), st.floats(0, 8))
def test_windows_hold_the_clip_and_stay_within_thirty_seconds(
    seconds: float, floor: float, tail: float
) -> None:
    window = DecodePolicy(floor_s=floor, tail_s=tail).window(seconds)
    assert seconds <= window <= 30.0
    assert window >= min(30.0, floor)


def test_pieces_of_long_recordings_share_few_windows() -> None:
    policy = DecodePolicy(floor_s=9, tail_s=5)
    assert {policy.window(s / 10) for s in range(100, 280)} == {14.0, 17.0, 20.0, 25.0, 30.0}
    assert DecodePolicy().window(12) == 30.0


@given(st.floats(0, 30))
def test_the_token_budget_is_whispers(seconds: float) -> None:
    assert 0 < POLICY.max_new_tokens(seconds) <= 224


def test_a_models_digest_changes_with_each_of_its_files(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).write_text(name)
    first = fingerprint(tmp_path, None)
    known = hashlib.sha256(b"model.bin").hexdigest()
    assert fingerprint(tmp_path, known) == first
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).write_text("other")
        assert fingerprint(tmp_path, None) != first
        (tmp_path / name).write_text(name)
