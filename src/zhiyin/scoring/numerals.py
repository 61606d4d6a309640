"""Chinese numerals as digits, by one rule that does not look at meaning.

Both sides of a comparison go through it, so what matters is that equal speech becomes equal
text, not that the text reads well: 一起 becomes "1起" on both sides and costs nothing, while
三百四十一点五万, 341.5万 and 3415000 all become "3415000". A rule that decided by meaning
(an inverse text normalizer) would turn a numeral into digits on one side and leave it on the
other wherever a neighbouring word is misheard.
"""

from __future__ import annotations

import re
from decimal import Decimal

_DIGITS = str.maketrans("〇零一二两三四五六七八九幺", "0012234567891")
_SCALES = {
    "万亿": 10**12,
    "亿": 10**8,
    "万": 10**4,
    "千": 10**3,
    "百": 10**2,
    "十": 10,
}
_LAST = r"[1-9](?![0-9十百千])"  # in 二三十 the 二 is no part of 三十
_TEN = rf"(?:[1-9]十(?:{_LAST})?|十(?:[1-9](?![0-9百千]))?)"
_HUNDRED = rf"[1-9]百(?:0?{_TEN}|0?{_LAST})?"
_THOUSAND = rf"[1-9]千(?:0?{_HUNDRED}|0?{_TEN}|0?{_LAST})?"
_PART = rf"(?:{_THOUSAND}|{_HUNDRED}|{_TEN}|[0-9]+(?![十百千]))"
_LED = rf"{_PART}(?:点[0-9]+)?"
_MYRIADS = rf"{_LED}万(?:0?{_PART})?"
_NUMBER = re.compile(rf"{_LED}(?:万亿|亿)(?:0?{_MYRIADS}|0?{_PART})?|{_MYRIADS}|{_PART}")

_GAP = re.compile(r"(?<=[0-9])\s+(?=[十百千万亿])")
_THOUSANDS_COMMA = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
# One point only: 162.866.930 is a telephone number, however it was spoken.
_POINT = re.compile(r"(?<![0-9.:])([0-9]+)[.:]([0-9]+)(?![.:]?[0-9])")
_PERCENT = re.compile(r"(?<![0-9])([0-9]+(?:点[0-9]+)?)\s*%")
_FRACTION = re.compile(r"(?<![0-9/])([0-9]+)[/\u2044]([0-9]+)(?![0-9/])")


def digits(text: str) -> str:
    """`text` (NFKC, simplified Chinese) with every number in digits.

    Scales are written out (1.2万: 12000); a decimal point or a clock's colon becomes 点, a
    percentage 百分之; a scale with no number before it (数百, 千万别, 万一) stays.
    """
    text = _GAP.sub("", _THOUSANDS_COMMA.sub("", text.translate(_DIGITS)))
    text = _POINT.sub(r"\1点\2", text)
    text = _NUMBER.sub(lambda match: _written(match[0]), text)
    return _FRACTION.sub(r"\2分之\1", _PERCENT.sub(r"百分之\1", text))


def _written(number: str) -> str:
    """A whole number of the grammar above as digits."""
    if number.isdigit():
        return number  # as it stands: 007 is not 7
    whole, point, fraction = f"{_value(number):f}".partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}点{fraction}" if point and fraction else whole


def _value(number: str) -> Decimal:
    for unit, scale in _SCALES.items():
        head, found, tail = number.partition(unit)
        if found:
            return _value(head or "1") * scale + _rest(tail, scale)
    return Decimal(number.replace("点", "."))


def _rest(tail: str, scale: int) -> Decimal:
    if not tail:
        return Decimal(0)
    if len(tail) == 1 and tail.isdigit():
        return Decimal(tail) * scale / 10  # 一百五 is 150
    return _value(tail)
