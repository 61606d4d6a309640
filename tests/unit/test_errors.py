"""Every API has a row for every error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest

from zhiyin.access.errors import STATUS, error_body, error_response, status_of
from zhiyin.access.ws import errors as ws
from zhiyin.access.ws.realtime import render as realtime
from zhiyin.cli.exit_codes import EXIT_CODES, exit_code
from zhiyin.core.jobs.failure_policy import DISPOSITIONS, disposition_of
from zhiyin.domain import errors as e


def _tree(kind: type[e.AsrError]) -> Iterator[type[e.AsrError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


KINDS = sorted(set(_tree(e.AsrError)), key=lambda k: k.__name__)


def has_a_row(table: Mapping[type[e.AsrError], object], kind: type[e.AsrError]) -> type[e.AsrError]:
    """The class whose row counts: the root's row is for the root only."""
    row = next(k for k in kind.__mro__ if k in table)
    assert row is not e.AsrError or kind is e.AsrError, "give it a row of its own"
    return row


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_an_http_status(kind: type[e.AsrError]) -> None:
    has_a_row(STATUS, kind)
    assert 400 <= status_of(kind("x")) < 600


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_close_code(kind: type[e.AsrError]) -> None:
    has_a_row(ws.ANSWERS, kind)
    # What RFC 6455 lets an endpoint send, IANA's additions, and the range of applications.
    assert ws.close_code(kind("x")) in {1007, 1008, 1009, 1011, 1013, 4409}


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_an_event_of_both_sockets(kind: type[e.AsrError]) -> None:
    problem = kind("half a \ud800 pair", param="field")
    native, openai = ws.error_event(problem), realtime.error(problem, "mine")
    assert native["type"] == "error"
    assert set(native["error"]) == {"message", "type", "param", "code"}
    assert openai == native["error"] | {"event_id": "mine"}
    assert openai["type"].endswith("_error")
    json.dumps([native, openai], ensure_ascii=False).encode()


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_an_exit_code(kind: type[e.AsrError]) -> None:
    has_a_row(EXIT_CODES, kind)
    assert 1 <= exit_code(kind("x")) <= 5


def test_an_error_without_a_row_is_found() -> None:
    with pytest.raises(AssertionError, match="a row of its own"):
        has_a_row({e.AsrError: 1, e.InvalidRequest: 2}, e.Conflict)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_disposition(kind: type[e.AsrError]) -> None:
    row = has_a_row(DISPOSITIONS, kind)
    assert disposition_of(kind("x")) is DISPOSITIONS[row]


@pytest.mark.parametrize("kind", KINDS)
def test_bodies_have_all_four_keys(kind: type[e.AsrError]) -> None:
    body = error_body(kind("what happened", param="file"))
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["code"]


def test_retrying_clients_are_told_what_to_do() -> None:
    busy = error_response(e.Overloaded("busy", retry_after_s=2.4))
    assert busy.headers["retry-after"] == "3"
    failed = error_response(e.EngineFailed("no"))
    assert failed.headers["x-should-retry"] == "false"
    starting = error_response(e.Unavailable("soon"))
    assert starting.headers["x-should-retry"] == "true"
