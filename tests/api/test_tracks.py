"""The sound track of a recording, in every API of recordings and on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.command_line import zhiyin
from tests.support.jobs import settings, submit, wait
from tests.support.media import RATE
from tests.support.muxing import Track, muxed
from tests.support.server import Server, running

ROUTES = ["/recognize", "/v1/audio/transcriptions", "/v1/audio/translations"]


def of_two_levels() -> bytes:
    """The scripted engine hears t30 in its first track and t60 in the second."""
    tracks = [np.full(RATE, level / 100, np.float32) for level in (30, 60)]
    return muxed("matroska", [Track([(0, track)], "flac", RATE) for track in tracks])


FILE = of_two_levels()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    more = settings(ZHIYIN_CACHE__URL="memory://")
    with running(tmp_path_factory.mktemp("tracks"), **more) as started:
        yield started


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as made:
        yield made


def ask(client: httpx.Client, route: str, **fields: str) -> httpx.Response:
    form = {"vad": "false", "model": "script"} | fields
    return client.post(route, files={"file": ("a.mkv", FILE)}, data=form)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("fields", [{}, {"track": "1"}], ids=["not named", "named"])
def test_the_first_is_recognized(client: httpx.Client, route: str, fields: dict[str, str]) -> None:
    assert set(ask(client, route, **fields).json()["text"].split()) == {"t30"}


@pytest.mark.parametrize("route", ROUTES)
def test_another_may_be_named(client: httpx.Client, route: str) -> None:
    """Whatever is in the cache of the first."""
    assert set(ask(client, route).json()["text"].split()) == {"t30"}
    assert set(ask(client, route, track="2").json()["text"].split()) == {"t60"}


@pytest.mark.parametrize("route", [*ROUTES, "/v1/jobs"])
@pytest.mark.parametrize("track", ["3", "0", "-1", "two", "1001"])
def test_a_track_that_is_not_there_is_named(client: httpx.Client, route: str, track: str) -> None:
    answer = ask(client, route, track=track)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "track")


def test_jobs_have_it(client: httpx.Client) -> None:
    for track, word in (("1", "t30"), ("2", "t60")):
        job = wait(client, submit(client, FILE, track=track).json()["id"])
        assert set(client.get(job["result_url"]).json()["text"].split()) == {word}


def test_the_command_line_has_it(tmp_path: Path) -> None:
    file = tmp_path / "a.mkv"
    file.write_bytes(FILE)
    common = ("transcribe", str(file), "--no-vad", "--quiet", "--format", "text")
    env: dict[str, Any] = settings()
    done = zhiyin(*common, "--track", "2", data_dir=tmp_path, **env)
    assert set(done.stdout.split()) == {"t60"}, done.stderr
    wrong = zhiyin(*common, "--track", "3", data_dir=tmp_path, **env)
    assert wrong.returncode != 0
    assert "2 sound tracks" in wrong.stderr
