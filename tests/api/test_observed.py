"""What an observer sees of requests and live sessions, over real sockets."""

from __future__ import annotations

import httpx
import numpy as np

from tests.support.app_server import app_server
from tests.support.live_stack import said, silence


async def test_errors_are_counted_by_api_and_code() -> None:
    async with app_server() as service:
        async with httpx.AsyncClient(base_url=service.url.replace("ws:", "http:")) as client:
            answer = await client.post("/recognize", files={"file": ("a.wav", b"no sound")})
            assert answer.status_code == 400
            assert (await client.get("/nowhere")).status_code == 404
        code = answer.json()["error"]["code"]
        async with service.dial() as socket:
            await socket.tell("nonsense")
            await socket.rest()
        errors = service.observer.observed().errors
    assert errors["/recognize", code] == 1
    assert sum(n for (_, code), n in errors.items() if code == "not_found") == 1
    assert sum(n for (api, _), n in errors.items() if api == "/v1/stream") == 1


async def test_live_sessions_and_their_results_are_observed() -> None:
    async with app_server() as service:
        await service.talk(np.concatenate([said(40), silence()]))
        observer = service.observer
    assert observer.totals("live") == {"opened": 1, "closed": 1}
    assert observer.observed().lags["final"].results == 1
    assert observer.observed().lanes["final"].taken == 1
