"""A recording that harms its decoder process, and a real server that goes on."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support import media
from tests.support.decoders import decoders, fork_server, gone, wait_for, wait_for_decoder
from tests.support.jobs import recording, settings, submit, wait
from tests.support.server import Server, running
from tests.support.stream_client import S16, hear, opened, spoken

SHORT = recording(30, 2.0)
LONG = media.encode(np.full(1200 * media.RATE, 0.3, np.float32), media.Form("flac", "flac"))
"""Longer than what the server decodes ahead of a slow engine: 16 pieces."""

FORM = {"vad": "false", "language": "en"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    more = {
        "ZHIYIN_JOBS__WORKERS": "1",
        "ZHIYIN_SERVER__REQUEST_TIMEOUT_S": "30",
        "SCRIPTED_DELAY_S": "0.3",
    }
    with running(tmp_path_factory.mktemp("decoders"), **settings(**more)) as started:
        yield started


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=120) as made:
        wait_for(lambda: decoders(server.process.pid) == [])
        yield made


def recognize(client: httpx.Client, data: bytes) -> httpx.Response:
    return client.post("/recognize", files={"file": ("a.wav", data)}, data=FORM)


def works(client: httpx.Client) -> bool:
    answer = recognize(client, SHORT)
    return answer.status_code == 200 and answer.json()["text"] == " ".join(["t30"] * 20)


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_is_a_400_and_nobody_elses(
    client: httpx.Client, server: Server, how: signal.Signals
) -> None:
    with ThreadPoolExecutor(2) as pool:
        harmed = pool.submit(recognize, client, LONG)
        victim = wait_for_decoder(server.process.pid)
        other = pool.submit(recognize, client, SHORT)
        wait_for(lambda: other.done() or len(decoders(server.process.pid)) > 1)
        victim.send_signal(how)
        answer = harmed.result()
        assert other.result().status_code == 200
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "undecodable_audio")
    assert answer.json()["error"]["param"] == "file"
    assert works(client)


def test_a_job_whose_recording_crashes_its_decoder_fails_at_once(
    client: httpx.Client, server: Server
) -> None:
    job_id = submit(client, LONG).json()["id"]
    # The first decoder of a job, which only looks at its length, has ended by now.
    wait_for(lambda: client.get(f"/v1/jobs/{job_id}").json()["progress"]["processed"])
    wait_for_decoder(server.process.pid).send_signal(signal.SIGSEGV)
    job = wait(client, job_id)
    assert (job["state"], job["error"]["code"]) == ("failed", "undecodable_audio")
    assert job["attempts"] == 1
    assert works(client)


async def test_a_live_stream_that_crashes_its_decoder_ends_alone(server: Server) -> None:
    data = media.recorded(spoken("en_short"), "webm")
    pid = server.process.pid
    async with opened(server, encoding="webm", language="en") as (other, _):
        await other.send(data[:3000])
        await asyncio.to_thread(wait_for, lambda: len(decoders(pid)) == 1)
        async with opened(server, encoding="webm", language="en") as (harmed, _):
            await harmed.send(data[:3000])
            await asyncio.to_thread(wait_for, lambda: len(decoders(pid)) == 2)
            victim = decoders(pid)[1]
            # Its demuxer's thread shows that it has the stream.
            await asyncio.to_thread(wait_for, lambda: victim.num_threads() > 1)
            victim.send_signal(signal.SIGSEGV)
            await harmed.send(data[3000:])
            (error,) = [e["error"] for e in await hear(harmed) if e["type"] == "error"]
            assert (error["code"], error["param"]) == ("undecodable_audio", "encoding")
            with pytest.raises(ConnectionClosed) as closed:
                await harmed.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1007, "undecodable_audio")
        await other.send(data[3000:])
        await other.send(json.dumps({"type": "eof"}))
        assert (await hear(other))[-1]["type"] == "done"
    await asyncio.to_thread(wait_for, lambda: decoders(pid) == [])


def test_a_decoder_that_hangs_is_killed_at_the_deadline(tmp_path: Path) -> None:
    more = {"ZHIYIN_SERVER__REQUEST_TIMEOUT_S": "2", "ZHIYIN_AUDIO__WORKERS": "1"}
    with (
        running(tmp_path, **settings(SCRIPTED_DELAY_S="0.3", **more)) as server,
        httpx.Client(base_url=server.url, timeout=120) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        stuck = pool.submit(recognize, client, LONG)
        victim = wait_for_decoder(server.process.pid)
        victim.suspend()
        answer = stuck.result()
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")
        wait_for(lambda: gone(victim))
        assert works(client)  # by the only thread


async def test_nobody_waits_for_an_upload_that_hangs(tmp_path: Path) -> None:
    more = {"ZHIYIN_AUDIO__DECODER_STALL_S": "3600", "ZHIYIN_AUDIO__WORKERS": "1"}
    with (
        running(tmp_path, **settings(SCRIPTED_DELAY_S="0.3", **more)) as server,
        httpx.Client(base_url=server.url, timeout=120) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        stuck = pool.submit(recognize, client, LONG)
        victim = await asyncio.to_thread(wait_for_decoder, server.process.pid)
        victim.suspend()
        for encoding, form in (("s16le", S16), ("webm", media.Form("webm", "libopus", 48_000))):
            async with opened(server, encoding=encoding, language="en") as (socket, _):
                await socket.send(media.encode(spoken("en_short"), form))
                await socket.send(json.dumps({"type": "eof"}))
                assert any(event["type"] == "final" for event in await hear(socket))
        assert await asyncio.to_thread(works, client)  # nor do other uploads, by the only thread
        assert not stuck.done()
        victim.kill()
        assert stuck.result().status_code == 400


def test_no_process_outlives_the_server(tmp_path: Path) -> None:
    with (
        running(tmp_path, **settings(SCRIPTED_DELAY_S="0.3")) as server,
        httpx.Client(base_url=server.url, timeout=120) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        lost = pool.submit(recognize, client, LONG)
        family = [wait_for_decoder(server.process.pid), fork_server(server.process.pid)]
        server.process.kill()
        assert isinstance(lost.exception(), httpx.HTTPError)
        wait_for(lambda: all(gone(p) for p in family if p is not None))


def test_the_fork_server_is_there_before_the_first_request_and_ends_with_sigterm(
    tmp_path: Path,
) -> None:
    with running(tmp_path, **settings()) as server:
        made = fork_server(server.process.pid)
        assert made is not None
    wait_for(lambda: gone(made))
