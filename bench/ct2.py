"""Reads the binary weights of CTranslate2 (`model.bin`, format versions 4 to 6)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[Any]

_VERSIONS = range(4, 7)
# Numbers of `ctranslate2/types.h`; bfloat16 (5) is unknown to numpy.
_DTYPES: Mapping[int, str] = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}


@dataclass(slots=True)
class _Reader:
    data: memoryview
    position: int = field(default=0)

    def number(self, code: str) -> int:
        (value,) = struct.unpack_from(f"<{code}", self.data, self.position)
        self.position += struct.calcsize(code)
        return int(value)

    def take(self, size: int) -> memoryview:
        taken = self.data[self.position : self.position + size]
        self.position += size
        return taken

    def text(self) -> str:
        return bytes(self.take(self.number("H"))).rstrip(b"\0").decode()


def read_variables(path: Path) -> dict[str, Tensor]:
    """All variables by name; aliases are left out.

    Raises ValueError when the file is of another format or holds a type that is not supported.
    """
    reader = _Reader(memoryview(path.read_bytes()))
    version = reader.number("I")
    if version not in _VERSIONS:
        raise ValueError(f"{path}: format version {version} is not supported")
    reader.text()  # the kind of model
    reader.number("I")  # its revision
    return dict(_variable(reader) for _ in range(reader.number("I")))


def _variable(reader: _Reader) -> tuple[str, Tensor]:
    name = reader.text()
    shape = [reader.number("I") for _ in range(reader.number("B"))]
    kind, size = reader.number("B"), reader.number("I")
    if kind not in _DTYPES:
        raise ValueError(f"variable {name} has the type {kind}, which is not supported")
    return name, np.frombuffer(reader.take(size), dtype=_DTYPES[kind]).reshape(shape)
