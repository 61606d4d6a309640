"""Everything a client can do wrong, and that nobody else suffers from it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from tests.support import media
from tests.support.server import Server

GOOD = ("a.flac", media.path("en_short").read_bytes())
TEXT = ("song.mp3", b"this is no song at all\n" * 100)

Fields = dict[str, str]
CASES: list[tuple[str, str, tuple[str, bytes] | None, Fields, int, str | None, str]] = [
    ("no file", "v1", None, {"model": "whisper-1"}, 400, "file", "missing_required_parameter"),
    ("no model", "v1", GOOD, {}, 400, "model", "missing_required_parameter"),
    ("empty model", "v1", GOOD, {"model": " "}, 400, "model", "missing_required_parameter"),
    ("unknown model", "v1", GOOD, {"model": "x"}, 404, "model", "model_not_found"),
    ("not installed", "v1", GOOD, {"model": "whisper-small"}, 404, "model", "model_not_installed"),
    ("unknown field", "v1", GOOD, {"model": "whisper-1", "colour": "red"}, 400, "colour",
     "unknown_parameter"),
    ("bad format", "v1", GOOD, {"model": "whisper-1", "response_format": "pdf"}, 400,
     "response_format", "invalid_value"),
    ("bad language", "v1", GOOD, {"model": "whisper-1", "language": "qq"}, 400, "language",
     "invalid_language"),
    ("bad temperature", "v1", GOOD, {"model": "whisper-1", "temperature": "hot"}, 400,
     "temperature", "invalid_value"),
    ("high temperature", "v1", GOOD, {"model": "whisper-1", "temperature": "2"}, 400,
     "temperature", "invalid_value"),
    ("words need verbose", "v1", GOOD, {"model": "whisper-1", "timestamp_granularities[]": "word"},
     400, "timestamp_granularities", "invalid_value"),
    ("bad granularity", "v1", GOOD, {"model": "whisper-1", "response_format": "verbose_json",
     "timestamp_granularities": "letter"}, 400, "timestamp_granularities", "invalid_value"),
    ("stream as srt", "v1", GOOD, {"model": "whisper-1", "stream": "true",
     "response_format": "srt"}, 400, "response_format", "invalid_value"),
    ("bad stream", "v1", GOOD, {"model": "whisper-1", "stream": "perhaps"}, 400, "stream",
     "invalid_value"),
    ("zero bytes", "v1", ("a.wav", b""), {"model": "whisper-1"}, 400, "file", "empty_audio"),
    ("text as mp3", "v1", TEXT, {"model": "whisper-1"}, 400, "file", "undecodable_audio"),
    ("text as mp3", "own", TEXT, {}, 400, "file", "undecodable_audio"),
    ("text as mp3, streamed", "own", TEXT, {"stream": "true"}, 400, "file", "undecodable_audio"),
    ("own stream as vtt", "own", GOOD, {"stream": "1", "response_format": "vtt"}, 400,
     "response_format", "invalid_value"),
    ("bad beam", "own", GOOD, {"beam_size": "99"}, 400, "beam_size", "invalid_value"),
    ("bad vad", "own", GOOD, {"vad": "maybe"}, 400, "vad", "invalid_value"),
    ("bad task", "own", GOOD, {"task": "sing"}, 400, "task", "invalid_value"),
    ("long prompt", "own", GOOD, {"prompt": "x" * 3000}, 400, "prompt", "invalid_value"),
    ("cantonese on base", "own", GOOD, {"language": "yue"}, 400, "language", "unsupported_option"),
    ("unknown field", "own", GOOD, {"speed": "2"}, 400, "speed", "unknown_parameter"),
    ("granularity elsewhere", "own", GOOD, {"timestamp_granularities[]": "word"}, 400,
     "timestamp_granularities", "unknown_parameter"),
]  # fmt: skip
ADDRESS = {"v1": "/v1/audio/transcriptions", "own": "/recognize"}


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as made:
        yield made


def assert_error(response: httpx.Response, status: int, param: str | None, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/json")
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["param"], error["code"]) == (param, code)
    assert error["type"] == "invalid_request_error"
    assert len(error["message"]) > 10
    assert "Traceback" not in response.text


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[1]}: {c[0]}")
def test_wrong_requests_are_answered_plainly(
    client: httpx.Client,
    case: tuple[str, str, tuple[str, bytes] | None, Fields, int, str | None, str],
) -> None:
    _, door, file, fields, status, param, code = case
    files = {"file": file} if file else {"other": (None, b"x")}
    if not file:
        files = {}
        fields = {**fields, "prompt": "x"}
        response = client.post(ADDRESS[door], files=[(k, (None, v)) for k, v in fields.items()])
    else:
        response = client.post(ADDRESS[door], files=files, data=fields)
    assert_error(response, status, param, code)


def test_a_file_as_text_field_is_explained(client: httpx.Client) -> None:
    response = client.post("/recognize", files=[("file", (None, b"abc"))])
    assert_error(response, 400, "file", "invalid_value")


def test_two_files_are_refused(client: httpx.Client) -> None:
    response = client.post("/recognize", files=[("file", GOOD), ("file", GOOD)])
    assert_error(response, 400, "file", "invalid_value")


def test_a_field_given_twice_is_refused(client: httpx.Client) -> None:
    twice = [("language", (None, b"en")), ("language", (None, b"zh"))]
    response = client.post("/recognize", files=[("file", GOOD), *twice])
    assert_error(response, 400, "language", "invalid_value")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{}", "application/json"),
        (b"a=b", "application/x-www-form-urlencoded"),
        (b"", ""),
    ],
)
def test_other_bodies_are_refused(client: httpx.Client, content: bytes, kind: str) -> None:
    response = client.post("/recognize", content=content, headers={"Content-Type": kind})
    assert_error(response, 400, None, "invalid_content_type")


@pytest.mark.parametrize(
    "kind",
    ["multipart/form-data", "multipart/form-data; boundary=x", "multipart/form-data; boundary="],
)
def test_broken_forms_are_refused(client: httpx.Client, kind: str) -> None:
    response = client.post("/recognize", content=b"--y\r\nrubbish", headers={"Content-Type": kind})
    assert response.status_code == 400
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_unknown_addresses_and_methods_have_the_same_shape(client: httpx.Client) -> None:
    assert_error(client.get("/nowhere"), 404, None, "not_found")
    assert_error(client.get("/recognize"), 405, None, "method_not_allowed")


def test_too_many_bytes(small_server: Server) -> None:
    big = np.random.default_rng(1).bytes(3 << 20)
    with httpx.Client(base_url=small_server.url, timeout=60) as client:
        declared = client.post("/recognize", files={"file": ("a.wav", big)})
        assert_error(declared, 413, "file", "file_too_large")
        assert "1 MiB" in declared.json()["error"]["message"]


def test_too_many_bytes_without_a_declared_length(small_server: Server) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'

    def chunks() -> Iterator[bytes]:
        yield head
        for _ in range(30):
            yield bytes(100_000)
        yield b"\r\n--b--\r\n"

    with httpx.Client(base_url=small_server.url, timeout=60) as client:
        response = client.post(
            "/recognize",
            content=chunks(),
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )
    assert_error(response, 413, "file", "file_too_large")


def test_too_many_seconds(small_server: Server) -> None:
    with httpx.Client(base_url=small_server.url, timeout=60) as client:
        story = client.post(
            "/recognize", files={"file": ("a.ogg", media.path("en_story").read_bytes())}
        )
        assert_error(story, 413, "file", "audio_too_long")


def test_too_many_at_once_are_told_to_come_back(small_server: Server) -> None:
    """Three are recognized, the others get 429 at once; later there is a place again."""

    def post(_: int) -> httpx.Response:
        # A recognition of its own: results in the cache take no time.
        headers = {"Cache-Control": "no-store"}
        files = {"file": ("a.flac", media.path("en_sentences").read_bytes())}
        return httpx.post(
            f"{small_server.url}/recognize", files=files, headers=headers, timeout=120
        )

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(post, range(12)))
    busy = [answer for answer in answers if answer.status_code == 429]
    assert 1 <= len(busy) <= 9
    for answer in busy:
        assert 1 <= int(answer.headers["retry-after"]) <= 120
        assert answer.json()["error"]["type"] == "rate_limit_error"
    assert {answer.status_code for answer in answers} == {200, 429}
    assert post(0).status_code == 200


def test_after_all_that_the_server_still_works(
    client: httpx.Client, server: Server, small_server: Server
) -> None:
    response = client.post("/recognize", files={"file": GOOD}, data={"language": "en"})
    assert media.heard(media.reference("en_short"), response.json()["text"]) > 0.8
    for one in (server, small_server):
        assert "Traceback" not in "".join(one.logs)
