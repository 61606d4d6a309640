"""Forms as odd clients send them: parts without file names, fields in the address."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support import media
from tests.support.app_server import app_server
from tests.support.raw_http import assert_error, form

SOUND = media.path("en_short").read_bytes()
RECORDING = ("file", 'filename="a.flac"', SOUND)
TYPED = b"\r\nContent-Type: "


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with (
        app_server() as server,
        httpx.AsyncClient(base_url=server.url.replace("ws", "http"), timeout=60) as made,
    ):
        yield made


async def post(
    client: httpx.AsyncClient, path: str, *parts: tuple[str, str, bytes]
) -> httpx.Response:
    body, kind = form(*parts)
    return await client.post(path, content=body, headers={"Content-Type": kind})


async def test_a_part_needs_no_plain_file_name(client: httpx.AsyncClient) -> None:
    assert len(SOUND) < 64 << 10
    long = media.encode(media.samples("en_sentences"), media.Form("wav", "pcm_s16le"))
    assert len(long) > 64 << 10
    for sound in (SOUND, long):
        answer = await post(client, "/recognize", ("file", "filename*=UTF-8''%E6%89%93", sound))
        assert answer.status_code == 200, answer.text
        for kind in (b"audio/flac", b"application/octet-stream"):
            body, declared = form(("file", "", sound))
            body = body.replace(b'"file"', b'"file"' + TYPED + kind, 1)
            answer = await client.post(
                "/recognize", content=body, headers={"Content-Type": declared}
            )
            assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("size", [10, 100_000])
async def test_a_file_as_text_is_explained(client: httpx.AsyncClient, size: int) -> None:
    answer = await post(client, "/recognize", ("file", "", b"x" * size))
    error = assert_error(answer, 400, "file", "invalid_value")
    assert "curl -F file=@" in error["message"]


async def test_long_text_is_named(client: httpx.AsyncClient) -> None:
    answer = await post(client, "/recognize", RECORDING, ("prompt", "", b"x" * 100_000))
    error = assert_error(answer, 400, "prompt", "invalid_value")
    assert "64 KiB" in error["message"]
    many = [(f"keywords[{i}]", "", b"x" * 60_000) for i in range(6)]
    answer = await post(client, "/v1/audio/transcriptions", RECORDING, *many)
    assert_error(answer, 400, "keywords", "invalid_value")


async def test_many_fields_and_files_are_refused(client: httpx.AsyncClient) -> None:
    many = [(f"keywords[{i}]", "", b"x") for i in range(65)]
    assert_error(await post(client, "/v1/audio/transcriptions", RECORDING, *many), 400)
    other = ("sound", 'filename="a.flac"', SOUND)
    assert_error(await post(client, "/recognize", other), 400, "file", "invalid_value")


async def test_a_form_without_its_end_is_refused(client: httpx.AsyncClient) -> None:
    body, kind = form(RECORDING)
    for cut in (body[:-20], body[:3000], body[:40], b""):
        answer = await client.post("/recognize", content=cut, headers={"Content-Type": kind})
        assert_error(answer, 400)


@pytest.mark.parametrize("path", ["/recognize", "/v1/audio/transcriptions"])
async def test_fields_in_the_address_count(client: httpx.AsyncClient, path: str) -> None:
    model = ("model", "", b"script")
    answer = await post(
        client, f"{path}?language=zh&response_format=verbose_json", RECORDING, model
    )
    assert answer.json()["language"] in ("zh", "chinese")
    answer = await post(client, f"{path}?language=qq", RECORDING, model)
    assert_error(answer, 400, "language", "invalid_language")
    answer = await post(client, f"{path}?colour=red", RECORDING, model)
    assert_error(answer, 400, "colour", "unknown_parameter")
    answer = await post(client, f"{path}?language=zh", RECORDING, model, ("language", "", b"en"))
    assert_error(answer, 400, "language", "invalid_value")
    answer = await post(client, f"{path}?api_key=x&token=y&api-version=1", RECORDING, model)
    assert answer.status_code == 200, answer.text
    answer = await post(client, f"{path}?file=a.flac", model)
    assert_error(answer, 400, "file", "invalid_value")


async def test_lists_in_the_address_count(client: httpx.AsyncClient) -> None:
    fields = "model=script&timestamp_granularities[]=word&timestamp_granularities[]=segment"
    answer = await post(
        client, f"/v1/audio/transcriptions?{fields}&response_format=verbose_json", RECORDING
    )
    assert {"words", "segments"} <= set(answer.json())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/realtime/client_secrets"),
        ("POST", "/v1/realtime/transcription_sessions"),
        ("POST", "/v1/jobs/x/cancel"),
        ("POST", "/v1/jobs/x/retry"),
        ("DELETE", "/v1/jobs/x"),
        ("DELETE", "/v1/history/x"),
        ("DELETE", "/v1/owners/me/data"),
    ],
)
async def test_what_takes_no_parameters_refuses_them(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    """`DELETE .../data?before=...` must not erase everything."""
    answer = await client.request(method, f"{path}?before=2020")
    assert_error(answer, 400, "before", "unknown_parameter")


async def test_the_list_of_models_has_its_address_with_a_slash(client: httpx.AsyncClient) -> None:
    plain, slashed = [(await client.get(path)).json() for path in ("/v1/models", "/v1/models/")]
    assert plain == slashed
    assert plain["object"] == "list"
    assert "" not in [model["id"] for model in plain["data"]]
