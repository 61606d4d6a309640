"""Messages about ends are signed as the standard's own library wants them."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from standardwebhooks import Webhook

from tests.support.job_records import POLICY, job, sure
from zhiyin.core.jobs import lifecycle, webhooks
from zhiyin.domain.errors import ConfigError

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLASwMfKQ9r8GKYqr"
NEW = "whsec_C2FVsBQIhrscChlQIMV9Na8ajNSf2pSvC2FVsBQIhrsc"


def test_both_keys_sign_while_they_are_changed() -> None:
    ended = replace(sure(lifecycle.cancelled(job(), 5.0, POLICY)), ended_at=1_795_000_000.25)
    body = webhooks.message(ended)
    headers = webhooks.signed(
        ended.event_id, body, webhooks.parse_secrets(f"{OLD} {NEW}"), time.time()
    )
    for secret in (OLD, NEW):
        content = Webhook(secret).verify(body, headers)
        assert content["type"] == "job.cancelled"
        assert content["timestamp"] == "2026-11-18T11:06:40.250+00:00"
    assert webhooks.message(ended) == body, "the same however often it is sent"


@pytest.mark.parametrize("secret", ["whsec_short", "whsec_!!!", "password", "whsec_ AAAA"])
def test_weak_secrets_are_refused(secret: str) -> None:
    with pytest.raises(ConfigError, match=r"jobs\.webhook_secret"):
        webhooks.parse_secrets(secret)


def test_no_secret_is_none() -> None:
    assert webhooks.parse_secrets("") == ()
