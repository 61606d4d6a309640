"""Job records as the stores and the lifecycle see them."""

from __future__ import annotations

from dataclasses import replace

from zhiyin.domain.job import Job, JobPolicy, JobRequest, Recording, new_job_id
from zhiyin.domain.options import DecodeOptions, TranscribeOptions

POLICY = JobPolicy(lease_s=10, max_attempts=3, audio_ttl_s=1000, webhook_attempts=3)
NOW = 1_795_000_000.123457


def job(webhook_url: str = "https://example.com/") -> Job:
    request = JobRequest(TranscribeOptions(), webhook_url=webhook_url)
    return Job(new_job_id(0), "ann", request, Recording("x.audio", 1, 1000.0), 0.0, 0.0)


def sure(changed: Job | None) -> Job:
    assert changed is not None
    return changed


def made(number: int = 0, owner: str = "ann", **changes: object) -> Job:
    """A job; the higher the number, the later."""
    decode = DecodeOptions("zh", "translate", "提示 ' \" %s", "热词", 3, 0.5, words=True)
    request = JobRequest(TranscribeOptions("m", decode, vad=False, previous_text=True))
    audio = Recording("a.audio", 1 << 40, NOW + 9, 12.5)
    job = Job(new_job_id(NOW + number), owner, request, audio, NOW + number, NOW + number)
    return replace(job, **changes)  # type: ignore[arg-type]
