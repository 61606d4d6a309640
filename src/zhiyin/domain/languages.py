"""Language list: codes, names, aliases, and whether words are joined with spaces.

Codes are those of the Whisper models (ISO 639-1 where it has one); names are the ones OpenAI's
`verbose_json` uses. Source: openai/whisper `tokenizer.py`.
"""

from __future__ import annotations

import re
import unicodedata

from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.language_names import OTHER_NAMES

LANGUAGES: dict[str, str] = {
    "af": "afrikaans",
    "am": "amharic",
    "ar": "arabic",
    "as": "assamese",
    "az": "azerbaijani",
    "ba": "bashkir",
    "be": "belarusian",
    "bg": "bulgarian",
    "bn": "bengali",
    "bo": "tibetan",
    "br": "breton",
    "bs": "bosnian",
    "ca": "catalan",
    "cs": "czech",
    "cy": "welsh",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fa": "persian",
    "fi": "finnish",
    "fo": "faroese",
    "fr": "french",
    "gl": "galician",
    "gu": "gujarati",
    "ha": "hausa",
    "haw": "hawaiian",
    "he": "hebrew",
    "hi": "hindi",
    "hr": "croatian",
    "ht": "haitian creole",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "is": "icelandic",
    "it": "italian",
    "ja": "japanese",
    "jw": "javanese",
    "ka": "georgian",
    "kk": "kazakh",
    "km": "khmer",
    "kn": "kannada",
    "ko": "korean",
    "la": "latin",
    "lb": "luxembourgish",
    "ln": "lingala",
    "lo": "lao",
    "lt": "lithuanian",
    "lv": "latvian",
    "mg": "malagasy",
    "mi": "maori",
    "mk": "macedonian",
    "ml": "malayalam",
    "mn": "mongolian",
    "mr": "marathi",
    "ms": "malay",
    "mt": "maltese",
    "my": "myanmar",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "nynorsk",
    "no": "norwegian",
    "oc": "occitan",
    "pa": "punjabi",
    "pl": "polish",
    "ps": "pashto",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sa": "sanskrit",
    "sd": "sindhi",
    "si": "sinhala",
    "sk": "slovak",
    "sl": "slovenian",
    "sn": "shona",
    "so": "somali",
    "sq": "albanian",
    "sr": "serbian",
    "su": "sundanese",
    "sv": "swedish",
    "sw": "swahili",
    "ta": "tamil",
    "te": "telugu",
    "tg": "tajik",
    "th": "thai",
    "tk": "turkmen",
    "tl": "tagalog",
    "tr": "turkish",
    "tt": "tatar",
    "uk": "ukrainian",
    "ur": "urdu",
    "uz": "uzbek",
    "vi": "vietnamese",
    "yi": "yiddish",
    "yo": "yoruba",
    "zh": "chinese",
    "yue": "cantonese",
}

UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
"""Languages whose script puts no space between words."""

_UNNAMED = frozenset(
    ("", "auto", "automatic", "detect", "und", "null", "none", "undefined", "自动", "自動")
)
_ASIDE = re.compile(r"[.@].*|\([^)]*\)|（[^）]*）")
"""Of a locale's encoding and modifier, and of what stands in brackets after a name."""


def _plain(name: str) -> str:
    """Without case, diacritics and the kind of hyphen."""
    apart = unicodedata.normalize("NFKD", name.strip().casefold())
    kept = "".join(c for c in apart if unicodedata.category(c) != "Mn")
    return unicodedata.normalize("NFKC", kept).replace("_", "-")


def tag_parts(value: str) -> list[str]:
    """The subtags of a language tag or locale (`zh_TW.UTF-8`), in lower case."""
    return _plain(_ASIDE.sub("", value)).split("-")


def separator(before: str, after: str) -> str:
    """What stands between two stretches of text: a space, or nothing in scripts without."""
    if not before or not after:
        return ""
    return "" if unspaced(before[-1]) or unspaced(after[0]) else " "


def unspaced(char: str) -> bool:
    """Thai, Lao, Tibetan, Burmese, Khmer; CJK with its punctuation, kana and full-width forms."""
    return any(low <= char <= high for low, high in _RANGES)


_RANGES = (
    ("\u0e00", "\u0fff"),
    ("\u1000", "\u109f"),
    ("\u1780", "\u17ff"),
    ("\u2e80", "\u31ff"),
    ("\u3400", "\u9fff"),
    ("\uf900", "\ufaff"),
    ("\uff00", "\uffef"),
    ("\U00020000", "\U0003ffff"),
)


def parse_language(value: str) -> str | None:
    """A language code from what clients send; None for empty, `auto` and the like.

    Understood are codes of ISO 639 (`zh`, `zho`, `chi`, `cmn`), tags and locales (`zh-Hant-TW`,
    `en_US.UTF-8`), and names in English, Chinese and the language itself. Raises InvalidRequest for
    anything else.
    """
    wanted = _plain(_ASIDE.sub("", value))
    if wanted in _UNNAMED and _plain(value) == wanted:
        return None
    base, *rest = wanted.split("-")
    # What was once an extension of "zh", RFC 5646, section 4.1.2, comes first.
    for candidate in (wanted, *(rest[:1] if base == "zh" and rest[:1] == ["yue"] else []), base):
        code = _BY_NAME.get(candidate.strip())
        if code is not None:
            return code
    raise InvalidRequest(
        f"'{value[:40]}' is not a language this service knows. Use an ISO 639 code such as "
        "'zh' or 'en', or leave the field out to detect the language.",
        code="invalid_language",
        param="language",
    )


_BY_NAME = {_plain(code): code for code in LANGUAGES} | {
    _plain(name): code
    for name, code in (*((name, code) for code, name in LANGUAGES.items()), *OTHER_NAMES)
}
