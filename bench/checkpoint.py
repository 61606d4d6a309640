"""Whisper weights of CTranslate2 under the names and shapes of the original project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.ct2 import Tensor, read_variables

_NORM = {"gamma": "weight", "beta": "bias"}


@dataclass(frozen=True, slots=True)
class Dims:
    """The shape of a model, in the order and with the names of the original project."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A Whisper model as the original project names it, in the number format it was stored in."""

    dims: Dims
    tensors: Mapping[str, Tensor]


def read_checkpoint(folder: Path) -> Checkpoint:
    """The weights of a CTranslate2 folder.

    Raises ValueError when they are quantized: the others would not get the same numbers.
    """
    variables = read_variables(folder / "model.bin")
    if any(name.endswith("weight_scale") for name in variables):
        raise ValueError(f"{folder} holds quantized weights; float16 or float32 is needed")
    dims = _dims(variables)
    tensors = dict(_ends(variables))
    for index in range(dims.n_audio_layer):
        tensors |= _layer(variables, f"encoder/layer_{index}", f"encoder.blocks.{index}")
    for index in range(dims.n_text_layer):
        tensors |= _layer(variables, f"decoder/layer_{index}", f"decoder.blocks.{index}")
    return Checkpoint(dims, tensors)


def _dims(variables: Mapping[str, Tensor]) -> Dims:
    audio, text = (variables[f"{side}/position_encodings/encodings"] for side in _SIDES)
    return Dims(
        n_mels=variables["encoder/conv1/weight"].shape[1],
        n_audio_ctx=audio.shape[0],
        n_audio_state=audio.shape[1],
        n_audio_head=int(variables["encoder/num_heads"]),
        n_audio_layer=_layers(variables, "encoder"),
        n_vocab=variables["decoder/embeddings/weight"].shape[0],
        n_text_ctx=text.shape[0],
        n_text_state=text.shape[1],
        n_text_head=int(variables["decoder/num_heads"]),
        n_text_layer=_layers(variables, "decoder"),
    )


_SIDES = ("encoder", "decoder")


def _layers(variables: Mapping[str, Tensor], side: str) -> int:
    found = {name.split("/")[1] for name in variables if name.startswith(f"{side}/layer_")}
    return len(found - {"layer_norm"})


def _ends(variables: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """What is not in a block."""
    for side in _SIDES:
        yield f"{side}.positional_embedding", variables[f"{side}/position_encodings/encodings"]
    for conv in ("conv1", "conv2"):
        for part in ("weight", "bias"):
            yield f"encoder.{conv}.{part}", variables[f"encoder/{conv}/{part}"]
    for theirs, part in _NORM.items():
        yield f"encoder.ln_post.{part}", variables[f"encoder/layer_norm/{theirs}"]
        yield f"decoder.ln.{part}", variables[f"decoder/layer_norm/{theirs}"]
    yield "decoder.token_embedding.weight", variables["decoder/embeddings/weight"]


def _layer(variables: Mapping[str, Tensor], source: str, target: str) -> dict[str, Tensor]:
    made = _attention(variables, f"{source}/self_attention", f"{target}.attn", fused=3)
    if f"{source}/attention/linear_0/weight" in variables:
        made |= _attention(variables, f"{source}/attention", f"{target}.cross_attn", fused=2)
    made |= _norm(variables, f"{source}/ffn/layer_norm", f"{target}.mlp_ln")
    made |= _linear(variables, f"{source}/ffn/linear_0", f"{target}.mlp.0")
    made |= _linear(variables, f"{source}/ffn/linear_1", f"{target}.mlp.2")
    return made


def _attention(
    variables: Mapping[str, Tensor], source: str, target: str, fused: int
) -> dict[str, Tensor]:
    """`fused`: 3 when query, key and value are one matrix, 2 when only key and value are."""
    made = _norm(variables, f"{source}/layer_norm", f"{target}_ln")
    if fused == 2:
        made |= _linear(variables, f"{source}/linear_0", f"{target}.query")
    made |= _split(variables, f"{source}/linear_{3 - fused}", target, fused)
    made |= _linear(variables, f"{source}/linear_{4 - fused}", f"{target}.out")
    return made


def _split(
    variables: Mapping[str, Tensor], source: str, target: str, fused: int
) -> dict[str, Tensor]:
    names = ("query", "key", "value")[-fused:]
    made: dict[str, Tensor] = {}
    for part in ("weight", "bias"):
        pieces = np.split(variables[f"{source}/{part}"], fused)
        made |= {f"{target}.{n}.{part}": piece for n, piece in zip(names, pieces, strict=True)}
    del made[f"{target}.key.bias"]  # zeros: the original has none
    return made


def _linear(variables: Mapping[str, Tensor], source: str, target: str) -> dict[str, Tensor]:
    return {f"{target}.{part}": variables[f"{source}/{part}"] for part in ("weight", "bias")}


def _norm(variables: Mapping[str, Tensor], source: str, target: str) -> dict[str, Tensor]:
    return {f"{target}.{part}": variables[f"{source}/{theirs}"] for theirs, part in _NORM.items()}
