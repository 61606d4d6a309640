"""The same weights for other programs: `.pt` for openai-whisper, ggml for whisper.cpp.

Made once and kept in the user's cache folder; the file name has the weights they came from.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from platformdirs import user_cache_path

from bench.checkpoint import Checkpoint, Dims, read_checkpoint
from bench.ct2 import Tensor
from bench.needs import needed

_GGML_MAGIC = 0x67676D6C
_FLOAT16 = 1
# whisper.cpp wants these as float32 though they have two dimensions.
_GGML_FLOAT32 = frozenset(
    {
        "encoder.conv1.bias",
        "encoder.conv2.bias",
        "encoder.positional_embedding",
        "decoder.positional_embedding",
    }
)
_END_OF_TEXT = "<|endoftext|>"  # the first special token; whisper.cpp adds those by itself


def openai_checkpoint(folder: Path) -> Path:
    """A `.pt` file with the weights of a CTranslate2 folder. Raises ValueError if quantized."""
    return _kept(folder, ".pt", _write_openai)


def ggml_model(folder: Path) -> Path:
    """A ggml file (float16) with the weights of a CTranslate2 folder. Raises ValueError."""
    return _kept(folder, "-f16.ggml.bin", _write_ggml)


def _kept(folder: Path, suffix: str, write: Callable[[Path, Path], None]) -> Path:
    with (folder / "model.bin").open("rb") as weights:
        key = hashlib.file_digest(weights, "sha256").hexdigest()[:16]
    path = user_cache_path("zhiyin-bench") / f"{folder.name}-{key}{suffix}"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        write(folder, part)
        part.replace(path)
    return path


def _write_openai(folder: Path, path: Path) -> None:
    torch = needed("torch")
    checkpoint = read_checkpoint(folder)
    state = {name: torch.from_numpy(np.array(t)) for name, t in checkpoint.tensors.items()}
    torch.save({"dims": asdict(checkpoint.dims), "model_state_dict": state}, path)


def _write_ggml(folder: Path, path: Path) -> None:
    checkpoint = read_checkpoint(folder)
    with path.open("wb") as file:
        _write_head(file, checkpoint.dims)
        _write_filters(file, checkpoint.dims.n_mels)
        _write_tokens(file, folder)
        _write_tensors(file, checkpoint)


def _write_head(file: BinaryIO, dims: Dims) -> None:
    mels, *audio_and_text = astuple(dims)
    audio, vocabulary, text = audio_and_text[:4], audio_and_text[4], audio_and_text[5:]
    file.write(struct.pack("<12i", _GGML_MAGIC, vocabulary, *audio, *text, mels, _FLOAT16))


def _write_filters(file: BinaryIO, mels: int) -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    filters = np.asarray(FeatureExtractor(feature_size=mels).mel_filters, np.float32)
    file.write(struct.pack("<2i", *filters.shape))
    file.write(filters.tobytes())


def _write_tokens(file: BinaryIO, folder: Path) -> None:
    tokens = _tokens(folder)
    file.write(struct.pack("<i", len(tokens)))
    file.writelines(struct.pack("<i", len(token)) + token for token in tokens)


def _tokens(folder: Path) -> list[bytes]:
    """The ordinary tokens as bytes, in order; each letter of the tokenizer stands for a byte."""
    text = (folder / "tokenizer.json").read_text(encoding="utf-8")
    tokenizer: dict[str, Any] = json.loads(text)
    added = {t["content"]: t["id"] for t in tokenizer["added_tokens"]}
    vocabulary: Mapping[str, int] = tokenizer["model"]["vocab"]
    last = added.get(_END_OF_TEXT, len(vocabulary))
    letters = _byte_of_letter()
    by_id = sorted((number, token) for token, number in vocabulary.items() if number < last)
    return [bytes(letters[letter] for letter in token) for _, token in by_id]


def _byte_of_letter() -> dict[str, int]:
    """GPT-2's alphabet: printable bytes are themselves, the others letters from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    letters = {chr(byte): byte for byte in printable}
    return letters | {chr(256 + index): byte for index, byte in enumerate(others)}


def _write_tensors(file: BinaryIO, checkpoint: Checkpoint) -> None:
    for name, tensor in checkpoint.tensors.items():
        _write_tensor(file, name, tensor)


def _write_tensor(file: BinaryIO, name: str, tensor: Tensor) -> None:
    if name in {"encoder.conv1.bias", "encoder.conv2.bias"}:
        tensor = tensor.reshape(-1, 1)
    half = tensor.ndim > 1 and name not in _GGML_FLOAT32
    encoded = name.encode()
    file.write(struct.pack("<3i", tensor.ndim, len(encoded), _FLOAT16 if half else 0))
    file.write(struct.pack(f"<{tensor.ndim}i", *reversed(tensor.shape)))
    file.write(encoded)
    file.write(tensor.astype(np.float16 if half else np.float32).tobytes())
