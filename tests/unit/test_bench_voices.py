"""Live recognition against files on a virtual clock: the voices, the forms, the clock."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("opencc")
pytest.importorskip("rapidfuzz")
pytest.importorskip("whisper_normalizer")

from bench import tables_live
from bench.manifest import Recording
from bench.virtual_time import InlinePool, run
from bench.voices import FORMS, by_voice, halves


def _recording(file: str, repo: str, seconds: float = 5.0, *tags: str) -> Recording:
    return Recording(
        path=Path(file), file=file, lang="en", seconds=seconds, rate=16000, channels=1,
        codec="pcm", grade="A", reference="one two", reference_source="", repo=repo,
        source_path="", licence="", tags=frozenset(tags), bytes=0, sha256="",
    )  # fmt: skip


def test_a_voice_is_in_one_half_only() -> None:
    said = [_recording(f"{i}.wav", "a", 5.0, f"spk:{i % 5}") for i in range(20)]
    said += [_recording(f"r{i}.wav", f"repo{i}") for i in range(7)]
    said.append(_recording("copy.wav", "a", 5.0, "spk:1", "derived"))
    voices = by_voice(said, most=3)
    assert len(voices) == 12
    parts = halves(voices)
    assert {r.file for r in parts["A"]}.isdisjoint(r.file for r in parts["B"])
    for own in voices.values():
        assert len(own) <= 3
        assert sum(set(own) <= set(parts[half]) for half in "AB") == 1
    seconds = [sum(r.seconds for r in parts[half]) for half in "AB"]
    assert abs(seconds[0] - seconds[1]) <= 15


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_form_is_sound_and_always_the_same(form: str) -> None:
    tone = np.sin(np.arange(80_000) * 0.05).astype(np.float32) * 0.3
    made = FORMS[form](tone, 7)
    assert made.dtype == np.float32
    assert np.abs(made).max() <= 1.0
    assert np.array_equal(made, FORMS[form](tone, 7))
    lengths = {"fast": 72_727, "slow": 88_889}
    if form == "pauses":
        assert len(made) > 80_000 + 0.3 * 16_000
    else:
        assert len(made) == lengths.get(form, 80_000)


def test_an_hour_of_virtual_time_takes_none() -> None:
    async def wait() -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(60))
        done = await asyncio.wrap_future(InlinePool().submit(lambda: 1))
        return loop.time() - begun + done

    before = time.monotonic()
    assert run(wait()) == pytest.approx(3601)
    assert time.monotonic() - before < 600


def test_who_waits_for_ever_is_told_so() -> None:
    async def stuck() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="nothing is due"):
        run(stuck())


def test_all_forms_add_up() -> None:
    line = {"lang": "en", "half": "A", "recordings": 2, "units": 50}
    final = {"p50_s": 0.4, "p95_s": 0.9}
    lines = [
        line | {"form": form, "arm": arm, "errors": errors, "final": final if errors else None}
        for form, arm, errors in (
            ("clean", "file", 0), ("clean", "live", 1), ("far", "file", 0), ("far", "live", 4),
        )
    ]  # fmt: skip
    rows = tables_live.voices({"lines": lines}).splitlines()
    assert rows[2:] == [
        "| en | A | clean | 2 | 0.00 | 2.00 | 0.40 | 0.90 |",
        "| en | A | far | 2 | 0.00 | 8.00 | 0.40 | 0.90 |",
        "| en | A | all | 4 | 0.00 | 5.00 | - | - |",
    ]
