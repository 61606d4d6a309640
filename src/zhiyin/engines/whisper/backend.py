"""The thin edge to CTranslate2 and faster-whisper: features, encoder, decoder, alignment.

Sources: OpenNMT/CTranslate2 `models/whisper.h`, SYSTRAN/faster-whisper `transcribe.py`.
Imported by the engine thread only, so that `import zhiyin` stays light.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhiyin.domain.audio import SAMPLE_RATE, Samples, Span
from zhiyin.domain.errors import EngineFailed
from zhiyin.domain.options import DecodeOptions
from zhiyin.domain.segmenting import TimedText
from zhiyin.engines.whisper.guard import Hypothesis
from zhiyin.engines.whisper.spoken import Ranking

_HOP = 160
_ENCODED = 50  # frames that the encoder gives for a second
_MARGIN_S = 0.2  # of the frames beside a stretch
_MAX_PROMPT_TOKENS = 223
_MAX_HOTWORDS_TOKENS = 150  # of these, beside a prompt that is long
# CTranslate2 knows "already encoded" from "raw features" by shape, so that raw features of
# 2 * n_mels frames are mistaken (layers/whisper.h); these lengths are never used.
_CONFUSING_FRAMES = {160, 256}


class Backend:
    """One Whisper model in memory: `workers` calls at once with `threads` each."""

    def __init__(
        self, folder: Path, device: str, compute_type: str, *, threads: int, workers: int
    ) -> None:
        from faster_whisper import WhisperModel

        try:
            self._whisper: Any = WhisperModel(
                str(folder), device=device, compute_type=compute_type, cpu_threads=threads,
                num_workers=workers, local_files_only=True,
            )  # fmt: skip
        except (RuntimeError, ValueError) as error:
            raise EngineFailed(
                f"Whisper can't be loaded on {device} with {compute_type}: {error}"
            ) from error
        self.device = device
        self.compute_type = compute_type
        self._model = self._whisper.model
        self._tokenizers: dict[tuple[str, str], Any] = {}
        self._suppressed: list[int] = []

    @property
    def mels(self) -> int:
        """Mel bands of the features."""
        return int(self._whisper.feature_extractor.mel_filters.shape[0])

    def features(
        self, clips: list[Samples], window_s: float, *, pad_audio: bool
    ) -> NDArray[np.float32]:
        """Log-mel features float32[n, mels, frames] of clips padded to the window."""
        frames = int(window_s * SAMPLE_RATE) // _HOP
        while frames in _CONFUSING_FRAMES:
            frames += 2
        return np.stack([self._mel(clip, frames, pad_audio=pad_audio) for clip in clips])

    def _mel(self, clip: Samples, frames: int, *, pad_audio: bool) -> NDArray[np.float32]:
        total = frames * _HOP
        sound = clip[:total]
        if pad_audio:
            sound = np.pad(sound, (0, total - len(sound)))
        mel: NDArray[np.float32] = self._whisper.feature_extractor(sound, padding=_HOP)[:, :-1]
        return np.pad(mel[:, :frames], ((0, 0), (0, max(0, frames - mel.shape[1]))))

    def encode(self, features: NDArray[np.float32]) -> Any:
        """Encoder output for a batch of features; opaque."""
        return self._whisper.encode(np.ascontiguousarray(features))

    def select(self, encoded: Any, indices: list[int]) -> Any:
        """The encoder output of some clips of a batch."""
        if indices == list(range(encoded.shape[0])):
            return encoded
        import ctranslate2

        if encoded.device != "cpu":
            encoded = encoded.to_device(ctranslate2.Device.cpu)
        return ctranslate2.StorageView.from_array(
            np.ascontiguousarray(np.asarray(encoded)[indices])
        )

    def detect(self, encoded: Any) -> list[Ranking]:
        """The probability of each language, for each clip."""
        if not self._model.is_multilingual:
            return [{"en": 1.0}] * encoded.shape[0]
        found = self._model.detect_language(encoded)
        return [{token[2:-2]: float(p) for token, p in ranked} for ranked in found]

    def detect_within(
        self, encoded: Any, index: int, spans: Sequence[Span], seconds: float
    ) -> list[Ranking]:
        """The same for stretches of one clip of a batch, which is `seconds` long.

        The encoder is not run again: each gets its own frames of the clip and those of the silence
        after it, without which stretches were misheard.
        """
        import ctranslate2

        if encoded.device != "cpu":
            encoded = encoded.to_device(ctranslate2.Device.cpu)
        frames = np.asarray(encoded)[index : index + 1]
        tail = frames[:, min(int(seconds * _ENCODED), frames.shape[1] - 1) :]
        found: list[Ranking] = []
        for begin, end in spans:
            first, last = (int(t * _ENCODED) for t in (begin - _MARGIN_S, end + _MARGIN_S))
            part = np.concatenate([frames[:, max(0, first) : last], tail], axis=1)
            found += self.detect(ctranslate2.StorageView.from_array(np.ascontiguousarray(part)))
        return found

    def prompt(self, language: str, options: DecodeOptions) -> list[int]:
        """Decoder prompt: the caller's context, then the task."""
        tokenizer = self._tokenizer(language, options.task)
        context = context_tokens(
            _plain_tokens(tokenizer, options.hotwords), _plain_tokens(tokenizer, options.prompt)
        )
        before = [tokenizer.sot_prev, *context] if context else []
        return [*before, *tokenizer.sot_sequence, tokenizer.no_timestamps]

    def generate(
        self,
        encoded: Any,
        languages: list[str],
        options: DecodeOptions,
        max_new: list[int],
        width: int,
        temperature: float,
    ) -> list[Hypothesis]:
        """The best hypothesis for each clip of at most so many new tokens.

        `width` is the beam at temperature 0, and above it how many samples are drawn.
        """
        prompts = [self.prompt(language, options) for language in languages]
        search = (
            {"beam_size": width, "patience": 1}
            if temperature == 0
            else {
                "beam_size": 1,
                "num_hypotheses": width,
                "sampling_topk": 0,
                "sampling_temperature": temperature,
            }
        )
        results = self._model.generate(
            encoded, prompts, length_penalty=1, max_length=len(prompts[0]) + max(max_new),
            return_scores=True, return_no_speech_prob=True, suppress_blank=True,
            suppress_tokens=self._suppress(languages[0], options.task), **search,
        )  # fmt: skip
        tokenizer = self._tokenizer(languages[0], options.task)
        found = zip(results, max_new, strict=True)
        return [_hypothesis(r, tokenizer, temperature, limit) for r, limit in found]

    def text(self, tokens: tuple[int, ...]) -> str:
        """Tokens of a hypothesis as text."""
        return str(self._whisper.hf_tokenizer.decode(list(tokens))).strip()

    def spell(self, encoded: Any, tokens: int) -> None:
        """Decode exactly that many tokens with beam 5, whatever the sound; for timing."""
        start, end = (
            self._whisper.hf_tokenizer.token_to_id(t)
            for t in ("<|startoftranscript|>", "<|endoftext|>")
        )
        self._model.generate(
            encoded, [[start]], beam_size=5, max_length=tokens + 1, suppress_tokens=[end]
        )

    def align(
        self, encoded: Any, language: str, options: DecodeOptions, tokens: list[tuple[int, ...]],
        seconds: list[float],
    ) -> list[list[TimedText]]:  # fmt: skip
        """Words with times from cross-attention and dynamic time warping, for each clip."""
        tokenizer = self._tokenizer(language, options.task)
        frames = [max(2, int(s * SAMPLE_RATE) // _HOP) for s in seconds]
        found = self._whisper.find_alignment(tokenizer, [list(t) for t in tokens], encoded, frames)
        return [_timed(words, limit) for words, limit in zip(found, seconds, strict=True)]

    def close(self) -> None:
        """Free the weights now rather than at the next garbage collection."""
        self._model.unload_model()

    def _tokenizer(self, language: str, task: str) -> Any:
        key = (language, task)
        if key not in self._tokenizers:
            from faster_whisper.tokenizer import Tokenizer

            multilingual = self._model.is_multilingual
            self._tokenizers[key] = Tokenizer(
                self._whisper.hf_tokenizer, multilingual, task=task, language=language
            )
        return self._tokenizers[key]

    def _suppress(self, language: str, task: str) -> list[int]:
        from faster_whisper.transcribe import get_suppressed_tokens

        # The same for every language and task: only special and non-speech tokens.
        if not self._suppressed:
            self._suppressed = list(get_suppressed_tokens(self._tokenizer(language, task), [-1]))
        return self._suppressed


def context_tokens(hotwords: Sequence[int], prompt: Sequence[int]) -> list[int]:
    """What fits of both: the first hotwords, and the end of the prompt in the room they leave."""
    most = max(_MAX_HOTWORDS_TOKENS, _MAX_PROMPT_TOKENS - len(prompt))
    kept = hotwords[:most]
    left = _MAX_PROMPT_TOKENS - len(kept)
    return [*kept, *prompt[max(0, len(prompt) - left) :]]


def _plain_tokens(tokenizer: Any, text: str) -> list[int]:
    """Tokens of a caller's text, without control tokens, which would be obeyed."""
    clean = text.strip()
    return [t for t in tokenizer.encode(" " + clean) if t < tokenizer.eot] if clean else []


def _hypothesis(result: Any, tokenizer: Any, temperature: float, max_new: int) -> Hypothesis:
    tokens = tuple(t for t in result.sequences_ids[0] if t < tokenizer.eot)
    count = len(result.sequences_ids[0])
    # The score is a mean over the tokens; Whisper's figure counts the end token as well.
    return Hypothesis(
        tokens=tokens,
        text=tokenizer.decode(list(tokens)).strip(),
        avg_logprob=float(result.scores[0]) * count / (count + 1),
        no_speech_prob=float(result.no_speech_prob),
        temperature=temperature,
        finished=count < max_new,
    )


def _timed(words: list[dict[str, Any]], limit: float) -> list[TimedText]:
    from faster_whisper.transcribe import merge_punctuations

    merge_punctuations(words, "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")
    kept = [w for w in words if w["word"]]
    return [
        TimedText(
            w["word"],
            min(float(w["start"]), limit),
            min(float(w["end"]), limit),
            float(w["probability"]),
            tuple(w["tokens"]),
        )
        for w in kept
    ]
