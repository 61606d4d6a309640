"""Chinese script conversion by OpenCC (https://github.com/BYVoid/OpenCC)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from itertools import accumulate

from opencc import OpenCC

from zhiyin.domain.script import Script, resolve_script
from zhiyin.ports.text import TextContext

_CONFIG: dict[Script, str] = {
    "simplified": "t2s", "traditional": "s2t", "traditional-tw": "s2tw", "traditional-hk": "s2hk",
}  # fmt: skip


class ScriptConversion:
    """A `ports.text.SpellingStep`; `default` is for callers who name no script.

    Thread-safe; its tables are read once.
    """

    def __init__(self, default: Script = "") -> None:
        self._default = default

    @property
    def edition(self) -> str:
        """See `ports.text`."""
        return f"script {self._default} {version('opencc')}"

    def spell(self, words: Sequence[str], context: TextContext) -> Sequence[str]:
        """The words in the script that is asked for, or usual for the language."""
        script = resolve_script(context.options.script, self._default, context.language)
        return words if script == "as-is" else convert(words, script)


def convert(words: Sequence[str], script: Script) -> list[str]:
    """Words in another script, read together, as a character may depend on its neighbours."""
    converter = _converter(_CONFIG[script])
    whole = "".join(words)
    written = converter.convert(whole)
    if len(written) != len(whole):  # the words can't be told apart
        return [converter.convert(word) for word in words]
    ends = accumulate(map(len, words))
    return [written[end - len(word) : end] for word, end in zip(words, ends, strict=True)]


@cache
def _converter(config: str) -> OpenCC:
    return OpenCC(config)
