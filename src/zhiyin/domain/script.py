"""The scripts of Chinese: simplified, and traditional in its variants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.languages import parse_language, tag_parts

Script = Literal["", "simplified", "traditional", "traditional-tw", "traditional-hk", "as-is"]
"""Empty leaves it to the operator, who leaves it to the language; `as-is` to the engine."""

SCRIPTS: tuple[Script, ...] = tuple(name for name in get_args(Script) if name)

_USUAL: dict[str, Script] = {"zh": "simplified", "yue": "traditional-hk"}
CHINESE = frozenset(_USUAL)
"""The languages that are written in one of these scripts."""

_TAGS: dict[str, Script] = {
    "hans": "simplified", "cn": "simplified", "sg": "simplified", "my": "simplified",
    "hant": "traditional", "tw": "traditional-tw", "hk": "traditional-hk", "mo": "traditional-hk",
    "chs": "simplified", "cht": "traditional",
}  # fmt: skip
_NAMES: dict[str, Script] = {
    "simplified": "simplified", "简": "simplified", "簡": "simplified",
    "traditional": "traditional", "繁": "traditional", "正體": "traditional-tw",
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
    of that script (RFC 5646, section 2.1). Locales (`zh_TW.UTF-8`) and names (`繁體中文`,
    `Chinese (Traditional)`) say it too.
    """
    if not _is_chinese(language):
        return ""
    _, *rest = tag_parts(language)
    named = [_TAGS[part] for part in rest if part in _TAGS]
    if not named:
        name = language.casefold()
        return next((script for part, script in _NAMES.items() if part in name), "")
    if named[0] == "simplified":
        return named[0]
    return named[-1] if named[-1] != "simplified" else named[0]


def script_of_tags(languages: Iterable[str]) -> Script:
    """The script that the first of several tags names."""
    return next(filter(None, map(script_of_tag, languages)), "")


def _is_chinese(language: str) -> bool:
    try:
        return parse_language(language) in CHINESE
    except InvalidRequest:
        return False


def resolve_script(wanted: Script, operators: Script, language: str) -> Script:
    """The script for text in a language: what the caller wants, else the operator, else usual.

    `as-is` for languages that are not Chinese.
    """
    if language not in CHINESE:
        return "as-is"
    return wanted or operators or _USUAL[language]
