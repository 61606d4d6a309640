"""Sound from the default microphone, by PortAudio (https://python-sounddevice.readthedocs.io)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np

from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.errors import MissingExtra, Unavailable

_BLOCK = SAMPLE_RATE // 10
_MOST = 600  # blocks that may wait: a minute


async def microphone() -> AsyncGenerator[Samples, None]:
    """Blocks of 100 ms for ever. Raises MissingExtra, or Unavailable when there is none."""
    try:
        import sounddevice
    except ImportError as error:
        raise MissingExtra("The microphone needs: pip install 'zhiyin[microphone]'") from error
    except OSError as error:  # the library is there, PortAudio is not
        raise MissingExtra(f"The microphone needs PortAudio on this machine: {error}") from error
    loop = asyncio.get_running_loop()
    blocks: asyncio.Queue[Samples] = asyncio.Queue(_MOST)

    def received(data: Any, frames: int, time: Any, status: Any) -> None:
        loop.call_soon_threadsafe(_put, blocks, np.array(data[:, 0], np.float32))

    try:
        stream = sounddevice.InputStream(
            samplerate=SAMPLE_RATE, channels=1, dtype="float32", blocksize=_BLOCK, callback=received
        )
    except sounddevice.PortAudioError as error:
        raise Unavailable(
            f"No microphone can be opened ({error}). Name a file, or - for standard input."
        ) from error
    with stream:
        while True:
            yield await blocks.get()


def _put(blocks: asyncio.Queue[Samples], block: Samples) -> None:
    """The newest sound is dropped when it is not read, rather than memory filled."""
    if not blocks.full():
        blocks.put_nowait(block)
