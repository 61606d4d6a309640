"""Downmix: frames of any layout, as mono."""

from __future__ import annotations

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

Channels = NDArray[np.float32]
"""float32[samples, channels]."""

_CANCELLED = (0.2, 0.3)
"""Shares of the power of uncorrelated channels: below the first they cancel each other in the mix,
above the second no longer."""

_MEMORY_S = 0.2
_BASS_HZ = 200.0


class Downmix:
    """The channels of one stream to one.

    Loudspeakers get the weights of FFmpeg's downmix, with the subwoofer left out. Tracks without
    a layout are people rather than loudspeakers: all count alike. Where the mix cancels itself,
    as when a cable is wired the wrong way round, the loudest channel is taken. What would be
    clipped is turned down.
    """

    def __init__(self) -> None:
        self._mix_power = 0.0
        self._expected = 0.0
        self._powers = np.zeros(1, np.float32)
        self._cancelled = False
        self._side = 0
        self._gain = 1.0

    def mixed(self, frame: AudioFrame) -> AudioFrame:
        """A packed float frame as a mono frame."""
        names = [channel.name for channel in frame.layout.channels]
        packed = frame.to_ndarray().astype(np.float32, copy=False)
        sound: Channels = packed.reshape(-1, len(names))
        if not np.abs(sound).max(initial=0.0) <= 1.0:  # float samples may be NaN, or far outside
            sound = np.clip(np.nan_to_num(sound), -1.0, 1.0)
        mono = sound[:, 0] if len(names) == 1 else self._mix(sound, names, frame.sample_rate)
        made = AudioFrame.from_ndarray(
            np.ascontiguousarray(mono).reshape(1, -1), format="flt", layout="mono"
        )
        made.sample_rate = frame.sample_rate
        return made

    def _mix(self, part: Channels, names: list[str], rate: int) -> NDArray[np.float32]:
        weights = _weights(part, names, rate)
        mono = part @ weights
        keep = float(np.exp(-len(part) / (rate * _MEMORY_S)))
        self._weigh(part, mono, weights, keep)
        if self._cancelled:
            return part[:, self._side]
        peak = float(np.abs(mono).max())
        self._gain = min(self._gain**keep, 1.0 / max(peak, 1.0))
        return np.asarray(mono * self._gain, np.float32)

    def _weigh(
        self, part: Channels, mono: NDArray[np.float32], weights: NDArray[np.float32], keep: float
    ) -> None:
        """Compare the power of the mix, lately, with that of its channels."""
        power = np.mean(np.square(part), axis=0)
        if len(self._powers) != len(power):
            self._powers = np.zeros_like(power)
        self._powers = keep * self._powers + (1 - keep) * power
        self._mix_power = keep * self._mix_power + (1 - keep) * float(np.mean(np.square(mono)))
        self._expected = keep * self._expected + (1 - keep) * float(np.square(weights) @ power)
        least = _CANCELLED[1 if self._cancelled else 0]
        self._cancelled = self._mix_power < least * self._expected
        if self._side >= len(power) or self._powers[self._side] < 0.5 * self._powers.max():
            self._side = int(self._powers.argmax())


def _weights(part: Channels, names: list[str], rate: int) -> NDArray[np.float32]:
    """How much of each channel is in the mix. Tracks add up like noise, not like loudspeakers."""
    if set(names) == {"NONE"}:
        return np.full(len(names), len(names) ** -0.5, np.float32)
    return np.array([_weight(name, part[:, i], rate) for i, name in enumerate(names)], np.float32)


def _weight(name: str, sound: NDArray[np.float32], rate: int) -> float:
    if name == "FC":
        return 1.0
    if name.startswith("LFE"):
        return 0.0 if _is_bass(sound, rate) else 1.0
    return 0.5 if name[0] in "BST" else 0.5**0.5


def _is_bass(sound: NDArray[np.float32], rate: int) -> bool:
    """Whether it is what a subwoofer gets, not a track that came to lie on this channel."""
    power = float(np.mean(np.square(sound)))
    slope = float(np.mean(np.square(np.diff(sound)))) if len(sound) > 1 else 0.0
    return slope <= power * (2 * np.pi * _BASS_HZ / rate) ** 2
