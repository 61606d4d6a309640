"""Slots for requests to clients' addresses."""

from __future__ import annotations

from tests.support.clock import Clock
from zhiyin.core.jobs.host_slots import HostSlots


def test_one_host_leaves_slots_to_others() -> None:
    slots = HostSlots(5, 2, Clock())
    assert [slots.take("https://A.example:8443/x") for _ in range(2)] == [0.0, 0.0]
    assert slots.take("http://a.example./y") > 0, "the same host by another name and port"
    assert [slots.take(f"http://{h}.example/") for h in "bcd"] == [0.0] * 3
    assert slots.take("http://e.example/") > 0, "and all together are bounded"
    slots.release("https://a.example/z", 0.1)
    assert slots.take("http://e.example/") == 0.0


def test_who_is_sent_away_comes_back_one_after_the_other() -> None:
    slots = HostSlots(10, 2, Clock())
    for _ in range(2):
        slots.take("http://a.example/")
    for _ in range(9):  # ten seconds each: it does not answer
        slots.release("http://a.example/", 10.0)
        slots.take("http://a.example/")
    waits = [slots.take("http://a.example/") for _ in range(20)]
    assert waits == sorted(waits)
    assert waits[0] > 3
    assert waits[-1] == 60.0, "but a minute at most"


def test_hosts_are_forgotten() -> None:
    slots = HostSlots(10, 2, Clock())
    for number in range(5000):
        url = f"http://h{number}.example/"
        assert slots.take(url) == 0.0
        slots.release(url, 0.1)
    assert len(slots._hosts) <= 1001


def test_addresses_that_are_none_share_slots() -> None:
    slots = HostSlots(10, 1, Clock())
    assert slots.take("") == 0.0
    assert slots.take("http://[::1") > 0
