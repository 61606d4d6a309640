"""Recordings take turns on the threads that decode and detect speech."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tests.support import media
from zhiyin.audio.decode import AvDecoder
from zhiyin.audio.vad import SileroVad
from zhiyin.config import Settings
from zhiyin.core.recognition.prepare import Preparation, Preparer
from zhiyin.core.segmentation.cutting import CutPolicy
from zhiyin.domain.audio import AudioLimits, Piece
from zhiyin.domain.source import AudioSource
from zhiyin.wiring import build

SILENT_S = 600


def source(sound: media.Samples) -> AudioSource:
    data = media.encode(sound, media.Form("flac", "flac"))
    return AudioSource(io.BytesIO(data), len(data))


async def opened(preparer: Preparer, sound: media.Samples) -> Preparation:
    return await preparer.open(source(sound), gated=True, max_piece=28.0)


async def test_a_long_silence_lets_others_have_their_turns() -> None:
    silence = np.zeros(SILENT_S * media.RATE, np.float32)
    with ThreadPoolExecutor(1) as pool:
        preparer = Preparer(AvDecoder(), SileroVad(), AudioLimits(3600.0), CutPolicy(), pool)
        silent = [await opened(preparer, silence) for _ in range(3)]
        spoken = await opened(preparer, media.samples("en_short"))
        waiting = [asyncio.create_task(preparation.next()) for preparation in silent]
        piece = await spoken.next()
        # Each had one turn before, and perhaps the next has begun.
        assert all(preparation.read < 60 for preparation in silent)
        assert isinstance(piece, Piece)
        assert piece.speech
        for preparation in (*silent, spoken):
            await preparation.close()
        assert await asyncio.gather(*waiting) == [None] * 3
        assert all(preparation.read < SILENT_S for preparation in silent)


async def test_a_silence_is_read_to_its_end() -> None:
    with ThreadPoolExecutor(1) as pool:
        preparer = Preparer(AvDecoder(), SileroVad(), AudioLimits(3600.0), CutPolicy(), pool)
        sound = np.concatenate([np.zeros(100 * media.RATE, np.float32), media.samples("en_short")])
        late = await opened(preparer, sound)
        piece = await late.next()
        assert piece is not None
        assert piece.start > 98
        assert await late.next() is None
        assert late.read * media.RATE == len(sound)
        await late.close()


async def test_live_sessions_have_threads_of_their_own(tmp_path: Path) -> None:
    async with build(Settings(data_dir=tmp_path), persist=False) as services:
        assert services.live._pool is not services.transcriber.preparer.pool
