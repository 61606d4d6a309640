"""Health, headers, the API description, the page's files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.support.server import Server, running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as made:
        yield made


def test_health(client: httpx.Client) -> None:
    assert client.get("/health/live").json() == {"status": "alive"}
    assert client.get("/health/ready").json() == {"status": "ready"}


def test_a_server_without_its_model_lives_but_is_not_ready(data_dir: Path) -> None:
    from tests.support.server import Server

    server = Server(data_dir, {"ZHIYIN_MODELS__DEFAULT": "whisper-small"})
    try:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            assert client.get("/health/live").status_code == 200
            ready = client.get("/health/ready")
            assert ready.status_code == 503
            assert ready.headers["retry-after"]
            refused = client.post("/recognize", files={"file": ("a.wav", b"abc")})
            assert refused.json()["error"]["code"] == "model_not_installed"
    finally:
        server.stop()


def test_the_api_describes_itself(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for address in ("/recognize", "/v1/audio/transcriptions", "/v1/audio/translations"):
        operation = paths[address]["post"]
        schema = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert "file" in schema["required"]
        assert all("description" in field for field in schema["properties"].values())
        assert {"200", "400", "404", "413", "429", "500", "503", "504"} <= set(
            operation["responses"]
        )
        assert "example" in operation["responses"]["200"]["content"]["application/json"]
        assert operation["summary"]


def test_the_docs_page_needs_no_other_host(client: httpx.Client) -> None:
    page = client.get("/docs").text
    assert "https://" not in page
    assert client.get("/static-offline-docs/swagger-ui-bundle.js").status_code == 200


@pytest.mark.parametrize(
    "address", ["/", "/static/shared/style.css", "/static/transcribe/main.js", "/favicon.ico"]
)
def test_the_page_has_a_strict_policy(client: httpx.Client, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert client.head("/").status_code == 200


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/http/app.py", "/static/", "/static/shared/"]
)
def test_only_the_pages_files_are_served(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code in (404, 405)


def test_messages_of_sockets_are_not_compressed(server_url: str) -> None:
    """A few bytes on the wire could become a message of many MiB."""
    for path in ("/v1/stream", "/v1/realtime", "/ws/subtitle"):
        with connect(server_url.replace("http", "ws") + path, compression="deflate") as socket:
            assert socket.protocol.extensions == []


def test_own_folders_and_aliases_serve(data_dir: Path, server: Server) -> None:
    folder = data_dir / "models" / "whisper-base"
    env = {
        "ZHIYIN_MODELS__FOLDERS": f'{{"mine": "{folder}"}}',
        "ZHIYIN_MODELS__DEFAULT": "mine",
    }
    with running(data_dir, **env) as own, httpx.Client(base_url=own.url, timeout=60) as client:
        listed = {m["id"]: m for m in client.get("/v1/models").json()["data"]}
        assert listed["whisper-1"]["alias_of"] == "mine"
        sample = Path(__file__).parents[1] / "audio" / "en_short.flac"
        with sample.open("rb") as file:
            body = client.post("/recognize", files={"file": file}, data={"language": "en"}).json()
        assert body["model"] == "mine"
        assert "kitchen" in body["text"]
