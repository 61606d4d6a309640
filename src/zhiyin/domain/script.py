"""The scripts of Chinese: simplified, and traditional in its variants."""

from __future__ import annotations

from typing import Literal, get_args

from zhiyin.domain.errors import InvalidRequest

Script = Literal["", "simplified", "traditional", "traditional-tw", "traditional-hk", "as-is"]
"""Empty leaves it to the operator, who leaves it to the language; `as-is` to the engine."""

SCRIPTS: tuple[Script, ...] = tuple(name for name in get_args(Script) if name)

_USUAL: dict[str, Script] = {"zh": "simplified", "yue": "traditional-hk"}
_TAGS: dict[str, Script] = {
    "hans": "simplified", "cn": "simplified", "sg": "simplified", "my": "simplified",
    "hant": "traditional", "tw": "traditional-tw", "hk": "traditional-hk", "mo": "traditional-hk",
}  # fmt: skip


def parse_script(value: str) -> Script:
    """A script by its name. Raises InvalidRequest."""
    if value and value not in SCRIPTS:
        raise InvalidRequest(
            f"There is no script '{value[:40]}'. Use one of: {', '.join(SCRIPTS)}.",
            code="invalid_value", param="script",
        )  # fmt: skip
    return value


def script_of_tag(language: str) -> Script:
    """The script that a language tag names beside the language, as in `zh-TW` or `zh-Hans`.

    Empty when it names none. A script and a region, as in `zh-Hant-HK`, give the region's variant
    of that script. Source: RFC 5646, section 2.1.
    """
    base, *rest = language.strip().lower().replace("_", "-").split("-")
    if base not in ("zh", "yue", "cmn"):
        return ""
    named = [_TAGS[part] for part in rest if part in _TAGS]
    if not named or named[0] == "simplified":
        return named[0] if named else ""
    return named[-1] if named[-1] != "simplified" else named[0]


def resolve_script(wanted: Script, operators: Script, language: str) -> Script:
    """The script for text in a language: what the caller wants, else the operator, else usual.

    `as-is` for languages that are not Chinese.
    """
    if language not in _USUAL:
        return "as-is"
    return wanted or operators or _USUAL[language]
