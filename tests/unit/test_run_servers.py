"""The servers that a test run shares: one of each, for all processes, until the owner ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.run_servers import KAFKA, RunServers, ask


@pytest.fixture
def owner() -> Iterator[RunServers]:
    made = RunServers()
    yield made
    if Path(made.address).exists():
        made.close()


def answers(address: str) -> bool:
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def test_all_who_ask_get_the_same_server(owner: RunServers) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: ask(owner.address, KAFKA), range(8)))
    assert found == {owner.get(KAFKA)}
    assert answers(*found)


def test_it_ends_with_its_owner(owner: RunServers) -> None:
    address = ask(owner.address, KAFKA)
    owner.close()
    assert not answers(address)
    with pytest.raises(OSError, match="No such file"):
        ask(owner.address, KAFKA)


def test_a_server_that_does_not_start_is_explained(
    owner: RunServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.mariadb._OPTIONS", ("--user=root", "--no-such-option"))
    with pytest.raises(RuntimeError, match=r"did not start(.|\n)*no-such-option"):
        ask(owner.address, "mariadb")
    assert answers(ask(owner.address, KAFKA)), "the others go on"
