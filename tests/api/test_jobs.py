"""Jobs over HTTP: a real server, its own worker, the scripted engine, a local webhook receiver."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from standardwebhooks import Webhook

from tests.support.jobs import SECRET, recording, settings, submit, wait
from tests.support.server import Server, running
from tests.support.webhook_receiver import Receiver, receiver


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    with receiver() as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    more = {
        "ZHIYIN_JOBS__WORKERS": "2",
        "ZHIYIN_JOBS__ALLOW_URLS": "true",
        "ZHIYIN_JOBS__LEASE_S": "5",
        "SCRIPTED_DELAY_S": "0.05",
    }
    with running(tmp_path_factory.mktemp("jobs"), **settings(**more)) as started:
        yield started


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as made:
        yield made


def test_a_job_is_done_and_its_text_comes_in_every_format(client: httpx.Client) -> None:
    answer = submit(client, recording(30, 2.0), words="true")
    assert answer.status_code == 202
    job_id = answer.json()["id"]
    assert answer.headers["location"] == f"/v1/jobs/{job_id}"
    job = wait(client, job_id)
    assert job["state"] == "done"
    assert job["progress"] == {"processed": 2.0, "duration": 2.0}
    assert job["result_url"] == f"/v1/jobs/{job_id}/result"
    text = " ".join(["t30"] * 20)
    own = client.get(job["result_url"]).json()
    assert (own["id"], own["text"], own["segments"][0]["words"][0]["word"]) == (job_id, text, "t30")
    verbose = client.get(job["result_url"], params={"format": "verbose_json"}).json()
    assert verbose["segments"][0]["text"] == text
    assert len(verbose["words"]) == 20
    plain = client.get(job["result_url"], params={"format": "text"})
    assert plain.text == text + "\n"
    assert "00:00:00,000 --> 00:00:02,000" in client.get(job["result_url"] + "?format=srt").text
    assert client.get(job["result_url"] + "?format=vtt").text.startswith("WEBVTT")
    wrong = client.get(job["result_url"] + "?format=pdf")
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "format")


def test_transcripts_go_to_the_history_unless_the_client_minds(client: httpx.Client) -> None:
    kept, private = (
        submit(client, recording(31, 1.0), store=s).json()["id"] for s in ("true", "false")
    )
    for job_id in (kept, private):
        assert wait(client, job_id)["state"] == "done"
    end = time.monotonic() + 30
    while (answer := client.get(f"/v1/history/{kept}")).status_code == 404:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert (answer.json()["text"], answer.json()["door"]) == (" ".join(["t31"] * 10), "jobs")
    assert client.get(f"/v1/history/{private}").status_code == 404


def test_the_same_key_gives_the_same_job(client: httpx.Client) -> None:
    first = submit(client, recording(31), key="k-1")
    again = submit(client, recording(31), key="k-1")
    assert again.status_code == 202
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    other = submit(client, recording(32), key="k-1")
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert submit(client, recording(31), key="k-1", words="true").status_code == 409
    assert submit(client, recording(31)).json()["id"] != first.json()["id"]


def test_the_same_key_many_times_at_once_makes_one_job(server: Server) -> None:
    def good(_: int) -> str:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            return str(submit(client, recording(33), key="at-once").json()["id"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(good, range(16)))) == 1


def test_lists_are_paged(client: httpx.Client) -> None:
    made = [submit(client, recording(34)).json()["id"] for _ in range(3)]
    for job_id in made:
        wait(client, job_id)
    first = client.get("/v1/jobs", params={"limit": 2}).json()
    assert [job["id"] for job in first["data"]] == [made[2], made[1]]
    assert first["has_more"] is True
    after = client.get("/v1/jobs", params={"limit": 1, "after": made[1]}).json()
    assert after["data"][0]["id"] == made[0]
    done = client.get("/v1/jobs", params={"state": "done", "limit": 100}).json()["data"]
    assert {job["state"] for job in done} == {"done"}
    for wrong in ({"limit": 0}, {"limit": 101}, {"state": "x"}, {"after": "' OR 1=1"}):
        assert client.get("/v1/jobs", params=wrong).status_code == 400


def test_a_running_job_is_cancelled_and_done_again(client: httpx.Client, hook: Receiver) -> None:
    job_id = submit(client, recording(35, 2000), webhook_url=f"{hook.url}/a").json()["id"]
    wait(client, job_id, "running")
    cancelled = client.post(f"/v1/jobs/{job_id}/cancel").json()
    assert cancelled["state"] == "cancelled"
    assert client.post(f"/v1/jobs/{job_id}/cancel").json()["ended_at"] == cancelled["ended_at"]
    assert client.get(f"/v1/jobs/{job_id}/result").json()["error"]["code"] == "no_result"
    again = client.post(f"/v1/jobs/{job_id}/retry")
    assert (again.status_code, again.json()["run"]) == (202, 2)
    assert client.post(f"/v1/jobs/{job_id}/retry").status_code == 409
    assert wait(client, job_id)["state"] == "done"
    deadline = time.monotonic() + 120
    while len(hook.by_job()[job_id]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    told = [(m.content["type"], m.id) for m in hook.by_job()[job_id]]
    number = job_id.removeprefix("job_")
    assert told == [("job.cancelled", f"msg_{number}_1"), ("job.done", f"msg_{number}_2")]


def test_deleting_forgets_everything(client: httpx.Client, server: Server) -> None:
    job_id = submit(client, recording(36)).json()["id"]
    wait(client, job_id)
    running = submit(client, recording(36, 2000)).json()["id"]
    wait(client, running, "running")
    for one in (job_id, running):
        assert client.delete(f"/v1/jobs/{one}").json() == {
            "id": one, "object": "job", "deleted": True,
        }  # fmt: skip
        for address in ("", "/result", "/events"):
            assert client.get(f"/v1/jobs/{one}{address}").status_code == 404
        assert client.delete(f"/v1/jobs/{one}").status_code == 404


def test_events_tell_the_progress_and_the_end(client: httpx.Client) -> None:
    job_id = submit(client, recording(37, 300)).json()["id"]
    with client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = [line for line in answer.iter_lines() if line.startswith("data: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in told]
    assert events[-1]["type"] == "done"
    assert events[-1]["job"]["progress"]["processed"] == 300
    done = [e["job"]["progress"]["processed"] for e in events]
    assert done == sorted(done)
    assert [e["type"] for e in events if e["type"] in ("done", "failed")] == ["done"]


def test_webhooks_are_signed_and_tried_again(client: httpx.Client, hook: Receiver) -> None:
    hook.failures = 1
    job_id = submit(client, recording(38), webhook_url=f"{hook.url}/h").json()["id"]
    wait(client, job_id)
    deadline = time.monotonic() + 60
    while not hook.by_job()[job_id]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (message,) = hook.by_job()[job_id]
    verified = Webhook(SECRET).verify(message.body, message.headers)
    assert verified["type"] == "job.done"
    assert verified["data"] == {"id": job_id, "state": "done", "run": 1, "error": None}
    assert "t38" not in message.body.decode(), "a message says nothing of what was said"
    tampered = message.body.replace(b"done", b"lost")
    with pytest.raises(Exception, match="signature"):
        Webhook(SECRET).verify(tampered, message.headers)
    while (state := wait(client, job_id)["webhook"])["state"] != "delivered":
        assert time.monotonic() < deadline
    assert state["attempts"] == 2


def test_a_failed_job_says_why(client: httpx.Client, hook: Receiver) -> None:
    body = submit(client, b"no sound at all" * 100)
    assert (body.status_code, body.json()["error"]["code"]) == (400, "undecodable_audio")
    hook.files["/text.wav"] = b"no sound at all" * 100
    fields = {"url": f"{hook.url}/text.wav", "webhook_url": f"{hook.url}/h"}
    job_id = client.post("/v1/jobs", files={k: (None, v) for k, v in fields.items()}).json()["id"]
    job = wait(client, job_id)
    assert (job["state"], job["error"]["code"]) == ("failed", "undecodable_audio")
    deadline = time.monotonic() + 30
    while not hook.by_job()[job_id]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (message,) = hook.by_job()[job_id]
    assert message.content["data"]["error"]["code"] == "undecodable_audio"


def test_a_recording_is_fetched_from_a_url(client: httpx.Client, hook: Receiver) -> None:
    hook.files["/there.wav"] = recording(39, 2.0)
    hook.redirects["/here"] = f"{hook.url}/there.wav"
    fields = {"url": f"{hook.url}/here", "vad": "false", "language": "en"}
    answer = client.post("/v1/jobs", files={k: (None, v) for k, v in fields.items()})
    assert answer.status_code == 202, answer.text
    job = wait(client, answer.json()["id"])
    assert job["state"] == "done", job
    assert job["progress"] == {"processed": 2.0, "duration": 2.0}
    assert "t39" in client.get(job["result_url"]).json()["text"]


def test_a_file_or_a_url_but_not_both_and_not_none(client: httpx.Client) -> None:
    none = client.post("/v1/jobs", files={"vad": (None, "false")})
    both = submit(client, recording(40), url="https://example.com/a.wav")
    for answer in (none, both):
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "file"


def test_health_counts(client: httpx.Client) -> None:
    health = client.get("/health/jobs").json()
    assert health["status"] == "ready"
    assert (health["lag"], health["workers"]) == (0, 2)
    assert health["chores"]["leases_lost"] == 0


BAD_IDS = [
    "x", "job_", "job_../../etc/passwd", "..%2f..%2fetc%2fpasswd", "job_" + "g" * 32,
    "job_" + "0" * 32, "job_" + "0" * 33, "%00", "' OR '1'='1", "job_" + "A" * 32,
]  # fmt: skip


@pytest.mark.parametrize("job_id", BAD_IDS)
def test_unknown_ids_are_unknown(client: httpx.Client, job_id: str) -> None:
    for method, tail in (
        ("GET", ""), ("GET", "/result"), ("GET", "/events"), ("POST", "/cancel"),
        ("POST", "/retry"), ("DELETE", ""),
    ):  # fmt: skip
        answer = client.request(method, f"/v1/jobs/{job_id}{tail}")
        assert answer.status_code in (404, 405), answer.text
        assert "Traceback" not in answer.text


BAD_FIELDS: list[tuple[dict[str, str], str]] = [
    ({"priority": "urgent"}, "priority"),
    ({"response_format": "srt"}, "response_format"),
    ({"stream": "true"}, "stream"),
    ({"language": "qq"}, "language"),
    ({"webhook_url": "ftp://x/y"}, "webhook_url"),
    ({"webhook_url": "http://169.254.169.254/latest/meta-data"}, "webhook_url"),
    ({"webhook_url": "http://user:pass@127.0.0.1/"}, "webhook_url"),
    ({"webhook_url": "http://x" + "y" * 3000}, "webhook_url"),
    ({"key": "a b"}, "Idempotency-Key"),
    ({"key": "x" * 256}, "Idempotency-Key"),
    ({"key": "caf\u00e9"}, "Idempotency-Key"),
]


@pytest.mark.parametrize(("fields", "param"), BAD_FIELDS)
def test_wrong_fields_are_refused(client: httpx.Client, fields: dict[str, str], param: str) -> None:
    key = fields.pop("key", "").encode("utf-8")
    headers = [(b"Idempotency-Key", key)] if key else []
    answer = client.post(
        "/v1/jobs", files={"file": ("a.wav", recording(1))}, data=fields, headers=headers
    )
    assert answer.status_code == 400, answer.text
    assert (answer.json()["error"]["param"] or "") == param


def test_a_server_without_secret_and_urls_says_so(tmp_path: Path) -> None:
    environment = settings(
        ZHIYIN_JOBS__WEBHOOK_SECRET="", ZHIYIN_JOBS__MAX_WAITING="2", ZHIYIN_JOBS__WORKERS="0"
    )
    with (
        running(tmp_path, **environment) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        no_hook = submit(client, recording(1), webhook_url="https://example.com/")
        assert no_hook.json()["error"]["code"] == "webhooks_are_off"
        no_url = client.post("/v1/jobs", files={"url": (None, "https://example.com/a.wav")})
        assert no_url.json()["error"]["code"] == "urls_are_off"
        first = submit(client, recording(1), key="first")
        assert submit(client, recording(2)).status_code == 202
        full = submit(client, recording(3))
        assert full.status_code == 429
        assert 1 <= int(full.headers["retry-after"]) <= 3600
        repeated = submit(client, recording(1), key="first")
        assert repeated.json()["id"] == first.json()["id"], "it needs no room"
        assert first.json()["estimate_s"] is not None
        assert client.get("/health/jobs").json()["waiting"] == 2


def test_after_all_that_the_logs_are_clean(client: httpx.Client, server: Server) -> None:
    assert client.get("/health/jobs").status_code == 200
    logs = "".join(server.logs)
    assert "Traceback" not in logs
    assert "t30" not in logs
