"""Chinese script by OpenCC (https://github.com/BYVoid/OpenCC): its `t2s` and `s2t`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from opencc import OpenCC

from zhiyin.domain.script import Script

_CONFIG: dict[Script, str] = {"simplified": "t2s", "traditional": "s2t"}


class OpenCCScripts:
    """Implements `ports.script.Scripts`. Thread-safe; its tables are read once."""

    def convert(self, texts: Sequence[str], script: Script) -> list[str]:
        """Read together, because a character may depend on its neighbours."""
        if not script:
            return list(texts)
        converter = _converter(_CONFIG[script])
        whole = "".join(texts)
        written = converter.convert(whole)
        if len(written) != len(whole):  # nobody could tell where each begins
            return [converter.convert(text) for text in texts]
        ends = [sum(map(len, texts[: i + 1])) for i in range(len(texts))]
        return [written[end - len(text) : end] for text, end in zip(texts, ends, strict=True)]


@cache
def _converter(config: str) -> OpenCC:
    return OpenCC(config)
