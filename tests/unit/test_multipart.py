"""The form parser, however its bytes are cut."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.access.http.multipart import FormParser, boundary_of
from zhiyin.domain.errors import InvalidRequest

SOUND = b"\r\n--b\r--b--\r\n-\x00\xff" * 40 + b"\r\n--"
BODY = (
    b'--bound\r\nContent-Disposition: form-data; name="language"\r\n\r\nzh\r\n'
    b'--bound\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    + SOUND
    + '\r\n--bound\r\ncontent-disposition: form-data; name="提示"\r\n\r\n打开\r\n\r\n'.encode()
    + b"--bound--\r\n"
)
FIELDS = [("language", "zh"), ("提示", "打开\r\n")]


async def parsed(pieces: list[bytes]) -> FormParser:
    parser = FormParser(b"bound")
    try:
        for piece in pieces:
            await parser.feed(piece)
        await parser.finish()
    except InvalidRequest:
        await parser.close()
        raise
    return parser


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, len(BODY)])
async def test_every_cut_gives_the_same(size: int) -> None:
    parser = await parsed([BODY[at : at + size] for at in range(0, len(BODY), size)])
    assert parser.fields == FIELDS
    assert parser.file is not None
    assert await parser.file.read() == SOUND
    assert parser.digest == hashlib.sha256(SOUND).digest()
    await parser.close()


@given(st.binary(max_size=200), st.integers(0, len(BODY)), st.integers(0, 40))
async def test_whatever_comes_is_a_form_or_refused(noise: bytes, at: int, lost: int) -> None:
    try:
        parser = await parsed([BODY[:at] + noise + BODY[at + lost :]])
    except InvalidRequest:
        return
    await parser.close()


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "multipart/mixed; boundary=b", "multipart/form-data",
     "multipart/form-data; boundary=", 'multipart/form-data; boundary=""',
     "multipart/form-data; boundary*=UTF-8''b"],
)  # fmt: skip
def test_other_kinds_of_bodies_are_refused(kind: str) -> None:
    with pytest.raises(InvalidRequest):
        boundary_of(kind)


def test_a_boundary_is_short() -> None:
    assert boundary_of('Multipart/Form-Data; charset=punycode; boundary="a b"') == b"a b"
    with pytest.raises(InvalidRequest):
        FormParser(b"b" * 1000)
