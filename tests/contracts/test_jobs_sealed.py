"""Encryption of jobs' records, looked at from outside: raw files, swapped rows, lost keys."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.support.history_databases import ring
from tests.support.job_records import NOW, made
from zhiyin.core.jobs import lifecycle
from zhiyin.domain.errors import CannotDecrypt
from zhiyin.domain.job import Failure, Job, JobPolicy, JobQuery, JobState
from zhiyin.domain.sealing import KeyUse
from zhiyin.ports.cipher import Cipher, KeyRing
from zhiyin.store.blob_keys import BlobKeys
from zhiyin.store.blobs_folder import FolderBlobs
from zhiyin.store.blobs_sealed import SealedBlobs
from zhiyin.store.cipher_aesgcm import AesRing, generate, parse_keys
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.jobs_sql.database import jobs_database
from zhiyin.store.jobs_sql.keys import JobKeys
from zhiyin.store.jobs_sql.store import SqlJobs
from zhiyin.store.sql.database import Database

URL = "https://example.com/quokka?key=geheim"
TRACES = ("提示", "热词", "quokka", "geheim", "sha256-of-it", "translate")


def private(number: int = 0) -> Job:
    """A job with something in every private column."""
    job = made(number, fingerprint="sha256-of-it", failure=Failure("unreachable", f"No {URL}"))
    return replace(job, request=replace(job.request, url=URL, webhook_url=URL))


async def run(database: Database, statement: str) -> None:
    async with database.transaction(write=True) as db:
        await db.execute(text(statement))


def seen(folder: Path) -> list[str]:
    """What of the traces stands in the database and its journal."""
    files = list(folder.glob("jobs.sqlite3*"))
    assert any(file.name.endswith("-wal") for file in files)
    raw = b"".join(file.read_bytes() for file in files)
    return [trace for trace in TRACES if trace.encode() in raw]


@pytest.mark.parametrize("encrypted", [True, False])
async def test_nothing_private_is_in_the_files(tmp_path: Path, encrypted: bool) -> None:
    database = jobs_database(f"sqlite+aiosqlite:///{tmp_path / 'jobs.sqlite3'}")
    store = SqlJobs(database, ring("k1") if encrypted else PlainRing())
    for number in range(20):
        job = await store.add(private(number))
        assert await store.replace(job)
        held = await store.get(job.id)
        assert held == replace(job, version=1)
    found = seen(tmp_path)
    assert found == ([] if encrypted else list(TRACES)), "without a key it shows where to look"
    await database.close()


async def test_swapped_values_are_refused(database: Database) -> None:
    store = SqlJobs(database, ring("k1"))
    one, two = await store.add(private()), await store.add(private(1))
    copied = "(SELECT x FROM (SELECT {} AS x FROM jobs WHERE id = '{}') y)"
    for column in ("payload", "failure_message"):
        other = copied.format(column, two.id)
        await run(database, f"UPDATE jobs SET {column} = {other} WHERE id = '{one.id}'")
    held = await store.get(one.id)
    assert held is not None
    assert held.failure is not None
    for said in (held.unreadable, held.failure.message):
        assert "another record" in said
    assert (held.request.url, held.fingerprint) == ("", "")
    await run(database, f"UPDATE jobs SET payload = failure_message WHERE id = '{two.id}'")
    await run(database, f"UPDATE jobs SET owner = 'bob' WHERE id = '{two.id}'")
    (stolen,) = await store.list(JobQuery("bob"))
    assert "another record" in stolen.unreadable


@pytest.fixture(params=["wrong", "other", "none"])
def lost(request: pytest.FixtureRequest) -> Cipher:
    """Keys that are not those of before."""
    kinds: dict[str, Cipher] = {"wrong": ring("k1"), "other": ring("k2"), "none": PlainRing()}
    return kinds[request.param]


async def test_what_does_not_open_is_left_as_it_is(database: Database, lost: Cipher) -> None:
    keys = ring("k1")
    job = await SqlJobs(database, keys).add(private())
    store = SqlJobs(database, lost)
    held = await store.get(job.id)
    assert held is not None
    assert held.unreadable
    assert [j.id for j in await store.list(JobQuery("ann"))] == [job.id]
    failed = lifecycle.leased(held, "t", NOW, JobPolicy())
    assert failed is not None
    assert (failed.state, failed.lease, failed.until) == (JobState.FAILED, None, NOW + 604_800)
    assert failed.failure == Failure("cannot_decrypt", held.unreadable)
    assert await store.replace(failed)
    assert lifecycle.leased(failed, "t", NOW, JobPolicy()) is None
    told = await store.get(job.id)
    assert told is not None
    assert told.failure == failed.failure
    again = await SqlJobs(database, keys).get(job.id)
    assert again is not None
    assert again.request == job.request, "with the key it is all there again"


def test_a_record_can_not_name_another_jobs_blobs() -> None:
    one, two = made(), made(1)
    assert one.blob(f"{one.id}.audio")
    with pytest.raises(CannotDecrypt):
        one.blob(f"{two.id}.1-1.result")


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_rotation_makes_the_old_key_useless(database: Database, tmp_path: Path) -> None:
    old, new = generate("k1"), generate("k2")
    first, last = AesRing(parse_keys(old)), AesRing(parse_keys(new))
    both = AesRing(parse_keys(f"{new},{old}"))
    folder = FolderBlobs(tmp_path / "blobs")

    def blobs(keys: KeyRing) -> SealedBlobs:
        return SealedBlobs(folder, BlobKeys(database, keys))

    plain = await SqlJobs(database, PlainRing()).add(private(9))
    jobs = [plain]
    for number in range(205):
        job = private(number)
        job = replace(job, recording=replace(job.recording, blob=f"{job.id}.audio"))
        jobs.append(await SqlJobs(database, first).add(job))
        if number < 3:
            await blobs(first).write(f"{job.id}.audio", once(b"sound"), 10)
    keys = JobKeys(database, folder, both)
    assert sorted(await keys.uses(), key=str) == [KeyUse("", 1), KeyUse("k1", 208)]
    assert await keys.reseal(both) == (206 + 3, 0)
    assert await keys.uses() == [KeyUse("k2", 209)]
    assert await keys.reseal(both) == (0, 0)
    for job in jobs:
        held = await SqlJobs(database, last).get(job.id)
        assert held == job
    with await blobs(last).open(f"{jobs[1].id}.audio") as stream:
        assert stream.read() == b"sound"
    with pytest.raises(CannotDecrypt):
        await blobs(first).open(f"{jobs[1].id}.audio")
    assert await JobKeys(database, folder, ring("k3")).reseal(ring("k4")) == (0, 209)
    assert await keys.reseal(PlainRing()) == (209, 0)
    assert await SqlJobs(database, PlainRing()).get(jobs[2].id) == jobs[2]
    with await blobs(PlainRing()).open(f"{jobs[1].id}.audio") as stream:
        assert stream.read() == b"sound"
    assert await keys_of(database) == []


async def keys_of(database: Database) -> list[str]:
    """Whose blobs have keys."""
    return list(await BlobKeys(database, PlainRing()).names(0, time.time() + 60))


async def test_a_job_takes_the_keys_of_its_blobs_with_it(database: Database) -> None:
    store, keys = SqlJobs(database, ring("k1")), BlobKeys(database, ring("k1"))
    one, other = await store.add(private()), await store.add(private(1))
    names = [f"{one.id}.audio", f"{one.id}.1-2.result", f"{other.id}.audio"]
    for name in names:
        await keys.new(name)
    assert not await store.remove(replace(one, version=7)), "somebody else has written it"
    assert sorted(await keys_of(database)) == sorted(names)
    assert await store.remove(one)
    assert await keys_of(database) == [f"{other.id}.audio"]
