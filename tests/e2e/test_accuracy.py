"""Error rates of the real model, on the project's recordings and on real ones where there are any.

Bounds are loose: they catch a broken path, not a lost tenth. `make bench` measures exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from bench.manifest import Recording, Selection, read_manifest
from bench.ours import Zhiyin, settings

from tests.support import media
from tests.support.made_sounds import beeps, brown, chords, clicks, hum, noise
from zhiyin import scoring
from zhiyin.domain.audio import Samples

OWN = Path(__file__).parents[1] / "audio" / "manifest.tsv"
SHARED = Path(__file__).parents[3] / "shared" / "speech" / "manifest.tsv"
real = pytest.mark.skipif(not SHARED.is_file(), reason="no real recordings beside the project")


@pytest.fixture(scope="module")
def zhiyin(data_dir: Path) -> Iterator[Zhiyin]:
    chosen = settings("whisper-base", "cpu", 2, "int8").model_copy(update={"data_dir": data_dir})
    with Zhiyin(chosen) as started:
        yield started


def rate(zhiyin: Zhiyin, recordings: list[Recording]) -> float:
    edits = [
        scoring.score(r.reference, zhiyin.transcribe(r.path, r.lang), r.lang) for r in recordings
    ]
    percent = scoring.total(edits).percent
    assert percent is not None
    return percent


@pytest.mark.parametrize(("lang", "most"), [("en", 5.0), ("zh", 8.0)])
def test_own_recordings(zhiyin: Zhiyin, lang: str, most: float) -> None:
    recordings = [r for r in read_manifest(OWN) if r.lang == lang]
    assert len(recordings) == 4
    assert rate(zhiyin, recordings) <= most


@real
@pytest.mark.parametrize(("lang", "most"), [("en", 12.0), ("zh", 22.0)])
def test_real_recordings(zhiyin: Zhiyin, lang: str, most: float) -> None:
    chosen = Selection(frozenset({lang}), frozenset({"read"}), 20.0, 25)
    recordings = chosen.apply(read_manifest(SHARED))
    assert len(recordings) >= 20
    assert rate(zhiyin, recordings) <= most


@real
def test_real_noises_give_no_text(zhiyin: Zhiyin) -> None:
    noises = [r for r in read_manifest(SHARED) if r.non_speech]
    assert len(noises) >= 8
    invented = {r.file: text for r in noises if (text := zhiyin.transcribe(r.path, None))}
    assert not invented


@pytest.mark.parametrize("make", [noise, brown, hum, clicks, beeps, chords])
def test_synthesized_noises_give_no_text(
    zhiyin: Zhiyin, tmp_path: Path, make: Callable[[float], Samples]
) -> None:
    path = tmp_path / "noise.wav"
    path.write_bytes(media.wav(make(8.0)))
    assert not zhiyin.transcribe(path, None)
    assert not zhiyin.transcribe(path, "zh")


@real
def test_real_odd_files_never_crash(zhiyin: Zhiyin) -> None:
    from zhiyin.domain.errors import UndecodableAudio

    odd = [r for r in read_manifest(SHARED) if r.tags & {"broken", "odd-format"}]
    assert odd
    for recording in odd:
        with suppress(UndecodableAudio):
            zhiyin.transcribe(recording.path, None)
