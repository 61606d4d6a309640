"""How Whisper decodes: windows, beams, and when a result is not believed.

Thresholds named in the Whisper paper (Radford et al., 2022, section 4.5) keep their values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FULL_WINDOW_S = 30.0

Pairs = tuple[tuple[float, float], ...]
"""A clip is silent when the no-speech probability is above the first and the mean log-probability
of the text below the second of any pair."""


@dataclass(frozen=True, slots=True)
class DecodePolicy:
    """How clips of a language are decoded; the window is what the encoder sees of a clip."""

    pad_audio: bool = False
    """True pads the sound with digital silence; False pads its features with zeros, which the
    model reads as faint noise. Which is better differs by model and language
    (SYSTRAN/faster-whisper pull requests 1084 and 1101)."""
    floor_s: float = FULL_WINDOW_S
    """The shortest window; FULL_WINDOW_S always uses the full one."""
    tail_s: float = 0.0
    """What a window has after the clip."""
    step_s: float = 2.0
    """Windows are multiples of it."""
    long_s: float = 10.0
    """Clips of that length, pieces of long recordings as a rule, need less of a tail, and fall into
    few windows so that they share calls."""
    long_tail_s: float = 1.5
    """The tail of long clips is not longer."""
    long_windows_s: tuple[float, ...] = (14.0, 17.0, 20.0, 25.0)
    """The windows of long clips, besides the full one."""
    beam_size: int = 5
    """Width of the beam search at temperature 0."""
    doubt_logprob: float = -1.0
    """A short-window result with a lower mean log-probability is decoded again in full."""
    logprob_threshold: float = -1.0
    """A result with a lower mean log-probability has failed (Whisper's own threshold)."""
    compression_ratio_threshold: float = 2.4
    """A result that compresses better has failed (Whisper's own threshold)."""
    silence: Pairs = ((0.4, -0.9), (0.6, -0.5))
    """Whisper's own pair is 0.6 and -1. Behind speech detection these stop Russian for "dynamic
    music" on plucked chords (0.69 and -0.74), and keep the least sure of 269 Mandarin and English
    recordings (0.57 and -0.59; 0.47 and -0.75)."""
    word_silence: Pairs = ((0.6, -1.1), (0.0, -1.6))
    """For clips of a word or two, of `likely_speech_s` to `words_speech_s`: detection is the better
    witness. The clearest of single words have 0.81 and -0.49, or 0.61 and
    -1.01."""
    brief_silence: Pairs = ((0.35, -0.95), (0.6, -0.5))
    """For clips of `faint_speech_s` to `likely_speech_s`: short words, horns, grunts."""
    faint_silence: Pairs = ((0.3, 0.0), (0.0, -0.6))
    """For clips of less than `faint_speech_s` of speech, and for texts that Whisper makes up over
    noise: far from what laughter gives ("Thank you.", 0.41 and -0.98; "Hahaha.", 0.30 and -1.12),
    because processors differ by a tenth."""
    faint_speech_s: float = 0.25
    """Less detected speech is hardly a word."""
    no_speech: float = 0.6
    """Whisper's own no-speech probability, which goes with `logprob_threshold`."""
    likely_speech_s: float = 0.5
    """With so many seconds of detected speech there is a word; a live final with `sure_speech_s`
    that our own pairs call silent is believed unless Whisper's pair calls it silent too.
    Of 60 Mandarin recordings cut in mid-word at two places the pairs left out 106 characters."""
    words_speech_s: float = 2.0
    """Longer speech is no word or two: what it seems to be, it would be surely, or it is music."""
    sure_speech_s: float = 1.0
    """With so many seconds of detected speech a clip is hardly silent: a draft is shown whatever
    the pairs say, and a clip that only our own pairs call silent gets a second look."""
    sung_logprob: float = -0.7
    """Over music a text is believed from this mean log-probability on,"""
    sung_language: float = 0.4
    """in a language at least this probable,"""
    sung_tokens: int = 6
    """from that many tokens on."""
    second_look_s: float = 0.3
    """The second look begins so many seconds after the speech did: music and laughter stay what
    they are, and speech that a pause cut in two is found (no-speech falls from 0.7 to 0.2)."""
    draft_logprob: float = -1.6
    """A draft is shown from this mean log-probability on; cut off in a word, none is sure."""
    temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6)
    """Tried in this order while results fail. Whisper's own go on to 1.0; each takes as long as
    five decodings."""
    best_of: int = 5
    """Samples drawn at temperatures above 0."""
    gap_s: float = 1.0
    """Seconds of speech without words from which on they are decoded by themselves; see `gaps`."""
    rest_logprob: float = -0.6
    """The text of a lost end is believed from this mean log-probability on."""
    max_tokens_per_second: float = 14.0
    """More than anybody says in a second."""
    spare_tokens: int = 24
    """Allowed besides, whatever the length."""

    def window(self, seconds: float) -> float:
        """Seconds of encoder input for a clip of that many seconds."""
        if self.floor_s >= FULL_WINDOW_S:
            return FULL_WINDOW_S
        if seconds >= self.long_s:
            wanted = max(self.floor_s, seconds + min(self.tail_s, self.long_tail_s))
            return next((w for w in self.long_windows_s if w >= wanted), FULL_WINDOW_S)
        steps = -(-max(self.floor_s, seconds + self.tail_s) // self.step_s)
        return min(FULL_WINDOW_S, steps * self.step_s)

    def max_new_tokens(self, seconds: float) -> int:
        """More than anybody says in that time; Whisper's own limit is 224."""
        return min(224, self.spare_tokens + int(seconds * self.max_tokens_per_second))


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """A model's policy, and those of languages that were measured apart.

    `undetected` is for clips whose language is still to be detected.
    """

    default: DecodePolicy = DecodePolicy()
    languages: Mapping[str, DecodePolicy] = field(default_factory=dict)
    undetected: DecodePolicy = DecodePolicy()

    def of(self, language: str | None) -> DecodePolicy:
        """The policy for a language; None while it is still to be detected."""
        if language is None:
            return self.undetected
        return self.languages.get(language, self.default)
