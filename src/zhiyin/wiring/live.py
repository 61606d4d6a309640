"""Wiring of live sessions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from zhiyin.audio.isolation.live import ProcessLiveDecoder
from zhiyin.audio.isolation.processes import DecoderProcesses
from zhiyin.audio.sound import AvLiveDecoder
from zhiyin.config import Settings
from zhiyin.core.history.writer import HistoryWriter
from zhiyin.core.live.live_session import LiveLimits
from zhiyin.core.live.service import LiveService
from zhiyin.core.live.session import SessionPolicy
from zhiyin.core.scheduling.registry import Registry
from zhiyin.core.text_steps import TextSteps
from zhiyin.domain.live import LiveDefaults
from zhiyin.ports.observer import Observer
from zhiyin.ports.vad import Vad


def make_live(
    settings: Settings, registry: Registry, vad: Vad, pool: ThreadPoolExecutor,
    history_writer: HistoryWriter, steps: TextSteps, observer: Observer,
    processes: DecoderProcesses | None,
) -> LiveService:  # fmt: skip
    """Live sessions over the engines of `registry`; they decode and detect speech on `pool`.

    The pool is their own: a recording that somebody uploads delays no speaker.
    """
    decoder = AvLiveDecoder() if processes is None else ProcessLiveDecoder(processes)
    return LiveService(
        registry, decoder, vad, pool, _live_limits(settings), SessionPolicy(),
        history_writer=history_writer, steps=steps,
        defaults=LiveDefaults(settings.live.silence_s), observer=observer,
    )  # fmt: skip


def _live_limits(settings: Settings) -> LiveLimits:
    live = settings.live
    return LiveLimits(
        live.max_sessions, live.max_seconds, max_events=live.max_events, no_sound_s=live.no_sound_s
    )
